'use strict';
// Shaka behind the interface that drive.js drives.
const player = {
  errors: [],
  async open(video, url, buffer) {
    shaka.polyfill.installAll();
    const p = this.shaka = new shaka.Player();
    const tell = (e) => this.errors.push(`code ${e.code}, category ${e.category}, severity ${e.severity}: ${JSON.stringify(e.data).slice(0, 500)}`);
    p.addEventListener('error', (e) => tell(e.detail));
    await p.attach(video);
    // A retried request would hide what it was retried for.
    const once = { maxAttempts: 1 };
    p.configure({ abr: { enabled: false }, manifest: { retryParameters: once }, streaming: { retryParameters: once, bufferingGoal: buffer, failureCallback: tell } });
    await p.load(url);
  },
  tracks() { return this.shaka.getVariantTracks().filter((t) => t.videoId !== null || t.audioId !== null); },
  variants() {
    const heights = [...new Set(this.tracks().map((t) => t.height))].filter((h) => h).sort((a, b) => a - b);
    return heights.map((height) => ({ height }));
  },
  choose(i) {
    const now = this.tracks().find((t) => t.active), height = this.variants()[i].height;
    const like = this.tracks().filter((t) => t.height === height);
    this.shaka.selectVariantTrack(like.find((t) => now && t.language === now.language && t.label === now.label) || like[0], true);
  },
  voices() { return this.shaka.getAudioTracks().map((t) => ({ name: t.label, language: t.language })); },
  hear(i) { this.shaka.selectAudioTrack(this.shaka.getAudioTracks()[i]); },
  texts() { return this.shaka.getTextTracks().map((t) => ({ name: t.label, language: t.language })); },
  read(i) { this.shaka.selectTextTrack(this.shaka.getTextTracks()[i]); },
};
