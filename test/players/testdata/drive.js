'use strict';
// drive does with a stream all that a viewer can do and tells what came of it: it
// plays it from start to end, seeks, and chooses each variant, voice and text.
// Pictures are told by the counter burnt into them, sound by its tone.

const limit = 120000; // ms within which anything asked for has to come about, on a busy machine too
const patience = 3500; // ms after which a viewer asks again

async function drive(url, want) {
  const report = { Failure: '', Duration: 0, Frames: 0, Shown: 0, Wrong: [], Seeks: [], Variants: [], Voices: [], Texts: [], Sound: 0, Errors: player.errors };
  const video = document.getElementById('video');
  window.report = report;
  window.addEventListener('unhandledrejection', (e) => player.errors.push(`rejected: ${e.reason}`));
  try {
    // A little buffer, so that there is something to load at a switch, yet as many
    // pictures as a decoder takes before it gives the first.
    await player.open(video, url, Math.max(4, 12 / want.rate));
    await until('metadata', () => video.readyState >= 1 && Number.isFinite(video.duration));
    report.Duration = video.duration;
    if ((want.heights || []).length) await seeing(video, want, report);
    await hearing(video, want, report);
    report.Sound = video.webkitAudioDecodedByteCount;
    if (want.texts) await reading(video, want, report);
  } catch (e) {
    if (player.log) report.Log = player.log();
    report.Failure = `${e.message || e} at ${video.currentTime.toFixed(2)} s, state ${video.readyState}, ${video.videoWidth}x${video.videoHeight}, buffered ${ranges(video)}`;
  }
  if (player.errors.length && player.log) report.Log = player.log();
  return JSON.stringify(report);
}

async function seeing(video, want, report) {
  await playThrough(video, want, report);
  // The middle of a frame, near the start, within segments, at seams and at the end.
  const last = want.frames - 1 - want.start;
  for (const n of [0, 0.71, 0.2, 1 / 3, 2 / 3, 0.5, 1].map((part) => Math.round(part * last))) {
    const at = (n + 0.5) / want.rate;
    report.Seeks.push({ At: at, Want: n + want.start, Sees: await seek(video, at, n + want.start) });
  }
  const variants = player.variants();
  for (const i of variants.length > 1 ? [...variants.keys(), ...[...variants.keys()].reverse().slice(1)] : []) {
    // From near the start each time: at the end there is nothing to switch to.
    await seek(video, 1, -1);
    player.choose(i);
    video.playbackRate = 4;
    await play(video);
    await until(`variant ${i} of height ${variants[i].height}`, async () => {
      if (video.ended) { // what was in the buffer played out; now there is something to load
        await seek(video, 1, -1);
        await play(video);
      }
      return video.videoHeight === variants[i].height && !video.seeking && video.readyState >= 3;
    }, async () => { // video.js can believe that it shows what it has not loaded again, or be asked at the very end
      video.currentTime = 1;
      player.choose((i + 1) % variants.length);
      await new Promise((done) => setTimeout(done, 500));
      player.choose(i);
    });
    const from = video.currentTime;
    await until(`variant ${i} goes on`, () => video.currentTime > from + 0.3 || video.ended);
    report.Variants.push({ Height: variants[i].height, Shows: video.videoHeight });
  }
  video.pause();
}

// playThrough plays a stream just opened from start to end and compares each picture that is presented
// with the one that is due.
async function playThrough(video, want, report) {
  let open = true;
  const each = (_, frame) => {
    if (!open) return;
    const sees = counter(video), due = want.start + Math.round(frame.mediaTime * want.rate);
    report.Shown++;
    // Later ones may have come before it is looked at; earlier ones may not.
    if (sees < due - 1 && report.Wrong.length < 10) report.Wrong.push({ At: frame.mediaTime, Want: due, Sees: sees });
    video.requestVideoFrameCallback(each);
  };
  video.requestVideoFrameCallback(each);
  video.playbackRate = 4;
  await play(video);
  await until('the end', () => video.ended);
  open = false;
  report.Frames = video.getVideoPlaybackQuality().totalVideoFrames;
}

