package probe

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// Sound finds out how long the audio of the file at path really is: it demuxes the
// file once and sets StartPTS and EndPTS of each of source's audio streams. It is
// for files without video, whose length nothing else tells; the memory it takes
// does not grow with the file.
//
// Errors are those of ffmpeg.Runner.
func (p *Prober) Sound(ctx context.Context, path string, source *media.Source) error {
	streams := map[int]*heard{}
	for i := range source.Audio {
		streams[source.Audio[i].Index] = &heard{start: noPTS, end: noPTS}
	}
	_, err := p.runner.RunProbe(ctx, ffmpeg.ProbeCommand{
		Args: slices.Concat(
			[]string{"-select_streams", "a", "-show_entries", "packet=stream_index,pts,duration,flags", "-of", "compact=p=0"},
			media.DemuxArgs(source.Format), media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
		Source: path,
		Limits: ffmpeg.IndexLimits(p.limits),
		Stdout: &lineWriter{line: func(line []byte) error {
			addSound(streams, line)
			return nil
		}},
	})
	if err != nil {
		return err
	}
	for i := range source.Audio {
		a := &source.Audio[i]
		h := streams[a.Index]
		if h.end == noPTS {
			continue
		}
		if a.StartPTS < h.start || a.StartPTS >= h.end {
			a.StartPTS = h.start // what is told of it is not so
		}
		a.EndPTS = h.end
	}
	return nil
}

// heard is when the packets of an audio stream begin and end.
type heard struct{ start, end int64 }

// addSound reads a line such as "stream_index=1|pts=1024|duration=1024|flags=K_".
// Times that go back are of a clock that was set anew: the sound goes on there.
func addSound(streams map[int]*heard, line []byte) {
	var at *heard
	pts, duration := int64(noPTS), int64(0)
	for field := range bytes.SplitSeq(line, []byte("|")) {
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "stream_index":
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return
			}
			at = streams[n]
		case "pts":
			pts = timestamp(value)
		case "duration":
			duration = max(timestamp(value), 0)
		case "flags":
			if bytes.IndexByte(value, 'D') >= 0 {
				return // outside of the edit list
			}
		}
	}
	if at == nil || pts == noPTS {
		return
	}
	if at.start == noPTS || pts < at.start {
		at.start = pts
	}
	at.end = max(at.end, pts+duration)
}
