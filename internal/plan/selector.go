package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// pick is what one audio selector chooses in one file: streams whose channels, one
// stream after the other, are those of one sound.
type pick struct {
	file       int // of Plan.Files
	external   bool
	streams    []*media.AudioStream
	offset     int64  // milliseconds later
	correction string // AudioDurationCorrection
	remix      matrix // of the selector; nil is none
}

// described is an AudioDescription of an output. One that names a dynamic selector
// stands for several, numbered from 0.
type described struct {
	AudioDescription
	dynamic int // -1: it names none
}

// defaultSelector is the selector of a description that names none.
const defaultSelector = "Audio Selector 1"

// expand lists the tracks that an audio description asks for: one, unless it names a
// dynamic selector, which has as many as the input with the most of its kind.
func (p *planner) expand(d AudioDescription) ([]described, error) {
	tracks, dynamic := 0, false
	for i, src := range p.sources {
		sel, ok := p.settings.Inputs[src.input].DynamicAudioSelectors[d.AudioSourceName]
		if !ok {
			continue
		}
		dynamic = true
		found, err := p.dynamic(i, sel)
		if err != nil {
			return nil, err
		}
		tracks = max(tracks, len(found))
	}
	if !dynamic {
		return []described{{d, -1}}, nil
	}
	if tracks == 0 {
		p.warnings.add(WarnNoAudio, "the dynamic audio selector %q finds no track; the output has none of it", d.AudioSourceName)
	}
	out := make([]described, tracks)
	for i := range out {
		out[i] = described{d, i}
	}
	return out, nil
}

// dynamic lists the streams that a dynamic selector of an input finds.
func (p *planner) dynamic(input int, sel DynamicAudioSelector) ([]*media.AudioStream, error) {
	_, facts, _, err := p.audioFile(input, sel.ExternalAudioFileInput)
	if err != nil {
		return nil, err
	}
	var out []*media.AudioStream
	for i := range facts.Audio {
		if sel.SelectorType != "LANGUAGE_CODE" || sameLanguage(facts.Audio[i].Language, sel.LanguageCode) {
			out = append(out, &facts.Audio[i])
		}
	}
	return out, nil
}

// audioFile returns the file that a selector of an input reads, and its facts.
func (p *planner) audioFile(input int, external string) (file int, facts *media.Source, outside bool, err error) {
	if external == "" {
		src := p.sources[input]
		return src.file, &src.facts, false, nil
	}
	file = fileIndex(p.files, File{URI: external, Kind: FileAudio})
	facts = &p.in.Files[file].Source
	if len(facts.Audio) == 0 {
		err = fault.New(fault.Invalid, CodeNoAudio, "the external audio file %q has no audio", external)
	}
	return file, facts, true, err
}

// selectAudio finds what a description takes of an input: by the selector, group or
// dynamic selector that it names, else by the input's default selector, else nothing,
// which is silence. A source without any audio has none for every selector; one that
// has audio but not the named track is the job's fault.
func (p *planner) selectAudio(d described, input int) ([]pick, error) {
	in := &p.settings.Inputs[p.sources[input].input]
	name := d.AudioSourceName
	if name == "" {
		name = defaultSelector
	}
	if sel, ok := in.DynamicAudioSelectors[name]; ok && d.dynamic >= 0 {
		found, err := p.dynamic(input, sel)
		if err != nil || d.dynamic >= len(found) {
			return nil, err
		}
		file, _, external, err := p.audioFile(input, sel.ExternalAudioFileInput)
		return []pick{{file: file, external: external, streams: found[d.dynamic : d.dynamic+1], offset: sel.Offset, correction: sel.AudioDurationCorrection}}, err
	}
	if group, ok := in.AudioSelectorGroups[name]; ok {
		var out []pick
		for _, member := range group.AudioSelectorNames {
			sel, ok := in.AudioSelectors[member]
			if !ok {
				p.problems.add(fmt.Sprintf("/inputs/%d/audioSelectorGroups/%s/audioSelectorNames", input, name), "%q is no audio selector of the input", member)
				continue
			}
			found, err := p.selected(sel, member, input)
			if err != nil {
				return nil, err
			}
			if found != nil {
				out = append(out, *found)
			}
		}
		return out, nil
	}
	sel, ok := in.AudioSelectors[name]
	if !ok {
		if len(in.AudioSelectors) == 0 && d.AudioSourceName == "" {
			sel, ok = AudioSelector{}, true
		}
		for _, other := range slices.Sorted(maps.Keys(in.AudioSelectors)) {
			if in.AudioSelectors[other].DefaultSelection == "DEFAULT" {
				name, sel, ok = other, in.AudioSelectors[other], true
				break
			}
		}
	}
	if !ok {
		return nil, nil
	}
	found, err := p.selected(sel, name, input)
	if err != nil || found == nil {
		return nil, err
	}
	return []pick{*found}, nil
}

