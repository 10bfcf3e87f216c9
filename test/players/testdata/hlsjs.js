'use strict';
// hls.js behind the interface that drive.js drives.
const player = {
  errors: [],
  lines: [],
  log() { return this.lines.slice(-150).join('\n'); },
  async open(video, url, buffer) {
    const hls = this.hls = new Hls({ debug: Object.fromEntries(['trace', 'debug', 'log', 'warn', 'info', 'error'].map((k) => [k, (...a) => this.lines.push(`${k} ${a.join(' ')}`)])), capLevelToPlayerSize: false, maxBufferLength: buffer, maxMaxBufferLength: buffer, startLevel: 0, renderTextTracksNatively: true });
    hls.on(Hls.Events.ERROR, (_, data) => {
      // Requests that it cancels itself, to seek or to switch, are no errors.
      if (data.details === 'aborted' && !data.fatal) return;
      // Of separate sound it says so once of what it has in its buffer, of FFmpeg's own streams too.
      if (data.details === 'bufferAppendNoProgress' && data.appendsWithoutProgress === 1) return;
      // A busy machine stands still with enough in the buffer, or with nothing until
      // long after; a hole that the stream has is a short one.
      if (/^bufferStalled|^bufferNudge/.test(data.details) && !this.hole(video)) return;
      // What it loads again, to go back to a voice, may be in the buffer already.
      if (data.details === 'bufferAppendNoProgress' && data.appendsWithoutProgress < 2) return;
      this.errors.push(`${data.type} ${data.details}${data.fatal ? ' (fatal)' : ''}: ${data.reason || (data.error && data.error.message) || ''} ${(data.frag && data.frag.url) || data.url || ''}`);
    });
    hls.attachMedia(video);
    hls.loadSource(url);
    await new Promise((done, failed) => {
      hls.on(Hls.Events.MANIFEST_PARSED, done);
      hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) failed(new Error(`hls.js: ${data.details}`)); });
    });
  },
  hole(video) {
    const at = video.currentTime, b = video.buffered;
    return [...Array(b.length).keys()].some((i) => b.start(i) > at && b.start(i) < at + 1) || (b.length > 0 && b.end(b.length - 1) < at);
  },
  variants() { return this.hls.levels.map((l, index) => ({ height: l.height, index })).filter((l) => l.height); },
  choose(i) { this.hls.nextLevel = this.variants()[i].index; },
  voices() { return this.hls.audioTracks.map((t) => ({ name: t.name, language: t.lang })); },
  hear(i) { this.hls.audioTrack = i; },
  texts() { return this.hls.subtitleTracks.map((t) => ({ name: t.name, language: t.lang })); },
  read(i) { this.hls.subtitleDisplay = true; this.hls.subtitleTrack = i; },
};
