'use strict';
// The player page. What the address says is only ever set as text or as a URL
// that has been checked to be http or https.
(() => {
  const $ = (id) => document.getElementById(id);
  const video = $('video'), quality = $('quality'), audio = $('audio'), messages = $('messages');

  // For tests and the curious: every hls.js error, the last events, the player itself.
  const record = { version: window.Hls ? Hls.version : null, mode: null, hls: null, video, errors: [], events: [] };
  window.vodwright = record;
  const note = (name, detail) => {
    record.events.push({ name, at: Math.round(performance.now()), ...detail });
    if (record.events.length > 1000) record.events.shift();
  };

  // say shows a problem in plain words; a later problem replaces an earlier one.
  function say(text, hint) {
    messages.replaceChildren();
    for (const [words, kind] of [[text, ''], [hint, 'hint']]) {
      if (!words) continue;
      const p = document.createElement('p');
      p.textContent = words;
      p.className = kind;
      messages.append(p);
    }
    messages.hidden = !text;
  }

  const given = new URLSearchParams(location.search).get('src') || '';
  const src = checkedURL(given);
  $('src').value = given;
  if (!given) {
    $('src').focus();
    return;
  }
  if (!src) {
    say('This is not an address the player can play.', 'It needs a whole http:// or https:// URL of a .m3u8 playlist or a video file.');
    return;
  }
  document.title = decodedName(src) + ' · Vodwright';

  function checkedURL(text) {
    try {
      const u = new URL(text);
      return u.protocol === 'http:' || u.protocol === 'https:' ? u : null;
    } catch {
      return null;
    }
  }
  function decodedName(u) {
    const last = u.pathname.split('/').pop() || u.host;
    try { return decodeURIComponent(last); } catch { return last; }
  }

  // explain turns a failed request into words. body is the answer's text, if it could be read.
  function explain(what, url, status, body) {
    const u = checkedURL(url || '') || src;
    const name = decodedName(u);
    const told = edgeMessage(body);
    switch (true) {
      case status === 403:
        return say(`Access to the ${what} “${name}” was denied (403).`, told || 'The distribution may be disabled or answer over HTTPS only; a signed address may have expired.');
      case status === 404:
        return say(`The ${what} “${name}” does not exist (404).`, told || 'Check the spelling of the key; an encode that is not complete has no playlist yet.');
      case status >= 500:
        return say(`The server had a problem with the ${what} “${name}” (${status}).`, told || 'Try again in a moment; the server’s log has the reason.');
      case status >= 400:
        return say(`The server refused the ${what} “${name}” (${status}).`, told);
      case location.protocol === 'https:' && u.protocol === 'http:' && !/(^|\.)localhost$/.test(u.hostname):
        return say(`The browser did not load the ${what} “${name}”: this page is HTTPS, the stream is not.`, 'Open the player over http://, or play the https:// address.');
      default:
        return say(`The browser could not read the ${what} “${name}” from ${u.host}.`,
          `Either nothing answers there, its certificate is not trusted, or its CORS rules do not allow ${location.origin}. See them with: aws s3api get-bucket-cors --bucket …`);
    }
  }
  // edgeMessage returns the message and hint of an XML error document, or ''.
  function edgeMessage(body) {
    if (typeof body !== 'string' || !body.includes('<Error>')) return '';
    const doc = new DOMParser().parseFromString(body, 'application/xml');
    const text = (tag) => (doc.querySelector(`Error > ${tag}`) || {}).textContent || '';
    return [text('Message'), text('Hint')].filter(Boolean).join(' — ');
  }

  document.addEventListener('securitypolicyviolation', (e) => {
    note('securitypolicyviolation', { directive: e.effectiveDirective, uri: e.blockedURI });
    const u = checkedURL(e.blockedURI);
    if (u) say(`The stream refers to another host, ${u.host}, which this page may not read.`, 'Only the host of the address played and *.cdn.localhost are allowed.');
  });

  const isPlaylist = /\.m3u8?$/i.test(src.pathname) || !/\.[a-z0-9]{2,5}$/i.test(src.pathname);
  if (isPlaylist && window.Hls && Hls.isSupported()) playWithHls();
  else playNatively();

  function playNatively() {
    record.mode = 'native';
    if (isPlaylist && !video.canPlayType('application/vnd.apple.mpegurl')) {
      say('This browser plays no HLS: it has neither Media Source Extensions nor native support.');
      return;
    }
    video.addEventListener('error', async () => {
      const e = video.error;
      record.errors.push({ type: 'native', details: e && e.message, fatal: true, code: e && e.code });
      try { // the element does not tell the status; a request of our own may
        const r = await fetch(src, { headers: { Range: 'bytes=0-0' } });
        if (r.ok) say('The browser cannot decode this video.', e && e.message);
        else explain('file', src.href, r.status, await r.text());
      } catch {
        explain('file', src.href, 0);
      }
    });
    video.crossOrigin = 'anonymous';
    video.src = src.href;
    start();
  }

  function playWithHls() {
    record.mode = 'hls.js';
    const hls = new Hls({ capLevelToPlayerSize: false, backBufferLength: 90 });
    record.hls = hls;
    let recoveries = 0;

    for (const name of ['MANIFEST_PARSED', 'LEVEL_SWITCHED', 'LEVEL_LOADED', 'FRAG_CHANGED', 'FRAG_BUFFERED', 'BUFFER_EOS', 'AUDIO_TRACK_SWITCHED', 'SUBTITLE_TRACK_SWITCH']) {
      hls.on(Hls.Events[name], (_, data) => note(name, {
        level: data.level, id: data.id, sn: data.frag && data.frag.sn,
        fragLevel: data.frag && data.frag.level,
      }));
    }

    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      listRungs(hls);
      start();
    });
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, data) => showLevel(hls, data.level));
    hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => listAudio(hls));
    hls.on(Hls.Events.FRAG_BUFFERED, () => { if (!record.errors.some((e) => e.fatal && !e.recovered)) say(''); });

    hls.on(Hls.Events.ERROR, (_, data) => {
      // hls.js reports requests that it cancels itself, to seek or to switch, in the
      // same way; they are no errors.
      if (data.details === 'aborted' && !data.fatal) {
        note('aborted', { url: data.url || (data.frag && data.frag.url) || null });
        return;
      }
      // Of a voice apart from its pictures it says once that nothing came of an append,
      // with all of it in the buffer.
      if (data.details === 'bufferAppendNoProgress' && data.appendsWithoutProgress === 1) {
        note('bufferAppendNoProgress', { url: (data.frag && data.frag.url) || null });
        return;
      }
      const status = data.response ? data.response.code : null;
      const seen = {
        type: data.type, details: data.details, fatal: data.fatal, code: status,
        url: data.url || (data.frag && data.frag.url) || (data.context && data.context.url) || null,
        reason: data.reason || (data.error && data.error.message) || null,
        at: Math.round(performance.now()), position: video.currentTime,
      };
      record.errors.push(seen);
      if (record.errors.length > 1000) record.errors.shift();

      if (data.type === Hls.ErrorTypes.NETWORK_ERROR && status !== null) {
        const what = /^manifest/.test(data.details) ? 'playlist' : /^level|^audioTrack|^subtitle/.test(data.details) ? 'media playlist' : 'segment';
        let body = '';
        try { body = data.networkDetails && data.networkDetails.responseText; } catch { /* not text */ }
        if (data.fatal || status >= 400) explain(what, seen.url, status, body);
      }
      if (!data.fatal) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries < 2 && data.details !== 'manifestIncompatibleCodecsError') {
        recoveries++;
        seen.recovered = true;
        hls.recoverMediaError();
        return;
      }
      switch (data.details) {
        case 'manifestIncompatibleCodecsError':
        case 'bufferAddCodecError':
          say('This browser cannot decode the codecs of this stream.', seen.reason);
          break;
        case 'manifestParsingError':
        case 'levelParsingError':
          say(`“${decodedName(src)}” is not an HLS playlist.`, seen.reason);
          break;
        case 'manifestLoadTimeOut':
        case 'levelLoadTimeOut':
        case 'fragLoadTimeOut':
          say('The server did not answer in time.', seen.url);
          break;
        default:
          if (messages.hidden) say(`Playback stopped: ${data.details}.`, seen.reason);
      }
    });

    quality.addEventListener('change', () => { hls.nextLevel = Number(quality.value); });
    audio.addEventListener('change', () => { hls.audioTrack = Number(audio.value); });
    hls.attachMedia(video);
    hls.loadSource(src.href);
  }

  const rungName = (l) => (l.height ? `${l.height}p` : 'audio');
  const mbit = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`);

  function listRungs(hls) {
    const rows = $('rungs').tBodies[0];
    rows.replaceChildren();
    quality.replaceChildren(new Option('Auto', '-1'));
    hls.levels.forEach((l, i) => {
      quality.append(new Option(`${rungName(l)} · ${mbit(l.bitrate)}`, String(i)));
      const row = rows.insertRow();
      for (const text of [rungName(l), l.width ? `${l.width}×${l.height}` : '–', mbit(l.bitrate), l.frameRate ? String(l.frameRate) : '–', [l.videoCodec, l.audioCodec].filter(Boolean).join(', ') || '–']) {
        row.insertCell().textContent = text;
      }
    });
    quality.disabled = false;
  }

  function showLevel(hls, at) {
    const l = hls.levels[at];
    if (!l) return;
    $('level').textContent = `${rungName(l)} · ${mbit(l.bitrate)}`;
    [...$('rungs').tBodies[0].rows].forEach((row, i) => row.classList.toggle('current', i === at));
  }

  function listAudio(hls) {
    audio.replaceChildren(...hls.audioTracks.map((t, i) => new Option(t.name || t.lang || `Track ${i + 1}`, String(i))));
    audio.value = String(Math.max(hls.audioTrack, 0));
    $('audio-field').hidden = hls.audioTracks.length < 2;
  }

  // Browsers refuse to start with sound before the viewer has touched the page;
  // then the video waits, ready, for the space bar.
  function start() {
    video.focus({ preventScroll: true });
    video.play().catch((e) => note('autoplay refused', { reason: e.name }));
  }

  $('speed').addEventListener('change', (e) => { video.playbackRate = Number(e.target.value); });
  setInterval(() => {
    let ahead = 0;
    for (let i = 0; i < video.buffered.length; i++) {
      if (video.buffered.start(i) <= video.currentTime + 0.1 && video.currentTime < video.buffered.end(i)) ahead = video.buffered.end(i) - video.currentTime;
    }
    $('buffer').textContent = `${ahead.toFixed(1)} s`;
    const frames = video.getVideoPlaybackQuality && video.getVideoPlaybackQuality();
    if (frames) $('dropped').textContent = `${frames.droppedVideoFrames} of ${frames.totalVideoFrames}`;
    const hls = record.hls, level = hls && hls.levels[hls.currentLevel];
    if (level) quality.options[0].textContent = hls.autoLevelEnabled ? `Auto (${rungName(level)})` : 'Auto';
    if (hls && hls.bandwidthEstimate) $('bandwidth').textContent = mbit(hls.bandwidthEstimate);
  }, 500);

  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|BUTTON|TEXTAREA|SUMMARY|A)$/.test(e.target.tagName)) return;
    const seek = (to) => { if (Number.isFinite(video.duration)) video.currentTime = Math.min(Math.max(to, 0), video.duration); };
    const frame = 1 / ((record.hls && record.hls.levels[record.hls.currentLevel] || {}).frameRate || 25);
    const rung = (by) => {
      const hls = record.hls;
      if (!hls || !hls.levels.length) return;
      const next = Math.min(Math.max(hls.currentLevel + by, 0), hls.levels.length - 1);
      quality.value = String(next);
      hls.nextLevel = next;
    };
    const keys = {
      ' ': () => (video.paused ? video.play() : video.pause()),
      k: () => (video.paused ? video.play() : video.pause()),
      arrowleft: () => seek(video.currentTime - 5),
      arrowright: () => seek(video.currentTime + 5),
      j: () => seek(video.currentTime - 10),
      l: () => seek(video.currentTime + 10),
      ',': () => { video.pause(); seek(video.currentTime - frame); },
      '.': () => { video.pause(); seek(video.currentTime + frame); },
      arrowup: () => { video.volume = Math.min(video.volume + 0.1, 1); },
      arrowdown: () => { video.volume = Math.max(video.volume - 0.1, 0); },
      home: () => seek(0),
      end: () => seek(video.duration),
      m: () => { video.muted = !video.muted; },
      f: () => (document.fullscreenElement ? document.exitFullscreen() : $('stage').requestFullscreen()),
      '[': () => rung(-1),
      ']': () => rung(1),
      a: () => { quality.value = '-1'; if (record.hls) record.hls.nextLevel = -1; },
    };
    const key = e.key.toLowerCase();
    const action = keys[key] || (/^[0-9]$/.test(key) ? () => seek((video.duration * Number(key)) / 10) : null);
    if (!action) return;
    e.preventDefault();
    e.stopPropagation();
    Promise.resolve(action()).catch(() => {});
  }, true);
})();
