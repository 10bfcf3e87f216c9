package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// placeAudio puts an output without video on a ladder: that of the group's first
// output with video, so that segments begin together, else one at the rate of the
// source that nobody wants the pictures of.
func (p *planner) placeAudio(group *GroupSettings, o *OutputSettings, path string) int {
	container := o.ContainerSettings.Container
	hls := group.OutputGroupSettings.Type == "HLS_GROUP_SETTINGS"
	wrong := func(want string) {
		p.problems.add(path+"/containerSettings/container", "%q does not hold sound alone (%s does)", container, want)
	}
	switch {
	case len(o.AudioDescriptions) == 0:
		p.problems.add(path, "an output needs a videoDescription or audioDescriptions")
	case hls && container != "M3U8" && container != "":
		wrong("M3U8")
	case !hls && container != "MP4" && container != "RAW":
		wrong("MP4 or RAW")
	}
	if !hls {
		return p.joined(p.followed.grid.rate, media.Rational{})
	}
	rate, film := p.followed.grid.rate, media.Rational{}
	for _, other := range group.Outputs {
		if d := other.VideoDescription; d != nil {
			if own := p.rateOf(d); own.Known() && own.Float() >= minSteadyRate && own.Float() <= maxRate {
				rate, film = own, p.filmOf(d)
			}
			break
		}
	}
	return p.segmented(rate, film, p.segmentation(group, rate, path+"/videoDescription"))
}

// defaultAudioGroup is the group of renditions where the job names none; the
// service's console fills it in.
const defaultAudioGroup = "program_audio"

// renditions decides what the multivariant playlist of an HLS group says of its
// outputs without video, and which of them go with each output that has some.
func (p *planner) renditions(settings *GroupSettings, group *OutputGroup, path string) {
	video := false
	for i := range settings.Outputs {
		video = video || settings.Outputs[i].VideoDescription != nil
	}
	var ids []string                     // of groups with renditions, in order
	defaults := map[string]bool{}        // of groups
	names := map[string]map[string]int{} // of groups
	for i := range group.Outputs {
		o, s := &group.Outputs[i], &settings.Outputs[i]
		if s.VideoDescription != nil || len(o.Audios) == 0 {
			continue
		}
		set := s.OutputSettings.HLSSettings.RenditionSettings
		here := fmt.Sprintf("%s/outputs/%d/outputSettings/hlsSettings", path, i)
		r := &Rendition{
			Group: cmp.Or(set.AudioGroupID, defaultAudioGroup), Language: p.audios[o.Audios[0]].language,
			Describes: set.DescriptiveVideoServiceFlag == "FLAG",
		}
		if !quotable(r.Group) || strings.ContainsRune(r.Group, ',') {
			p.problems.add(here+"/audioGroupId", "%q holds a quote, a comma or a control character", r.Group)
		}
		kind := set.AudioTrackType
		switch {
		case !video: // renditions go with variants, and there are no others
			kind = "AUDIO_ONLY_VARIANT_STREAM"
		case kind == "" && !defaults[r.Group]:
			kind = "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"
		case kind == "":
			kind = "ALTERNATE_AUDIO_AUTO_SELECT"
		}
		switch kind {
		case "AUDIO_ONLY_VARIANT_STREAM":
			r.Variant = true
		case "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT":
			r.Default, r.AutoSelect = !defaults[r.Group], true
			if !r.Default {
				p.warnings.add(WarnSetting, "%s/audioTrackType: the group %q has a default rendition already; this one is not", here, r.Group)
			}
			defaults[r.Group] = true
		case "ALTERNATE_AUDIO_AUTO_SELECT":
			r.AutoSelect = true
		case "ALTERNATE_AUDIO_NOT_AUTO_SELECT":
		default:
			p.problems.add(here+"/audioTrackType", "%s is not supported", kind)
		}
		r.Name = o.AudioNames[0]
		if !quotable(r.Name) {
			p.problems.add(fmt.Sprintf("%s/outputs/%d/audioDescriptions/0/streamName", path, i), "%q holds a quote or a control character", r.Name)
		}
		if r.Name == "" {
			r.Name = languageName(r.Language)
		}
		if names[r.Group] == nil {
			names[r.Group] = map[string]int{}
		}
		if !r.Variant {
			if names[r.Group][r.Name]++; names[r.Group][r.Name] > 1 {
				r.Name = fmt.Sprintf("%s %d", r.Name, names[r.Group][r.Name])
			}
			if !slices.Contains(ids, r.Group) {
				ids = append(ids, r.Group)
			}
		}
		o.Rendition = r
	}
	first := int64(-1) // the offset of the first output with video
	for i := range group.Outputs {
		o, s := &group.Outputs[i], &settings.Outputs[i]
		if s.VideoDescription == nil || o.MPEGTS == nil {
			continue
		}
		if first < 0 {
			first = o.MPEGTS.PTSOffset
		}
		o.AudioGroups = p.audioGroups(s.OutputSettings.HLSSettings.AudioRenditionSets, ids, len(o.Audios) > 0,
			fmt.Sprintf("%s/outputs/%d/outputSettings/hlsSettings/audioRenditionSets", path, i))
	}
	for i := range group.Outputs { // what is played together has one clock
		if o, s := &group.Outputs[i], &settings.Outputs[i]; o.Rendition != nil && first >= 0 && s.ContainerSettings.M3u8Settings.PtsOffset == nil {
			o.MPEGTS.PTSOffset = first
		}
	}
}

