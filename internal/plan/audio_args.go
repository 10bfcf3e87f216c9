package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// sound is the filter graph of an audio encode while it is made, with the inputs
// that it reads.
type sound struct {
	graph
	files   []int // of Plan.Files
	inputs  int   // -i so far
	args    []string
	entries []string // files that tell whether decoding began early enough
	heard   []Heard
}

// input returns the number of the -i that reads a feed's file from its place on.
func (s *sound) input(f feed) int {
	at := slices.Index(s.files, f.file)
	if at < 0 {
		at = len(s.files)
		s.files = append(s.files, f.file)
	}
	s.inputs++
	s.args = append(s.args, "-threads", "1")
	// Files that filters write have no folder: the process works in OutputDir.
	if f.seek > 0 {
		s.args = append(s.args, way{frame: 1, micros: f.seek}.seek()...)
	}
	s.args = append(s.args, media.ClockArgs(f.format)...)
	s.args = append(s.args, media.InputArgs()...)
	s.args = append(s.args, "-i", "file:"+SourcePath(at))
	return s.inputs - 1
}

// sound makes the graph of an encode, which ends in [a].
//
// Sample 0 of a part is the instant the first video frame of its take is shown.
// aresample fills what is missing before it and in gaps with silence, drops what
// comes before it, and corrects a clock that runs away as soon as it is 15 ms off:
// timestamps in milliseconds jitter by less, and lips are not seen to be off below
// 20. The end is padded or cut to the sample.
func (a audio) sound() *sound {
	s := &sound{}
	layout := layouts[a.channels]
	joined, at := "", int64(0)
	for i, p := range a.parts {
		begins := float64(at) / float64(a.rate)
		at += p.samples
		label := fmt.Sprintf("[p%d]", i)
		joined += label
		var sum string
		type place struct {
			file int
			seek int64
		}
		shared := map[place]int{} // one part's streams of one file are read together
		for j, f := range p.feeds {
			number, ok := shared[place{f.file, f.seek}]
			if !ok {
				number = s.input(f)
				shared[place{f.file, f.seek}] = number
			}
			filters := fmt.Sprintf("[%d:%d]", number, f.stream) + s.filters(f, p, a, begins)
			if len(p.feeds) == 1 {
				if p.width != a.channels {
					filters += ",aresample=rematrix_maxval=1:out_chlayout=" + layout
				}
				s.chain(filters, label)
				break
			}
			from := fmt.Sprintf("[p%df%d]", i, j)
			s.chain(filters, from)
			sum += from
		}
		switch {
		case len(p.feeds) == 0:
			s.chain(fmt.Sprintf("anullsrc=sample_rate=%d:channel_layout=%s,atrim=end_sample=%d", a.rate, layout, p.samples), label)
		case len(p.feeds) > 1:
			filters := fmt.Sprintf("%samix=inputs=%d:normalize=0", sum, len(p.feeds))
			if p.width != a.channels {
				filters += ",aresample=rematrix_maxval=1:out_chlayout=" + layout
			}
			s.chain(filters, label)
		}
	}
	if len(a.parts) > 1 {
		s.chain(fmt.Sprintf("%sconcat=n=%d:v=0:a=1", joined, len(a.parts)), "[j]")
		joined = "[j]"
	}
	if a.loudness.algorithm != "" && len(s.files) > 0 {
		s.chain(joined+levelFilter, "[a]")
		return s
	}
	s.parts[len(s.parts)-1] = strings.TrimSuffix(s.parts[len(s.parts)-1], joined) + "[a]"
	return s
}

