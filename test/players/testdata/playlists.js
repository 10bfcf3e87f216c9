'use strict';
// Reads each playlist given with two parsers that are not ours and prints what
// they hold against it, one line each: hls-parser in its strict mode, which keeps
// to the specification, and m3u8-parser, which video.js reads with.
const fs = require('fs');
const hls = require('hls-parser');
const { Parser } = require('m3u8-parser');

hls.setOptions({ strictMode: true });
for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, 'utf8');
  const tell = (by, what) => console.log(`${file}: ${by}: ${what}`);
  try {
    const read = hls.parse(text);
    const count = read.isMasterPlaylist ? read.variants.length : read.segments.length;
    if (!count) tell('hls-parser', 'nothing in it');
    // What it read is what was written: no line was passed over.
    const again = hls.parse(hls.stringify(read));
    if ((again.isMasterPlaylist ? again.variants.length : again.segments.length) !== count) tell('hls-parser', 'another number of entries when it is written again');
  } catch (e) {
    tell('hls-parser', e.message);
  }
  const parser = new Parser({ uri: `http://example.com/${file}` });
  parser.on('warn', (w) => tell('m3u8-parser', w.message));
  parser.on('error', (e) => tell('m3u8-parser', e.message));
  parser.on('info', (i) => { if (!/defaulting (media|discontinuity) sequence/.test(i.message)) tell('m3u8-parser', i.message); });
  parser.push(text);
  parser.end();
}
