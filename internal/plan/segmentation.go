package plan

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// segmentation reads how a group cuts the Timeline of an output at rate. The whole
// group follows the GOP of its first output, so that its rungs stay aligned.
func (p *planner) segmentation(group *GroupSettings, rate media.Rational, path string) segmentation {
	s, member := group.segments()
	path = path[:strings.Index(path, "/outputs/")] + "/outputGroupSettings/" + member + "/segmentLengthControl"
	beat := p.beat(group, path)
	if beat.Known() {
		rate = beat
	}
	cut := segmentation{beat: beat, seconds: s.SegmentLength, minSeconds: float64(s.MinSegmentLength), minFinal: max(s.MinFinalSegmentLength, group.shortestSound())}
	switch s.SegmentLengthControl {
	case "", "EXACT":
	case "GOP_MULTIPLE":
		for _, o := range group.Outputs {
			if o.VideoDescription != nil {
				h := o.VideoDescription.CodecSettings.H264Settings
				own := p.rateOf(o.VideoDescription)
				length := gopMultiple(cut.seconds, gopFrames(h, own), own)
				cut.length = media.Rescale(length, own.Inverse(), rate.Inverse())
				break
			}
		}
	case "MATCH":
		cut.length = p.matched(group, rate, cut.seconds, path)
	default:
		p.problems.add(path, "%s is not supported", s.SegmentLengthControl)
	}
	return cut
}

// beat returns the lowest rate of a group's outputs with video, unknown where all have
// the same.
func (p *planner) beat(group *GroupSettings, path string) (beat media.Rational) {
	var rates []media.Rational
	var films []media.Rational
	for _, o := range group.Outputs {
		if o.VideoDescription == nil {
			continue
		}
		if rate := p.rateOf(o.VideoDescription); rate.Known() {
			rates, films = append(rates, rate), append(films, p.filmOf(o.VideoDescription))
		}
	}
	for i := range rates {
		if films[i] != films[0] {
			p.problems.add(strings.TrimSuffix(path, "/segmentLengthControl"), "slowPal makes some outputs shorter than others: a group has it in all of them or in none")
			return media.Rational{}
		}
		if rates[i] != rates[0] {
			beat = slices.MinFunc(rates, func(a, b media.Rational) int { return cmp.Compare(a.Float(), b.Float()) })
		}
	}
	return beat
}

// shortestSound returns how long, in seconds, a segment has to be for sound that is
// packed alone to have a frame that begins in it; 0 in a group without any.
func (g *GroupSettings) shortestSound() float64 {
	longest := 0.0
	for _, o := range g.Outputs {
		if o.VideoDescription != nil && g.OutputGroupSettings.Type == "HLS_GROUP_SETTINGS" {
			continue
		}
		for _, a := range o.AudioDescriptions {
			hz := a.CodecSettings.AacSettings.SampleRate
			if hz <= 0 {
				hz = 48_000
			}
			longest = max(longest, 2*mp4.FrameSamples/float64(hz))
		}
	}
	return longest
}

// matched returns how many frames at rate each segment has whose length is a whole
// number of frames of all outputs and of AAC frames, as near to seconds as can be.
func (p *planner) matched(group *GroupSettings, rate media.Rational, seconds int64, path string) int64 {
	rates := []media.Rational{rate}
	sound := false
	for _, o := range group.Outputs {
		if o.VideoDescription != nil {
			h := o.VideoDescription.CodecSettings.H264Settings
			if h.FramerateControl != "SPECIFIED" {
				p.problems.add(path, "MATCH needs framerateControl SPECIFIED in every output with video")
				return 0
			}
			rates = append(rates, p.rateOf(o.VideoDescription))
		}
		for _, a := range o.AudioDescriptions {
			sound = true
			if hz := a.CodecSettings.AacSettings.SampleRate; hz != 0 && hz != 48_000 {
				p.problems.add(path, "MATCH needs AAC of 48000 Hz, not %d", hz)
				return 0
			}
		}
	}
	if !sound {
		p.problems.add(path, "MATCH needs an output with audio")
		return 0
	}
	unit, ok := matchUnit(rates)
	if !ok {
		p.problems.add(path, "no segment of less than an hour is a whole number of frames of every output and of audio frames")
		return 0
	}
	times := max(int64(math.Round(float64(seconds)/unit.Float())), 1)
	return media.Rescale(times, unit, rate.Inverse())
}

// segments returns what a group says about its segments, with defaults in place,
// and the name of its settings; nil for a group whose outputs are files.
func (g *GroupSettings) segments() (*SegmentSettings, string) {
	s := &g.OutputGroupSettings
	var out SegmentSettings
	var member string
	seconds := int64(10)
	switch s.Type {
	case "HLS_GROUP_SETTINGS":
		out, member = s.HLSGroupSettings.SegmentSettings, "hlsGroupSettings"
	case "CMAF_GROUP_SETTINGS":
		out, member = s.CMAFGroupSettings.SegmentSettings, "cmafGroupSettings"
	case "DASH_ISO_GROUP_SETTINGS":
		out, member = s.DASHGroupSettings.SegmentSettings, "dashIsoGroupSettings"
		seconds = 30
	default:
		return nil, "fileGroupSettings"
	}
	if out.SegmentLength <= 0 {
		out.SegmentLength = seconds
	}
	if out.FragmentLength <= 0 {
		out.FragmentLength = 2
	}
	return &out, member
}

// container reports whether the outputs of a group may be in a container, and which
// one they are in where a job does not say.
func (g *GroupSettings) container(name string) (ok bool, usual string) {
	switch g.OutputGroupSettings.Type {
	case "HLS_GROUP_SETTINGS":
		return name == "M3U8" || name == "", "M3U8"
	case "CMAF_GROUP_SETTINGS":
		return name == "CMFC" || name == "", "CMFC"
	case "DASH_ISO_GROUP_SETTINGS":
		return name == "MPD" || name == "CMFC" || name == "", "MPD"
	}
	return name == "MP4" || name == "M2TS", "MP4"
}

// Playlists reports whether the outputs of a job with these settings may have a
// playlist as key in a bucket: more is known when it is planned.
func (s *Settings) Playlists(bucket, key string) bool {
	if !strings.HasSuffix(key, ".m3u8") {
		return false
	}
	for i := range s.OutputGroups {
		to, member := s.OutputGroups[i].destination()
		to, _, _ = strings.Cut(to, "$") // what follows is made of it, or stands for itself
		if (member == "hlsGroupSettings" || member == "cmafGroupSettings") && to != "" && strings.HasPrefix("s3://"+bucket+"/"+key, to) {
			return true
		}
	}
	return false
}

// destination returns where a group writes and the name of its settings.
func (g *GroupSettings) destination() (uri, member string) {
	s := &g.OutputGroupSettings
	switch s.Type {
	case "HLS_GROUP_SETTINGS":
		return s.HLSGroupSettings.Destination, "hlsGroupSettings"
	case "CMAF_GROUP_SETTINGS":
		return s.CMAFGroupSettings.Destination, "cmafGroupSettings"
	case "DASH_ISO_GROUP_SETTINGS":
		return s.DASHGroupSettings.Destination, "dashIsoGroupSettings"
	}
	return s.FileGroupSettings.Destination, "fileGroupSettings"
}
