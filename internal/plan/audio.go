package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// aacPriming is how many samples ffmpeg's AAC encoder puts before the first one:
// one frame, which decoders need to start.
const aacPriming = 1024

// audio is everything that decides an audio encode. Outputs with deeply equal audio
// share one encode.
type audio struct {
	parts    []part // one after the other; one a take of the output's ladder
	rate     int
	channels int
	bitrate  int64
	samples  int64
	language string
}

// part is the sound of one take.
type part struct {
	file    int            // of Plan.Files
	stream  int            // in the container; -1 is silence
	origin  instant        // when the source's first frame is shown
	skip    media.Rational // seconds from there to where the take begins
	offset  int64          // milliseconds later
	samples int64
}

// aacRates are the sampling rates that AAC can name (ISO/IEC 14496-3, table 1.18).
var aacRates = []int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}

// newAudio decides one AudioDescription of an output of ladder l: the encode is as
// long as the video, to the sample.
func (p *planner) newAudio(d AudioDescription, l *ladder, path string) (audio, error) {
	a := audio{rate: 48000, channels: 2}
	t, problems := l.timeline, &p.problems
	s := d.CodecSettings.AacSettings
	path += "/codecSettings"
	if codec := d.CodecSettings.Codec; codec != "AAC" && codec != "" {
		problems.add(path+"/codec", "%s is not supported (AAC is)", codec)
	}
	path += "/aacSettings"
	if s.CodecProfile != "" && s.CodecProfile != "LC" {
		problems.add(path+"/codecProfile", "%s is not supported (LC is)", s.CodecProfile)
	}
	if s.SampleRate != 0 {
		if !slices.Contains(aacRates, s.SampleRate) {
			problems.add(path+"/sampleRate", "%d is not a sampling rate of AAC", s.SampleRate)
		} else {
			a.rate = int(s.SampleRate)
		}
	}
	chosen := make([]*media.AudioStream, len(p.sources)) // of each input
	offsets := make([]int64, len(p.sources))
	from := 0 // channels
	for i, src := range p.sources {
		var err error
		if chosen[i], offsets[i], err = selectAudio(d, i, p.settings.Inputs[i], src.facts); err != nil {
			return a, inInput(err, i, len(p.sources) > 1)
		}
		if chosen[i] != nil {
			from = max(from, chosen[i].Channels)
		}
	}
	if from == 0 {
		from = 2 // channels of silence
	}
	switch s.CodingMode {
	case "", "CODING_MODE_2_0":
	case "CODING_MODE_1_0":
		a.channels = 1
	case "CODING_MODE_5_1":
		a.channels = 6
	case "CODING_MODE_AUTO":
		switch {
		case from >= 6:
			a.channels = 6
		case from == 1:
			a.channels = 1
		}
	default:
		problems.add(path+"/codingMode", "%s is not supported", s.CodingMode)
	}
	if a.channels == 6 && from < 6 {
		p.warnings.add(WarnChannels, "the output has 5.1 sound and the source %d channels; the others are silent", from)
	}
	a.bitrate = s.Bitrate
	switch {
	case s.RateControlMode == "VBR":
		// Bits a second of two channels at each VbrQuality, at which the encoder runs.
		perPair := map[string]int64{"LOW": 64_000, "MEDIUM_LOW": 96_000, "": 128_000, "MEDIUM_HIGH": 128_000, "HIGH": 192_000}[s.VbrQuality]
		if perPair == 0 {
			problems.add(path+"/vbrQuality", "%s is not a quality", s.VbrQuality)
		}
		a.bitrate = perPair * int64(a.channels) / 2
	case a.bitrate == 0:
		a.bitrate = map[int]int64{1: 64_000, 2: 96_000, 6: 256_000}[a.channels]
	}
	// The least number of samples that covers the last frame.
	perSecond := media.R(1, int64(a.rate))
	a.samples = media.Rescale(t.Frames, t.FrameRate.Inverse(), perSecond)
	if media.Rescale(a.samples, perSecond, media.R(1, 1_000_000_000)) < media.Rescale(t.Frames, t.FrameRate.Inverse(), media.R(1, 1_000_000_000)) {
		a.samples++
	}

	follow := ""
	for _, c := range chosen {
		if follow == "" {
			follow = languageOf(c)
		}
	}
	switch {
	case d.LanguageCodeControl != "USE_CONFIGURED" && follow != "":
		a.language = follow
	case d.CustomLanguageCode != "":
		a.language = d.CustomLanguageCode
	default:
		a.language = strings.ToLower(d.LanguageCode)
	}
	end := int64(0)
	for i := range l.takes {
		tk := &l.takes[i]
		begin := end
		if end = a.samples; i < len(l.takes)-1 {
			end = media.Rescale(tk.first+tk.frames, t.FrameRate.Inverse(), perSecond)
		}
		a.parts = append(a.parts, p.part(chosen[tk.src.input], offsets[tk.src.input], tk, l.rate, end-begin, a.rate))
	}
	return a, nil
}

