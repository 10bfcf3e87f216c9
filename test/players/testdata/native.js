'use strict';
// The browser's own player: a file, no playlist.
const player = {
  errors: [],
  async open(video, url) {
    video.addEventListener('error', () => this.errors.push(`element: ${video.error.code} ${video.error.message}`));
    video.src = url;
  },
  variants: () => [],
  voices: () => [],
  texts: () => [],
};
