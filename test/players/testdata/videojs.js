'use strict';
// video.js, with its own HLS and DASH, behind the interface that drive.js drives.
const player = {
  errors: [],
  log: () => videojs.log.history().map((l) => l.join(' ')).slice(-60).join('\n'),
  async open(video, url, buffer) {
    videojs.log.level('debug');
    Object.assign(videojs.Vhs, { GOAL_BUFFER_LENGTH: buffer, MAX_GOAL_BUFFER_LENGTH: buffer }); // a clip held whole is not loaded anew to switch
    const p = this.videojs = videojs(video, { controls: false, html5: { vhs: { overrideNative: true }, nativeAudioTracks: false, nativeVideoTracks: false, nativeTextTracks: false } });
    p.on('error', () => this.errors.push(`code ${p.error().code}: ${p.error().message}`));
    p.src({ src: url, type: { m3u8: 'application/x-mpegURL', mpd: 'application/dash+xml', mp4: 'video/mp4' }[url.split('.').pop()] });
    await new Promise((done, failed) => { p.one('loadedmetadata', done); p.one('error', () => failed(new Error('video.js: ' + p.error().message))); });
    const vhs = p.tech({ IWillNotUseThisInPlugins: true }).vhs;
    if (!vhs) return;
    for (const name of ['bandwidthupdate', 'retryplaylist', 'excludeplaylist', 'playlistexclude']) {
      vhs.on && name !== 'bandwidthupdate' && vhs.on(name, (e) => this.errors.push(`vhs: ${e.type}`));
    }
    p.tech({ IWillNotUseThisInPlugins: true }).on('usage', (e) => { if (/excluded|error|retry/.test(e.name)) this.errors.push(`vhs: ${e.name}`); });
  },
  variants() {
    const levels = this.videojs.qualityLevels();
    this.order = [...Array(levels.length).keys()].map((i) => levels[i]).sort((a, b) => a.height - b.height);
    this.order = this.order.filter((l) => l.height);
    return this.order.map((l) => ({ height: l.height }));
  },
  choose(i) { // it switches when one is enabled that was not
    for (const l of this.order) l.enabled = false;
    this.order[i].enabled = true;
  },
  voiceTracks() { // a list that is none
    const list = this.videojs.audioTracks && this.videojs.audioTracks();
    return list ? [...Array(list.length).keys()].map((i) => list[i]) : [];
  },
  voices() { return this.voiceTracks().map((t) => ({ name: t.label, language: t.language })); },
  hear(i) { this.voiceTracks().forEach((t, k) => { t.enabled = k === i; }); },
  tracks() { return [...Array(this.videojs.textTracks().length).keys()].map((i) => this.videojs.textTracks()[i]).filter((t) => t.kind === 'subtitles' || t.kind === 'captions'); },
  texts() { return this.tracks().map((t) => ({ name: t.label, language: t.language })); },
  read(i) { this.tracks().forEach((t, k) => { t.mode = k === i ? 'showing' : 'disabled'; }); },
};
