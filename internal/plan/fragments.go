package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// DASH is what the DASH descriptions of a group need beyond its outputs.
type DASH struct {
	Key        string       `json:"key"`
	Additional []Additional `json:"additional,omitempty"`
	OnDemand   bool         `json:"onDemand,omitempty"`  // MpdProfile ON_DEMAND_PROFILE
	Timeline   bool         `json:"timeline,omitempty"`  // a SegmentTimeline, also where all segments are as long as the first
	MinBuffer  int64        `json:"minBuffer,omitempty"` // milliseconds; 0 is the longest segment
	Bandwidth  string       `json:"bandwidth,omitempty"` // AVERAGE, MAX (of the settings); "" is the measured peak
	BaseURI    string       `json:"baseUri,omitempty"`
}

// cmaf reads what a CMAF group says about its playlists.
func (p *planner) cmaf(group *GroupSettings, names facts, base, path string) (*HLS, *DASH) {
	s := &group.OutputGroupSettings.CMAFGroupSettings
	path += "/outputGroupSettings/cmafGroupSettings"
	var h *HLS
	var d *DASH
	if s.WriteHLSManifest != "DISABLED" {
		h = playlists(&s.PlaylistSettings)
		h.BaseURI = "" // of the description alone
		h.MultivariantKey = base + ".m3u8"
		h.Additional = p.additional(group, s.AdditionalManifests, names, base, ".m3u8", path)
	}
	if s.WriteDASHManifest != "DISABLED" {
		d = description(&s.FragmentSettings, s.BaseURL, base)
		d.Additional = p.additional(group, s.AdditionalManifests, names, base, ".mpd", path)
	}
	if h == nil && d == nil {
		p.problems.add(path, "writeHlsManifest and writeDashManifest are both DISABLED: nothing would tell players of the segments")
	}
	p.onDemand(&s.FragmentSettings, s.SegmentControl, path)
	return h, d
}

// dash reads what a DASH group says about its descriptions.
func (p *planner) dash(group *GroupSettings, names facts, base, path string) *DASH {
	s := &group.OutputGroupSettings.DASHGroupSettings
	path += "/outputGroupSettings/dashIsoGroupSettings"
	d := description(&s.FragmentSettings, s.BaseURL, base)
	d.Additional = p.additional(group, s.AdditionalManifests, names, base, ".mpd", path)
	p.onDemand(&s.FragmentSettings, s.SegmentControl, path)
	return d
}

func (p *planner) onDemand(s *FragmentSettings, control, path string) {
	if s.MPDProfile == "ON_DEMAND_PROFILE" && control != "SINGLE_FILE" {
		p.problems.add(path+"/mpdProfile", "ON_DEMAND_PROFILE needs segmentControl SINGLE_FILE")
	}
}

func description(s *FragmentSettings, baseURL, base string) *DASH {
	return &DASH{
		Key: base + ".mpd", OnDemand: s.MPDProfile == "ON_DEMAND_PROFILE", Timeline: s.WriteSegmentTimelineInRepresentation == "ENABLED",
		MinBuffer: s.MinBufferTime, Bandwidth: s.MPDManifestBandwidthType, BaseURI: baseURL,
	}
}

// fragments returns what a CMAF or DASH group says about fragments.
func (g *GroupSettings) fragments() *FragmentSettings {
	if g.OutputGroupSettings.Type == "CMAF_GROUP_SETTINGS" {
		return &g.OutputGroupSettings.CMAFGroupSettings.FragmentSettings
	}
	return &g.OutputGroupSettings.DASHGroupSettings.FragmentSettings
}

// tracks splits an output of a CMAF or DASH group, whose files hold one track each.
func (o output) tracks() []output {
	var out []output
	if o.rung >= 0 {
		out = append(out, output{ladder: o.ladder, rung: o.rung, capture: -1})
	}
	for i, a := range o.audios {
		out = append(out, output{ladder: o.ladder, rung: -1, capture: -1, audios: []int{a}, names: o.names[i : i+1]})
	}
	return out
}

// placeholder stands in an expanded NameModifier of a DASH group where a segment
// has its number or time; identifiers are read by facts.expand.
var placeholder = regexp.MustCompile("\x01(Number|Time)(\\d*)\x01")

// mark writes a placeholder.
func mark(name, digits string) string { return "\x01" + name + digits + "\x01" }

