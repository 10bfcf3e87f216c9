package probe

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// movFormat is ffmpeg's name for MP4 and QuickTime files.
const movFormat = "mov,mp4,m4a,3gp,3g2,mj2"

// tables reads the tables of an MP4 or QuickTime file, whose movie box lists every
// sample: what demuxing all of it would tell, without reading all of it. Nil is a file
// that has to be demuxed.
func tables(path, format string) []mp4.Tables {
	if !strings.HasPrefix(format, "mov,") {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	list, ok := mp4.ReadTables(f, info.Size())
	if !ok {
		return nil
	}
	return list
}

// encrypted says whether the movie box of an MP4 file says that its samples are. The
// demuxer takes those of many files for pictures.
func encrypted(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return mp4.Encrypted(f, size)
}

// even notes which streams of sound have frames that follow each other, and where not.
func even(source *media.Source, list []mp4.Tables) {
	for i := range source.Audio {
		s := &source.Audio[i]
		if s.Index >= len(list) {
			continue
		}
		t := &list[s.Index]
		if t.Handler == "soun" && int64(t.Samples) == s.Frames && media.R(1, t.Timescale) == s.TimeBase {
			ticks, jumps := t.Beat()
			s.FrameTicks = ticks
			for _, j := range jumps {
				s.Jumps = append(s.Jumps, media.FrameJump(j))
			}
		}
	}
}

// dropEmpty leaves out streams of sound without any: recorders make a track before
// they know whether there will be some.
func dropEmpty(source *media.Source, list []mp4.Tables) {
	source.Audio = slices.DeleteFunc(source.Audio, func(s media.AudioStream) bool {
		empty := s.Index < len(list) && list[s.Index].Handler == "soun" && list[s.Index].Samples == 0
		if empty {
			source.Other = append(source.Other, media.OtherStream{Index: s.Index, Kind: "audio", Codec: s.Codec, Language: s.Language})
		}
		return empty
	})
}

// listed returns the packets of a video stream as the file's tables list them, and
// whether captions are carried in its first frames; nil where that may not be all
// there is to them.
func (p *Prober) listed(path string, stream media.VideoStream) (*packets, bool, error) {
	all := tables(path, movFormat)
	if stream.Index >= len(all) {
		return nil, false, nil
	}
	t := &all[stream.Index]
	if t.Handler != "vide" || media.R(1, t.Timescale) != stream.TimeBase || stream.Interlaced != "" || !slices.Contains([]string{"h264", "hevc", "mpeg4"}, stream.Codec) || !t.Simple() {
		return nil, false, nil
	}
	list := &packets{format: movFormat, only: -1, maxPTS: noPTS, firstDTS: noPTS, lastDTS: noPTS, most: frameLimit(p.limits.Frames)}
	if err := list.most.check(t.Samples - 1); err != nil {
		return nil, false, err
	}
	list.pts, list.flags = make([]int64, 0, t.Samples), make([]packetFlag, 0, t.Samples)
	usual := int64(0) // what ffprobe says of frames that are reordered
	if steady := t.Steady(); steady > 0 {
		usual = steady
	} else if t.Reordered() && stream.FrameRate.Known() {
		usual = media.Rescale(1, stream.FrameRate.Inverse(), stream.TimeBase)
	}
	t.Each(func(s mp4.Listed) bool {
		flags := packetFlag(0)
		if s.Key {
			flags = flagKey
		}
		if s.PTS >= list.maxPTS {
			list.maxPTS, list.lastDuration = s.PTS, s.Duration
			if usual > 0 {
				list.lastDuration = usual
			}
		}
		list.pts, list.flags = append(list.pts, s.PTS), append(list.flags, flags)
		return true
	})
	if !slices.Contains([]string{"h264", "hevc"}, stream.Codec) {
		return list, false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, nil
	}
	defer f.Close()
	head, ok := t.ReadHead(f, 96, mostCopied)
	if !ok {
		return nil, false, nil
	}
	for _, mark := range captionMarks {
		if bytes.Contains(head, mark) {
			return list, true, nil
		}
	}
	return list, false, nil
}

// Coded finds out how the frames of a stream are coded, of which an output may show
// some as they are. index is the stream's.
func (p *Prober) Coded(path string, source media.Source, stream media.VideoStream, index media.FrameIndex) (*media.Coded, error) {
	cannot := func(format string, args ...any) (*media.Coded, error) {
		return &media.Coded{Problem: fmt.Sprintf(format, args...)}, nil
	}
	switch {
	case stream.Codec != "h264":
		return cannot("it is %s, not h264", stream.Codec)
	case !strings.HasPrefix(source.Format, "mov,"):
		return cannot("its container is not MP4 or QuickTime")
	case index.Problem != "":
		return cannot("%s", index.Problem)
	}
	all := tables(path, source.Format)
	if stream.Index >= len(all) || all[stream.Index].Handler != "vide" || !all[stream.Index].Simple() {
		return cannot("its file does not list its frames as they are shown")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	track, err := mp4.ReadCoded(f, source.Size, stream.Index, 0, math.MaxInt64)
	if fault.Is(err, fault.Invalid) {
		return cannot("%s", strings.TrimPrefix(err.Error(), "MP4: "))
	}
	if err != nil {
		return nil, err
	}
	if len(track.Samples) != len(index.PTS) {
		return cannot("%d frames are shown of %d that are coded", len(index.PTS), len(track.Samples))
	}
	out := &media.Coded{Codec: track.CodecString(), Width: track.Width, Height: track.Height, Aspect: track.SampleAspect(), Bytes: make([]int32, len(track.Samples))}
	for i, s := range track.Samples {
		out.Bytes[i] = s.Size
		if s.Key {
			out.Entries = append(out.Entries, i)
		}
	}
	return out, nil
}