// seek pauses, seeks and returns the counter that is seen then.
async function seek(video, at, wanted) {
  video.pause();
  video.currentTime = at;
  await until(`seek to ${at.toFixed(2)}`, () => !video.seeking && video.readyState >= 2, () => { video.currentTime = at; });
  if (wanted < 0) return -1;
  const late = performance.now() + 3000; // the picture comes a little after the event
  while (counter(video) !== wanted && performance.now() < late) await tick();
  return counter(video);
}

// hearing chooses each voice and waits until its tone, and no other, is heard.
async function hearing(video, want, report) {
  if (!want.voices) return;
  const ear = new Ear(video);
  const voices = player.voices();
  for (let i = 0; i < Math.max(voices.length, 1); i++) {
    await seek(video, 1, -1);
    if (voices.length > 1) player.hear(i);
    video.playbackRate = 1;
    await play(video);
    const v = voices[i] || { name: '', language: '' };
    let heard = 0, times = 0;
    // A tone counts when it has been heard for a while, and, where there is a
    // choice, when it is one that was not heard before: the buffer plays out first.
    await until(`a tone of voice ${i} (${v.name})`, () => {
      const tone = want.tones.find((t) => Math.abs(t - ear.tone()) < 30);
      times = tone && tone === heard ? times + 1 : 0;
      heard = tone || 0;
      return times > 10 && !report.Voices.some((o) => o.Tone === heard);
    }, async () => {
      if (voices.length > 1) player.hear(i);
      await ear.context.resume();
      await play(video);
    });
    report.Voices.push({ Name: v.name || '', Language: v.language || '', Tone: heard });
  }
  video.pause();
}

// Ear tells the loudest frequency of what a video sounds like.
class Ear {
  constructor(video) {
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: 8192, smoothingTimeConstant: 0 });
    this.context.createMediaElementSource(video).connect(this.analyser);
    this.analyser.connect(this.context.destination);
    this.bins = new Float32Array(this.analyser.frequencyBinCount);
  }
  tone() {
    this.analyser.getFloatFrequencyData(this.bins);
    let best = 0;
    for (let i = 1; i < this.bins.length; i++) if (this.bins[i] > this.bins[best]) best = i;
    return this.bins[best] < -80 ? 0 : best * this.context.sampleRate / this.analyser.fftSize;
  }
}

async function reading(video, want, report) {
  for (const [i, t] of player.texts().entries()) {
    await seek(video, 1, -1);
    player.read(i);
    await play(video);
    const cue = () => [...video.textTracks].filter((k) => k.mode !== 'disabled').flatMap((k) => [...(k.activeCues || [])]).map((c) => c.text).join(' ');
    await until(`a cue of text ${i} (${t.name})`, () => cue() !== '');
    report.Texts.push({ Name: t.name || '', Language: t.language || '', Cue: cue() });
  }
  video.pause();
}

const canvas = document.createElement('canvas');
canvas.height = 1;
const pen = canvas.getContext('2d', { willReadFrequently: true });

// counter reads the number burnt into the picture: 16 boxes, the lowest bit first.
function counter(video) {
  const w = video.videoWidth, h = video.videoHeight;
  if (!w) return -1;
  if (canvas.width !== w) canvas.width = w;
  pen.drawImage(video, 0, Math.round(h / 12 * 0.4), w, 1, 0, 0, w, 1);
  const row = pen.getImageData(0, 0, w, 1).data;
  let n = 0;
  for (let k = 0; k < 16; k++) if (row[4 * Math.floor((k + 0.5) * w / 16)] > 127) n |= 1 << k;
  return n;
}

const tick = () => new Promise((done) => setTimeout(done, 20));

// play starts it; the browser's promise is kept only when there is something to play.
const play = (video) => Promise.race([video.play(), new Promise((_, no) => setTimeout(no, limit, new Error('not in time: playing')))]);

// until waits for something to come about; again is what a viewer does who has
// waited for a while: ask once more.
async function until(what, ok, again) {
  const late = performance.now() + limit;
  let next = performance.now() + patience;
  while (!await ok()) {
    if (performance.now() > late) throw new Error(`not in time: ${what}`);
    if (again && performance.now() > next) {
      next += patience;
      await again();
    }
    await tick();
  }
}

const ranges = (video) => [...Array(video.buffered.length).keys()].map((i) => `${video.buffered.start(i).toFixed(2)}–${video.buffered.end(i).toFixed(2)}`).join(' ') || 'nothing';
