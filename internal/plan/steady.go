package plan

import (
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// mayChange reports whether sound in a container may change its format on its way:
// streams that are cut and joined as they are.
func mayChange(format string) bool {
	return slices.Contains([]string{"mpegts", "mpeg", "ogg", "aac", "ac3", "eac3", "mp3"}, format) || strings.HasPrefix(format, "matroska")
}

// steady returns how the encode is made of sources whose sound changes its format,
// nil if none may. Where the clock leaps it is not: the leap would not be seen.
func (a audio) steady(file string, files []Footage) *Steady {
	type key struct{ file, stream int }
	var have []key
	out := &Steady{}
	changes := false
	again := a
	again.parts = slices.Clone(a.parts)
	for i := range again.parts {
		p := &again.parts[i]
		p.feeds = slices.Clone(p.feeds)
		for j := range p.feeds {
			f := &p.feeds[j]
			if f.leaps != "" {
				return nil
			}
			facts := files[f.file].Source
			changes = changes || mayChange(facts.Format)
			k := key{f.file, f.stream}
			at := slices.Index(have, k)
			if at < 0 {
				at = len(have)
				have = append(have, k)
				channels, rate := a.channels, a.rate
				for _, s := range facts.Audio {
					if s.Index == f.stream {
						rate = s.SampleRate
						if f.gains != nil {
							channels = s.Channels // they are told apart by their number
						}
					}
				}
				out.Streams = append(out.Streams, SteadyStream{File: f.file, Args: steadyArgs(facts.Format, f.stream, channels, rate)})
			}
			f.file, f.format, f.stream, f.seek = at, "matroska,webm", 0, 0
		}
	}
	if !changes {
		return nil
	}
	out.Encode = again.public(file)
	out.Encode.Files = []int{}
	return out
}

// steadyArgs are the arguments of a process that writes a stream to a file of one format.
func steadyArgs(format string, stream, channels, rate int) []string {
	args := slices.Concat([]string{"-y", "-copyts", "-threads", "1"}, media.ClockArgs(format), media.InputArgs())
	return append(args, "-i", "file:"+SourcePath(0), "-map", "0:"+strconv.Itoa(stream), "-map_metadata", "-1",
		"-c:a", "pcm_s24le", "-ac", strconv.Itoa(channels), "-ar", strconv.Itoa(rate),
		"-avoid_negative_ts", "disabled", "-f", "matroska", OutputDir+"/"+SteadyFile)
}
