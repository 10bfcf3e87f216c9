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
	cut, _ := group.segments()
	ok, usual := group.container(container)
	wrong := func(want string) {
		p.problems.add(path+"/containerSettings/container", "%q does not hold sound alone (%s does)", container, want)
	}
	switch {
	case len(o.AudioDescriptions) == 0:
		p.problems.add(path, "an output needs a videoDescription or audioDescriptions")
	case cut != nil && !ok:
		wrong(usual)
	case cut == nil && !ok && container != "RAW":
		wrong("MP4 or RAW")
	}
	if cut == nil {
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

// renditionSettings returns what an output says about renditions, and where.
func (g *GroupSettings) renditionSettings(o *OutputSettings) (*RenditionSettings, string) {
	if g.OutputGroupSettings.Type == "CMAF_GROUP_SETTINGS" {
		return &o.ContainerSettings.CMFCSettings.RenditionSettings, "containerSettings/cmfcSettings"
	}
	return &o.OutputSettings.HLSSettings.RenditionSettings, "outputSettings/hlsSettings"
}

// renditions decides what the multivariant playlist of an HLS or CMAF group says of
// its outputs without video, and which of them go with each output that has some.
// of[i] is the output of the settings that output i of the group comes from.
func (p *planner) renditions(settings *GroupSettings, group *OutputGroup, of []int, path string) {
	video := false
	for i := range group.Outputs {
		video = video || group.Outputs[i].Rung >= 0
	}
	var ids []string                     // of groups with renditions, in order
	defaults := map[string]bool{}        // of groups
	names := map[string]map[string]int{} // of groups
	for i := range group.Outputs {
		o := &group.Outputs[i]
		if o.Rung >= 0 || len(o.Audios) == 0 {
			continue
		}
		set, member := settings.renditionSettings(&settings.Outputs[of[i]])
		here := fmt.Sprintf("%s/outputs/%d/%s", path, of[i], member)
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
			p.problems.add(fmt.Sprintf("%s/outputs/%d/audioDescriptions/0/streamName", path, of[i]), "%q holds a quote or a control character", r.Name)
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
		o := &group.Outputs[i]
		if o.Rung < 0 {
			continue
		}
		if first < 0 && o.MPEGTS != nil {
			first = o.MPEGTS.PTSOffset
		}
		set, member := settings.renditionSettings(&settings.Outputs[of[i]])
		o.AudioGroups = p.audioGroups(set.AudioRenditionSets, ids, len(o.Audios) > 0,
			fmt.Sprintf("%s/outputs/%d/%s/audioRenditionSets", path, of[i], member))
	}
	for i := range group.Outputs { // what is played together has one clock
		if o, s := &group.Outputs[i], &settings.Outputs[of[i]]; o.Rendition != nil && o.MPEGTS != nil && first >= 0 && s.ContainerSettings.M3u8Settings.PtsOffset == nil {
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
	base := media.LanguageCode(code)
	if name, ok := languageNames[cmp.Or(terminological[base], base)]; ok {
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
}