// selected finds the streams of a selector. It is nil for a source without audio.
func (p *planner) selected(sel AudioSelector, name string, input int) (*pick, error) {
	path := fmt.Sprintf("/inputs/%d/audioSelectors/%s", input, name)
	out := &pick{offset: sel.Offset, correction: sel.AudioDurationCorrection}
	var facts *media.Source
	var err error
	if out.file, facts, out.external, err = p.audioFile(input, sel.ExternalAudioFileInput); err != nil {
		return nil, err
	}
	if len(facts.Audio) == 0 {
		return nil, nil
	}
	out.remix = remixMatrix(sel.RemixSettings, path+"/remixSettings", &p.problems)
	number := name[strings.LastIndexByte(name, ' ')+1:]
	missing := func(format string, args ...any) error {
		return fault.New(fault.Invalid, CodeSettings, "Invalid audio "+format, args...).
			WithHint("the source has %s", describeAudio(*facts))
	}
	all := func(ok func(i int, s *media.AudioStream) bool) (list []*media.AudioStream) {
		for i := range facts.Audio {
			if ok(i, &facts.Audio[i]) {
				list = append(list, &facts.Audio[i])
			}
		}
		return list
	}
	// each finds one stream for each of the numbers, in their order.
	each := func(numbers []int64, what string, ok func(n int64, i int, s *media.AudioStream) bool) error {
		for _, n := range numbers {
			found := all(func(i int, s *media.AudioStream) bool { return ok(n, i, s) })
			if len(found) == 0 {
				return missing("%[1]s specified for audio_selector [%[2]s]. Audio %[1]s [%[3]d] not found in input container.", what, number, n)
			}
			out.streams = append(out.streams, found[0])
		}
		return nil
	}
	kind := sel.SelectorType
	if kind == "" {
		switch {
		case len(sel.Tracks) > 0:
		case len(sel.Pids) > 0:
			kind = "PID"
		case len(sel.Streams) > 0:
			kind = "STREAM"
		case sel.LanguageCode != "" || sel.CustomLanguageCode != "":
			kind = "LANGUAGE_CODE"
		}
	}
	switch kind {
	case "TRACK", "":
		err = each(sel.Tracks, "track", func(n int64, i int, _ *media.AudioStream) bool { return n == int64(i)+1 })
	case "STREAM":
		err = each(sel.Streams, "stream", func(n int64, _ int, s *media.AudioStream) bool { return n == int64(s.Index)+1 })
	case "PID":
		err = each(sel.Pids, "PID", func(n int64, _ int, s *media.AudioStream) bool { return n == int64(s.PID) })
	case "ALL_PCM":
		out.streams = all(func(_ int, s *media.AudioStream) bool { return strings.HasPrefix(s.Codec, "pcm_") })
		if len(out.streams) == 0 {
			err = missing("tracks specified for audio_selector [%s]. PCM audio not found in input container.", number)
		}
	case "LANGUAGE_CODE":
		want := sel.CustomLanguageCode
		if want == "" {
			want = sel.LanguageCode
		}
		out.streams = all(func(_ int, s *media.AudioStream) bool { return sameLanguage(s.Language, want) })
		if len(out.streams) == 0 {
			err = missing("language specified for audio_selector [%s]. Audio language [%s] not found in input container.", number, want)
		}
	default:
		p.problems.add(path+"/selectorType", "%s is not supported", kind)
	}
	if err != nil {
		return nil, err
	}
	if len(out.streams) == 0 {
		picture := -1
		if !out.external && len(facts.Video) > 0 {
			picture = p.sources[input].video.Index
		}
		out.streams = append(out.streams, defaultAudio(facts, picture))
	}
	return out, nil
}

// defaultAudio is the stream that the file itself prefers, or the first one: of
// those in a program with the picture (a stream's index), where there are any.
func defaultAudio(src *media.Source, picture int) *media.AudioStream {
	var first, belongs *media.AudioStream
	for i := range src.Audio {
		a := &src.Audio[i]
		if first == nil || a.Default && !first.Default {
			first = a
		}
		with := func(program []int) bool {
			return slices.Contains(program, a.Index) && slices.Contains(program, picture)
		}
		if slices.ContainsFunc(src.Programs, with) && (belongs == nil || a.Default && !belongs.Default) {
			belongs = a
		}
	}
	if belongs != nil {
		return belongs
	}
	return first
}

func describeAudio(src media.Source) string {
	var list []string
	for i, a := range src.Audio {
		entry := fmt.Sprintf("track %d (%s", i+1, a.Codec)
		if a.PID != 0 {
			entry += fmt.Sprintf(", PID %d", a.PID)
		}
		if a.Language != "" {
			entry += ", " + a.Language
		}
		list = append(list, entry+")")
	}
	return strings.Join(list, ", ")
}

// languageOf returns the language of the first stream that has one.
func languageOf(picks []pick) string {
	for _, p := range picks {
		for _, s := range p.streams {
			if s.Language != "" && s.Language != "und" {
				return s.Language
			}
		}
	}
	return ""
}

// terminological maps the bibliographic codes of ISO 639-2 to the terminological ones.
var terminological = map[string]string{
	"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra",
	"geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas",
	"rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym",
}

// sameLanguage compares languages, whichever code or tag each is told by.
func sameLanguage(a, b string) bool {
	canonical := func(s string) string {
		s = cmp.Or(media.LanguageCode(s), strings.ToLower(s))
		return cmp.Or(terminological[s], s)
	}
	return a != "" && canonical(a) == canonical(b)
}