// audioGroups returns the groups of renditions that go with an output. Ones that
// have no rendition are passed over: the console fills the name of one in everywhere.
func (p *planner) audioGroups(sets string, ids []string, sound bool, path string) []string {
	var out []string
	for _, id := range strings.Split(sets, ",") {
		if id = strings.TrimSpace(id); id == "" || slices.Contains(out, id) {
			continue
		}
		if slices.Contains(ids, id) {
			out = append(out, id)
		} else if len(ids) > 0 {
			p.warnings.add(WarnSetting, "%s: no output of the group has the audioGroupId %q", path, id)
		}
	}
	if sets == "" && !sound { // silent otherwise
		if slices.Contains(ids, defaultAudioGroup) {
			return []string{defaultAudioGroup}
		}
		return ids
	}
	return out
}

// quotable reports whether s can stand in a quoted string of a playlist (RFC 8216, 4.2).
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' })
}

// languageName is what a rendition without a name of its own is called.
func languageName(code string) string {
	base, _, _ := strings.Cut(strings.ToLower(code), "-")
	if t, ok := terminological[base]; ok {
		base = t
	}
	if name, ok := languageNames[base]; ok {
		return name
	}
	return cmp.Or(code, "Audio")
}

// languageNames are the English names of common languages (ISO 639).
var languageNames = map[string]string{
	"eng": "English", "spa": "Spanish", "fra": "French", "deu": "German", "zho": "Chinese", "ara": "Arabic", "hin": "Hindi",
	"jpn": "Japanese", "rus": "Russian", "por": "Portuguese", "ita": "Italian", "urd": "Urdu", "vie": "Vietnamese", "kor": "Korean",
	"pan": "Punjabi", "nld": "Dutch", "swe": "Swedish", "dan": "Danish", "nor": "Norwegian", "fin": "Finnish", "pol": "Polish",
	"ces": "Czech", "slk": "Slovak", "hun": "Hungarian", "ron": "Romanian", "bul": "Bulgarian", "ell": "Greek", "tur": "Turkish",
	"heb": "Hebrew", "ukr": "Ukrainian", "hrv": "Croatian", "srp": "Serbian", "slv": "Slovenian", "est": "Estonian", "lav": "Latvian",
	"lit": "Lithuanian", "tha": "Thai", "ind": "Indonesian", "msa": "Malay", "fas": "Persian", "ben": "Bengali", "tam": "Tamil",
	"tel": "Telugu", "cat": "Catalan", "eus": "Basque", "glg": "Galician", "gle": "Irish", "cym": "Welsh", "isl": "Icelandic",
	"en": "English", "es": "Spanish", "fr": "French", "de": "German", "zh": "Chinese", "ja": "Japanese", "pt": "Portuguese", "it": "Italian",
}