// part decides the sound of a take: samples of what is chosen in its input.
func (p *planner) part(chosen *media.AudioStream, offset int64, tk *take, rate media.Rational, samples int64, perSecond int) part {
	src := tk.src
	out := part{file: src.file, stream: -1, origin: src.origin, samples: samples, offset: offset}
	if tk.skip > 0 {
		out.skip = media.R(tk.skip*rate.Den, rate.Num)
	}
	if chosen == nil {
		p.warnings.add(WarnNoAudio, "the source has no audio for this output; it is silent")
		return part{stream: -1, samples: samples}
	}
	out.stream = chosen.Index
	if !chosen.TimeBase.Known() {
		return out
	}
	late := float64(chosen.StartPTS)*chosen.TimeBase.Float() - src.origin.seconds() - out.skip.Float() + float64(offset)/1000
	switch {
	case late >= float64(samples)/float64(perSecond):
		p.warnings.add(WarnNoAudio, "the audio begins %.3f s after the video, when that is over; the output is silent", late)
		return part{stream: -1, samples: samples}
	case late >= 0.1:
		p.warnings.add(WarnSilenceAdded, "the audio begins %.3f s after the video; silence was added", late)
	case late <= -0.1 && tk.skip == 0:
		p.warnings.add(WarnAudioDropped, "the audio begins %.3f s before the video; that much was dropped", -late)
	}
	return out
}

func languageOf(s *media.AudioStream) string {
	if s == nil || s.Language == "und" {
		return ""
	}
	return s.Language
}

// selectAudio finds the stream that a description names: by its selector, else by
// the default selector, else none. A source without any audio has none for every
// selector; one that has audio but not the named track is the job's fault.
func selectAudio(d AudioDescription, input int, in InputSettings, src media.Source) (*media.AudioStream, int64, error) {
	if len(src.Audio) == 0 {
		return nil, 0, nil
	}
	name := d.AudioSourceName
	if name == "" {
		name = "Audio Selector 1"
	}
	sel, ok := in.AudioSelectors[name]
	if !ok {
		if len(in.AudioSelectors) == 0 && d.AudioSourceName == "" {
			return defaultAudio(src), 0, nil
		}
		for _, other := range slices.Sorted(maps.Keys(in.AudioSelectors)) {
			if in.AudioSelectors[other].DefaultSelection == "DEFAULT" {
				name, sel, ok = other, in.AudioSelectors[other], true
				break
			}
		}
		if !ok {
			return nil, 0, nil
		}
	}
	number := name[strings.LastIndexByte(name, ' ')+1:]
	kind := sel.SelectorType
	if kind == "" {
		switch {
		case len(sel.Tracks) > 0:
			kind = "TRACK"
		case len(sel.Pids) > 0:
			kind = "PID"
		case sel.LanguageCode != "" || sel.CustomLanguageCode != "":
			kind = "LANGUAGE_CODE"
		}
	}
	missing := func(format string, args ...any) error {
		return fault.New(fault.Invalid, CodeSettings, "Invalid audio "+format, args...).
			WithHint("the source has %s", describeAudio(src))
	}
	path := fmt.Sprintf("/inputs/%d/audioSelectors/%s", input, name)
	several := func(n int) error {
		if n > 1 {
			return fault.New(fault.Invalid, CodeSettings, "%s: %d tracks in one selector are not supported; name one", path, n)
		}
		return nil
	}
	switch kind {
	case "TRACK", "":
		if len(sel.Tracks) == 0 {
			return defaultAudio(src), sel.Offset, nil
		}
		if err := several(len(sel.Tracks)); err != nil {
			return nil, 0, err
		}
		track := sel.Tracks[0]
		if track < 1 || track > int64(len(src.Audio)) {
			return nil, 0, missing("track specified for audio_selector [%s]. Audio track [%d] not found in input container.", number, track)
		}
		return &src.Audio[track-1], sel.Offset, nil
	case "PID":
		if err := several(len(sel.Pids)); err != nil {
			return nil, 0, err
		}
		for i := range src.Audio {
			if len(sel.Pids) == 1 && int64(src.Audio[i].PID) == sel.Pids[0] {
				return &src.Audio[i], sel.Offset, nil
			}
		}
		return nil, 0, missing("PID specified for audio_selector [%s]. Audio PID %d not found in input container.", number, sel.Pids)
	case "LANGUAGE_CODE":
		want := sel.CustomLanguageCode
		if want == "" {
			want = sel.LanguageCode
		}
		for i := range src.Audio {
			if sameLanguage(src.Audio[i].Language, want) {
				return &src.Audio[i], sel.Offset, nil
			}
		}
		return nil, 0, missing("language specified for audio_selector [%s]. Audio language [%s] not found in input container.", number, want)
	}
	return nil, 0, fault.New(fault.Invalid, CodeSettings, "%s/selectorType: %s is not supported", path, kind)
}