// filters makes the samples of a part of what one stream holds. The part begins after
// so many seconds of the encode.
func (s *sound) filters(f feed, p part, a audio, begins float64) string {
	var list []string
	if f.stretch > 0 {
		// The samples follow each other from the first one's time on, then last longer.
		list = append(list, "asetpts=STARTPTS+N/SR/TB", fmt.Sprintf("atempo=%.9f", 1/f.stretch))
	}
	if f.leaps != "" {
		list = append(list, f.leaps)
	}
	shift := ""
	if f.origin.ticks != 0 && f.origin.base.Known() {
		shift += fmt.Sprintf("-(%d*%d/%d)/TB", f.origin.ticks, f.origin.base.Num, f.origin.base.Den)
	}
	if f.skip.Num > 0 {
		shift += fmt.Sprintf("-(%d/%d)/TB", f.skip.Num, f.skip.Den)
	}
	if f.offset != 0 {
		shift += fmt.Sprintf("%+d/1000/TB", f.offset)
	}
	in := f.enter * f.rate / int64(a.rate) // a whole number
	if f.cut {
		shift += f.heard(in, in+(f.drop+p.samples)*f.rate/int64(a.rate))
	}
	switch {
	case shift != "" && in > 0:
		list = append(list, fmt.Sprintf("asetpts=round(PTS%s)-%d", shift, in))
	case shift != "":
		list = append(list, "asetpts=round(PTS"+shift+")")
	case in > 0:
		list = append(list, fmt.Sprintf("asetpts=PTS-%d", in))
	}
	// Files that filters write have no folder: the process works in OutputDir.
	if f.seek > 0 {
		entry := fmt.Sprintf("entry-%d.txt", len(s.entries))
		s.entries = append(s.entries, entry)
		list = append(list, `ametadata=mode=add:key=before:value=1:enable=lt(t\,0)`,
			`ametadata=mode=print:key=before:file=`+entry+`:enable=lt(t\,0)`)
	}
	if len(p.feeds) == 1 && !f.cut && f.due.to > f.due.from {
		trace := fmt.Sprintf("heard-%d.txt", len(s.heard))
		s.heard = append(s.heard, Heard{File: trace, At: begins, Begins: f.due.from, Seconds: f.due.to})
		// Each frame is asked about more than once.
		list = append(list, fmt.Sprintf(`ametadata=mode=add:key=heard:value=1:enable=if(not(ld(1))+gte(t\,ld(0)+%g)\,1+0*st(0\,t)*st(1\,1)\,eq(t\,ld(0)))`, heardStep),
			`ametadata=mode=print:key=heard:file=`+trace, `ametadata=mode=delete:key=heard`)
	}
	if f.faster.Known() { // 48,000 samples are a whole number of hertz then
		list = append(list, "aresample=48000", fmt.Sprintf("asetrate=%d", 48_000*f.faster.Num/f.faster.Den))
	}
	gains := f.gains
	if f.like {
		if layout := layouts[f.channels]; len(p.feeds) == 1 || layout == "" {
			gains = nil
		} else {
			list = append(list, "aresample=out_chlayout="+layout)
		}
	}
	resample := fmt.Sprintf("aresample=out_sample_rate=%d:", a.rate)
	if gains == nil {
		resample += fmt.Sprintf("out_chlayout=%s:out_sample_fmt=fltp:rematrix_maxval=1:", layouts[p.width])
	} else {
		resample += "out_sample_fmt=fltp:"
	}
	if f.follow || f.stretch > 0 { // how much it is to be stretched is known to a frame or two
		resample += "async=1000:min_comp=0.001:min_hard_comp=0.1:first_pts=0"
	} else {
		resample += "async=1:min_hard_comp=0.015:first_pts=0"
	}
	// What is before the take or behind it is of no use, and a clock that leaps hours ahead must
	// not make that much silence in memory. A piece begins at the sample.
	start := "start=-1"
	if f.cut {
		start = "start_pts=0"
	}
	list = append(list, fmt.Sprintf("atrim=%s:end=%.3f", start, float64(f.drop+p.samples)/float64(a.rate)+1), resample)
	if gains != nil {
		list = append(list, gains.filter())
	}
	// Samples are whole from here on: what a damaged clock left between frames, a
	// sample here and there, is not to be a frame of its own length in the encode.
	end := "atrim=end_sample=" + strconv.FormatInt(p.samples, 10)
	if f.drop > 0 {
		end = fmt.Sprintf("atrim=start_sample=%d:end_sample=%d", f.drop, f.drop+p.samples)
	}
	return strings.Join(append(list, "apad", end, "asetpts=round(N/SR/TB)"), ",")
}

// public returns the encode as the Plan has it.
func (a audio) public(file string) AudioEncode {
	s := a.sound()
	start := append([]string{"-y", "-copyts"}, s.args...)
	start = append(start, "-filter_complex_threads", "1", "-filter_complex")
	out := AudioEncode{
		File: file, SampleRate: a.rate, Channels: a.channels, BitrateBPS: a.bitrate, Samples: a.samples,
		Priming: aacPriming, Language: a.language, Type: a.kind, Silent: len(s.files) == 0, Files: s.files, Entries: s.entries, Heard: s.heard,
	}
	if s.files == nil {
		out.Files = []int{}
	}
	if !a.cutOut && a.inPieces() {
		out.Pieces = a.pieces(file)
		out.Files, out.Entries, out.Heard = wholeFiles(out.Pieces), nil, nil
		out.MPEG2 = a.mpeg2
		return out
	}
	out.Args = append(slices.Clone(start), s.String(), "-map", "[a]", "-map_metadata", "-1", "-c:a", "aac")
	if a.apart {
		out.Args = append(out.Args, "-aac_ms", "0", "-aac_is", "0")
	}
	if a.mpeg2 {
		out.Args = append(out.Args, "-profile:a", "mpeg2_aac_low")
		out.MPEG2 = true
	}
	out.Args = append(out.Args, "-b:a", strconv.FormatInt(a.bitrate, 10), "-f", "mp4", OutputDir+"/"+file)
	if a.loudness.algorithm != "" && !out.Silent {
		out.Loudness = a.loudness.public(start, s.String())
	}
	return out
}