// nameFragments names the files of an output in fragmented MP4. base ends in the
// NameModifier, which may hold a placeholder, and is returned without it; part is the number of a track that is
// not the output's first.
func (p *planner) nameFragments(out *Output, group *GroupSettings, o *OutputSettings, base string, part, parts int, path string) (plain string) {
	segments, _ := group.segments()
	settings := group.fragments()
	l := p.ladders[out.Ladder]
	cmaf := group.OutputGroupSettings.Type == "CMAF_GROUP_SETTINGS"
	out.Format, out.Container = FormatFMP4, "MPD"
	ext := ".mp4"
	if cmaf {
		out.Container, ext = "CMFC", ".cmfv"
		if out.Rung < 0 {
			ext = ".cmfa"
		}
	}
	suffix := ""
	if out.Rung < 0 && parts > 1 { // several tracks of one output
		suffix = fmt.Sprintf("_audio%d", part)
		if o.VideoDescription == nil {
			suffix = fmt.Sprintf("_audio%d", part+1)
		}
	}
	f := &Fragments{Seconds: segments.FragmentLength, Signed: settings.VideoCompositionOffsets == "SIGNED"}
	out.Fragments = f
	plain = placeholder.ReplaceAllString(base, "") + suffix
	if cmaf && group.OutputGroupSettings.CMAFGroupSettings.WriteHLSManifest != "DISABLED" {
		out.Key = plain + ".m3u8"
		if o.ContainerSettings.CMFCSettings.IFrameOnlyManifest == "INCLUDE" && out.Rung >= 0 {
			out.IFrames = &IFrames{Key: plain + "_I-Frame.m3u8"}
			f.KeyAlone = true
		}
	}
	if segments.SegmentControl == "SINGLE_FILE" {
		if placeholder.MatchString(base) {
			p.problems.add(path+"/nameModifier", "$Number$ and $Time$ tell segments apart and do not belong to segmentControl SINGLE_FILE")
		}
		out.Segments = []string{plain + ext}
		return plain
	}
	f.Init = plain + "init" + ext
	found := placeholder.FindAllStringSubmatchIndex(base, -1)
	switch len(found) {
	case 0:
		f.Template = Template{Before: plain + "_", Identifier: "$Number%09d$", After: ext}
	case 1:
		m := found[0]
		name, digits := base[m[2]:m[3]], base[m[4]:m[5]]
		if digits != "" {
			digits = "%0" + digits + "d"
		}
		f.Template = Template{Before: base[:m[0]], Identifier: "$" + name + digits + "$", After: base[m[1]:] + suffix + ext}
	default:
		p.problems.add(path+"/nameModifier", "$Number$ and $Time$ stand once in a name, and one of them")
		return plain
	}
	times := p.segmentTimes(l, out)
	for i := range l.timeline.Starts {
		out.Segments = append(out.Segments, f.Template.Before+f.Template.number(int64(i+1), times[i])+f.Template.After)
	}
	return plain
}

// number writes what stands for the identifier.
func (t Template) number(number, time int64) string {
	n := number
	if strings.Contains(t.Identifier, "Time") {
		n = time
	}
	width := 0
	if _, digits, ok := strings.Cut(t.Identifier, "%0"); ok {
		_, _ = fmt.Sscanf(digits, "%d", &width)
	}
	return fmt.Sprintf("%0*d", width, n)
}

// segmentTimes returns when each segment of an output begins, in the ticks that its
// files count in.
func (p *planner) segmentTimes(l *ladder, o *Output) []int64 {
	out := make([]int64, len(l.timeline.Starts))
	scale, a := mp4.VideoTimescale(l.rate), audio{}
	if o.Rung < 0 {
		a = p.audios[o.Audios[0]]
		scale = int64(a.rate)
	}
	for i, k := range l.timeline.Starts {
		if o.Rung >= 0 {
			out[i] = media.Rescale(k, l.rate.Inverse(), media.R(1, scale))
			continue
		}
		at := func(k int64) int64 { return mp4.FrameAt(k, l.rate, scale, aacPriming, a.samples) }
		out[i] = (at(k) - at(0)) * mp4.FrameSamples
	}
	return out
}

// adaptationSets tells which tracks are choices of the same content, as players
// understand it: all of video, and sound of one selector, language, name and layout.
func (p *planner) adaptationSets(settings *GroupSettings, group *OutputGroup, of []int) {
	type content struct {
		source, language, name string
		channels               int
	}
	sets := []content{{}} // the video's
	for i := range group.Outputs {
		o := &group.Outputs[i]
		if o.Rung >= 0 || len(o.Audios) == 0 {
			continue
		}
		a := p.audios[o.Audios[0]]
		c := content{fmt.Sprint(a.parts), a.language, o.AudioNames[0], a.channels}
		at := slices.Index(sets[1:], c) + 1
		if at == 0 {
			at = len(sets)
			sets = append(sets, c)
		}
		o.Fragments.Set = at
	}
}