// defaultAudio is the stream that the file itself prefers, or the first one.
func defaultAudio(src media.Source) *media.AudioStream {
	for i := range src.Audio {
		if src.Audio[i].Default {
			return &src.Audio[i]
		}
	}
	return &src.Audio[0]
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

// terminological maps the bibliographic codes of ISO 639-2 to the terminological ones.
var terminological = map[string]string{
	"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra",
	"geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas",
	"rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym",
}

func sameLanguage(a, b string) bool {
	canonical := func(s string) string {
		s = strings.ToLower(s)
		if t, ok := terminological[s]; ok {
			return t
		}
		return s
	}
	return a != "" && canonical(a) == canonical(b)
}

// instant is a time in the source's clock: ticks of base.
type instant struct {
	ticks int64
	base  media.Rational
}

func (i instant) seconds() float64 { return float64(i.ticks) * i.base.Float() }

// layouts are ffmpeg's names of the channel layouts that outputs have.
var layouts = map[int]string{1: "mono", 2: "stereo", 6: "5.1"}

// args returns the arguments of the process that makes the encode, file, and the
// files of the Plan that it reads.
//
// Sample 0 of a part is the instant the first video frame of its take is shown.
// aresample fills what is missing before it and in gaps with silence, drops what
// comes before it, and corrects a clock that runs away as soon as it is 15 ms off:
// timestamps in milliseconds jitter by less, and lips are not seen to be off below
// 20. The end is padded or cut to the sample.
func (a audio) args(file string) (args []string, files []int) {
	args = []string{"-y", "-copyts"}
	g := &graph{}
	joined := ""
	for i, p := range a.parts {
		label := fmt.Sprintf("[p%d]", i)
		joined += label
		if p.stream < 0 {
			g.chain(fmt.Sprintf("anullsrc=sample_rate=%d:channel_layout=%s,atrim=end_sample=%d", a.rate, layouts[a.channels], p.samples), label)
			continue
		}
		number := len(files)
		if at := slices.Index(files, p.file); at >= 0 && len(a.parts) == 1 {
			number = at
		} else {
			files = append(files, p.file)
			args = append(args, "-threads", "1")
			args = append(args, media.InputArgs()...)
			args = append(args, "-i", "file:"+SourcePath(number))
		}
		g.chain(fmt.Sprintf("[%d:%d]", number, p.stream)+p.filters(a), label)
	}
	if len(a.parts) > 1 {
		g.chain(fmt.Sprintf("%sconcat=n=%d:v=0:a=1", joined, len(a.parts)), "[a]")
		joined = "[a]"
	}
	return append(args,
		"-filter_complex_threads", "1", "-filter_complex", g.String(), "-map", joined, "-map_metadata", "-1",
		"-c:a", "aac", "-b:a", strconv.FormatInt(a.bitrate, 10), "-f", "mp4", OutputDir+"/"+file), files
}

// filters makes the samples of a part of what its stream holds.
func (p part) filters(a audio) string {
	shift := ""
	if p.origin.ticks != 0 && p.origin.base.Known() {
		shift += fmt.Sprintf("-(%d*%d/%d)/TB", p.origin.ticks, p.origin.base.Num, p.origin.base.Den)
	}
	if p.skip.Num > 0 {
		shift += fmt.Sprintf("-(%d/%d)/TB", p.skip.Num, p.skip.Den)
	}
	if p.offset != 0 {
		shift += fmt.Sprintf("+(%d/1000)/TB", p.offset)
	}
	var f []string
	if shift != "" {
		f = append(f, "asetpts=round(PTS"+shift+")")
	}
	return strings.Join(append(f,
		// What is before the take or behind it is of no use, and a clock that leaps hours ahead must
		// not make that much silence in memory.
		fmt.Sprintf("atrim=start=-1:end=%.3f", float64(p.samples)/float64(a.rate)+1),
		fmt.Sprintf("aresample=out_sample_rate=%d:out_channel_layout=%s:out_sample_fmt=fltp:rematrix_maxval=1:async=1:min_hard_comp=0.015:first_pts=0", a.rate, layouts[a.channels]),
		"apad",
		"atrim=end_sample="+strconv.FormatInt(p.samples, 10)), ",")
}

func (a audio) public(file string) AudioEncode {
	args, files := a.args(file)
	return AudioEncode{
		File: file, SampleRate: a.rate, Channels: a.channels, BitrateBPS: a.bitrate, Samples: a.samples,
		Priming: aacPriming, Language: a.language, Silent: len(files) == 0, Files: files, Args: args,
	}
}
