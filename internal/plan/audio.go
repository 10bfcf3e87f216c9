package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"

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
	apart    bool // the channels have nothing to do with each other
	mpeg2    bool // only what MPEG-2 AAC knows
	bitrate  int64
	samples  int64
	language string
	kind     int // audio_type of ISO/IEC 13818-1, table 2-60
	loudness loudness
	cutOut   bool // it is a piece of another
}

// part is the sound of one take: the sum of its feeds, silence where there is none.
type part struct {
	feeds   []feed
	width   int // channels of the sum
	samples int64
}

// feed is one stream of a part.
type feed struct {
	file    int            // of Plan.Files
	format  string         // of the file, ffmpeg's name
	stream  int            // in the container
	origin  instant        // when the source's first frame is shown
	skip    media.Rational // seconds from there to where the take begins
	offset  int64          // milliseconds later
	seek    int64          // microseconds of the file's clock at which decoding begins; 0 is its start
	stretch float64        // how much longer its samples last than they say; 0 is not at all
	faster  media.Rational // how many times as fast it is played, higher with it (slow PAL); unknown is once
	follow  bool           // small differences from its timestamps are corrected by its speed
	leaps   string         // filter that takes the leaps of its clock out, "" if there are none
	gains   matrix         // of its channels in the sum; nil converts its layout

	rate         int64   // samples a second of the stream
	even         bool    // its frames follow each other, but for places, by the container's tables
	places       []place // where they do not
	begins, ends float64 // when it is heard, in seconds of the part; ends is of one that is even

	sequels  []sequel // what it goes on as, in their order
	channels int      // of the stream that it is first
	like     bool     // it is to have as many channels as that one
	broken   bool     // its file cannot be entered in the middle
	due      period   // seconds of the part in which it is to be heard

	// Of a piece, see enterAt:
	cut   bool
	enter int64 // samples of the part before the one at which its time begins
	drop  int64 // samples that are made in vain
}

// aacRates are the sampling rates that AAC can name (ISO/IEC 14496-3, table 1.18).
var aacRates = []int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}

// newAudio decides one AudioDescription of an output of ladder l: the encode is as
// long as the video, to the sample.
func (p *planner) newAudio(d described, l *ladder, path string) (audio, error) {
	a := audio{rate: 48000, channels: 2}
	s := d.CodecSettings.AacSettings
	if codec := d.CodecSettings.Codec; codec != "AAC" && codec != "" {
		p.problems.add(path+"/codecSettings/codec", "%s is not supported (AAC is)", codec)
	}
	if s.SampleRate != 0 {
		if !slices.Contains(aacRates, s.SampleRate) {
			p.problems.add(path+"/codecSettings/aacSettings/sampleRate", "%d is not a sampling rate of AAC", s.SampleRate)
		} else {
			a.rate = int(s.SampleRate)
		}
	}
	remix := remixMatrix(d.RemixSettings, path+"/remixSettings", &p.problems)
	picks := make([][]pick, len(p.sources)) // of each input
	from := 0                               // channels
	for i := range p.sources {
		var err error
		if picks[i], err = p.selectAudio(d, i); err != nil {
			return a, inInput(err, i, len(p.sources) > 1)
		}
		from = max(from, width(picks[i]))
	}
	p.aac(&a, s, from, remix, path+"/codecSettings/aacSettings")
	if err := p.problems.err(); err != nil {
		return a, err
	}

	// The least number of samples that covers the last frame.
	t, perSecond := l.timeline, media.R(1, int64(a.rate))
	a.samples = media.Rescale(t.Frames, t.FrameRate.Inverse(), perSecond)
	if media.Rescale(a.samples, perSecond, media.R(1, 1_000_000_000)) < media.Rescale(t.Frames, t.FrameRate.Inverse(), media.R(1, 1_000_000_000)) {
		a.samples++
	}
	end := int64(0)
	for i := range l.takes {
		tk := &l.takes[i]
		begin := end
		if end = a.samples; i < len(l.takes)-1 {
			end = media.Rescale(tk.first+tk.frames, t.FrameRate.Inverse(), perSecond)
		}
		a.parts = append(a.parts, p.part(picks[tk.src.input], remix, tk, l, end-begin, &a).split(int64(a.rate))...)
	}
	a.language = languageFor(d.AudioDescription, picks)
	a.kind = audioType(d.AudioDescription, picks)
	a.loudness = newLoudness(d.AudioNormalizationSettings, path+"/audioNormalizationSettings", &p.problems)
	return a, nil
}

// languageFor returns the language that a description's track is tagged with.
func languageFor(d AudioDescription, picks [][]pick) string {
	follow := ""
	for _, list := range picks {
		if follow == "" {
			follow = languageOf(list)
		}
	}
	switch {
	case d.LanguageCodeControl != "USE_CONFIGURED" && follow != "":
		return follow
	case d.CustomLanguageCode != "":
		return d.CustomLanguageCode
	}
	return strings.ToLower(d.LanguageCode)
}

// broadcasterMix is the audio_type of a sound with its audio description mixed in.
const broadcasterMix = 3

// audioType returns the audio_type of a description's track.
func audioType(d AudioDescription, picks [][]pick) int {
	if d.CodecSettings.AacSettings.AudioDescriptionBroadcasterMix == "BROADCASTER_MIXED_AD" {
		return broadcasterMix
	}
	for _, list := range picks {
		if d.AudioTypeControl != "USE_CONFIGURED" && len(list) > 0 && list[0].streams[0].Type != 0 {
			return list[0].streams[0].Type
		}
	}
	return int(d.AudioType)
}

// Bits a second of AAC. The profiles of high efficiency are made as LC, which needs
// more for the same sound: leastLC a channel.
const leastLC = 48_000

// aac reads AacSettings. The source has from channels, 0 without any.
func (p *planner) aac(a *audio, s AacSettings, from int, remix matrix, path string) {
	if from == 0 {
		from = 2 // channels of silence
	}
	if remix != nil {
		from = len(remix)
	}
	switch s.CodingMode {
	case "", "CODING_MODE_2_0":
	case "CODING_MODE_1_1":
		a.apart = true
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
		p.problems.add(path+"/codingMode", "%s is not supported", s.CodingMode)
	}
	switch {
	case remix != nil && len(remix) != a.channels:
		p.problems.add(strings.TrimSuffix(path, "/codecSettings/aacSettings")+"/remixSettings/channelsOut", "%d channels do not fit codingMode, which has %d", len(remix), a.channels)
	case a.channels == 6 && from < 6:
		p.warnings.add(WarnChannels, "the output has 5.1 sound and the source %d channels; the others are silent", from)
	}
	a.mpeg2 = s.Specification == "MPEG2"
	a.bitrate = s.Bitrate
	switch {
	case s.RateControlMode == "VBR":
		// Bits a second of two channels at each VbrQuality, at which the encoder runs.
		perPair := map[string]int64{"LOW": 64_000, "MEDIUM_LOW": 96_000, "": 128_000, "MEDIUM_HIGH": 128_000, "HIGH": 192_000}[s.VbrQuality]
		if perPair == 0 {
			p.problems.add(path+"/vbrQuality", "%s is not a quality", s.VbrQuality)
		}
		a.bitrate = perPair * int64(a.channels) / 2
	case a.bitrate == 0:
		a.bitrate = map[int]int64{1: 64_000, 2: 96_000, 6: 256_000}[a.channels]
	}
	switch s.CodecProfile {
	case "", "LC":
	case "HEV1", "HEV2":
		if least := leastLC * int64(min(a.channels, 5)); a.bitrate < least { // low frequencies take next to nothing
			p.warnings.add(WarnSetting, "%s: codecProfile %s is made as AAC-LC, at %d bit/s instead of %d to sound as good", path, s.CodecProfile, least, a.bitrate)
			a.bitrate = least
		}
	default:
		p.problems.add(path+"/codecProfile", "%s is not supported (LC is)", s.CodecProfile)
	}
}

// part decides the sound of a take: samples of what is chosen in its input.
func (p *planner) part(picks []pick, remix matrix, tk *take, l *ladder, samples int64, a *audio) part {
	silent := part{samples: samples}
	if len(picks) == 0 {
		p.warnSilent(tk.src)
		return silent
	}
	streams, sum := p.mix(picks, remix, a.channels)
	out := part{width: sum, samples: samples}
	late := 0.0          // of the first stream that is heard
	ends := math.Inf(-1) // of the last one
	for i, m := range streams {
		f, after := p.feed(&picks[m.of], picks[m.of].streams[m.at], tk, l.slots())
		if l.film.Known() {
			f.faster = media.R(l.rate.Num*l.film.Den, l.rate.Den*l.film.Num)
		}
		f.gains = m.gains
		ix := tk.src.index
		if picks[m.of].external {
			ix = media.FrameIndex{}
		}
		f.sequels = f.goesOn(picks[m.of].streams[m.at], ix, int64(a.rate))
		if i == 0 || after < late {
			late = after
		}
		if s := picks[m.of].streams[m.at]; s.Duration > 0 && f.stretch == 0 && f.leaps == "" && len(f.sequels) == 0 {
			ends = max(ends, after+s.Duration.Seconds())
		} else {
			ends = math.Inf(1)
		}
		if after < float64(samples)/float64(a.rate) {
			out.feeds = append(out.feeds, f)
		}
	}
	until := float64(samples) / float64(a.rate)
	for i := range out.feeds {
		out.feeds[i].due = period{max(late, 0), min(until, ends)}
	}
	if lacks := until - max(ends, 0); lacks >= 1 && len(out.feeds) > 0 {
		p.warnings.add(WarnSoundEnds, "the audio ends %.1f s before the video; silence was added", lacks)
	}
	switch {
	case len(out.feeds) == 0:
		p.warnings.add(WarnNoAudio, "the audio begins %.3f s after the video, when that is over; the output is silent", late)
		return silent
	case late >= 0.1:
		p.warnings.add(WarnSilenceAdded, "the audio begins %.3f s after the video; silence was added", late)
	case late <= -0.1 && tk.skip == 0:
		p.warnings.add(WarnAudioDropped, "the audio begins %.3f s before the video; that much was dropped", -late)
	}
	return out
}

// warnSilent says why an output has none of the sound of an input.
func (p *planner) warnSilent(src *source) {
	which := "the source"
	if len(p.sources) > 1 {
		which = fmt.Sprintf("input %d", src.input+1)
	}
	if len(src.facts.Audio) == 0 {
		p.warnings.add(WarnNoAudio, "%s has no audio; the output is silent", which)
		return
	}
	p.warnings.add(WarnNoAudio, "%s has audio, but none that the output asks for; the output is silent", which)
}

// feed decides what one stream gives to a take, and tells how many seconds after the
// take's beginning it sets in.
func (p *planner) feed(pk *pick, s *media.AudioStream, tk *take, rate media.Rational) (f feed, late float64) {
	f = feed{file: pk.file, format: p.in.Files[pk.file].Source.Format, stream: s.Index, origin: tk.src.origin, offset: pk.offset}
	if !pk.external {
		f.leaps = overLeaps(tk.src.index)
	}
	if pk.external { // its first sample goes with the first frame
		f.origin = instant{s.StartPTS, s.TimeBase}
		if !s.TimeBase.Known() {
			f.origin = instant{}
		}
	}
	if tk.skip > 0 {
		f.skip = media.R(tk.skip*rate.Den, rate.Num)
	}
	p.correct(&f, pk, s)
	if s.TimeBase.Known() {
		late = float64(s.StartPTS)*s.TimeBase.Float() - f.origin.seconds() - f.skip.Float() + float64(f.offset)/1000
	}
	format, broken := p.in.Files[pk.file].Source.Format, !pk.external && tk.src.whole
	f.rate, f.begins = int64(s.SampleRate), late
	f.channels, f.broken = s.Channels, broken
	if s.FrameTicks > 0 && s.TimeBase == media.R(1, f.rate) && !broken && audioSeeks(format) {
		f.places, f.even = places(s.Jumps, f.rate)
	}
	length := s.Frames * s.FrameTicks
	for _, j := range s.Jumps {
		length += j.Ticks
	}
	f.ends = late + float64(length)*s.TimeBase.Float()
	if late < -seekFrom && !broken && f.leaps == "" && audioSeeks(format) {
		begin := f.origin.seconds() + f.skip.Float() - float64(f.offset)/1000
		f.seek = max(int64((begin-seekMargin)*1e6), 0)
	}
	return f, late
}

// Decoding of a take begins in the middle of the source where more than seekFrom
// seconds would be decoded in vain, and seekMargin before the take: keyframes of
// the video, which the container seeks to, are rarely further apart, and where it
// leads behind the take all the same the encode is made again from the start.
const (
	seekFrom   = 30
	seekMargin = 10
)

// audioSeeks reports whether positions in a container have true timestamps.
func audioSeeks(format string) bool {
	return indexed(format) || slices.Contains([]string{"mpegts", "wav", "w64", "flac"}, format)
}

// Bounds of AudioDurationCorrection: less than this part of the track is in step,
// more is not a drift.
const (
	leastStretch = 0.0002
	mostStretch  = 0.2
)

// correct decides how a stream is kept in step with its timestamps. Without any
// correction what is missing is silent and what is too much is dropped.
func (p *planner) correct(f *feed, pk *pick, s *media.AudioStream) {
	switch pk.correction {
	case "", "DISABLED":
		return
	}
	if !strings.HasPrefix(p.in.Files[pk.file].Source.Format, "mov,") || s.Codec != "aac" {
		p.warnings.add(WarnSetting, "audioDurationCorrection %s has no effect: it is for AAC in MP4 and MOV", pk.correction)
		return
	}
	if pk.correction == "FRAME" {
		f.follow = true
		return
	}
	if s.Frames == 0 || s.SampleRate == 0 {
		return
	}
	stretch := s.Duration.Seconds() * float64(s.SampleRate) / float64(s.Frames*1024)
	if stretch > 1.5 { // frames of 2,048 samples
		stretch /= 2
	}
	if off := stretch - 1; off < -mostStretch || off > mostStretch || off > -leastStretch && off < leastStretch {
		return
	}
	f.stretch = stretch
}

// instant is a time in the source's clock: ticks of base.
type instant struct {
	ticks int64
	base  media.Rational
}

func (i instant) seconds() float64 { return float64(i.ticks) * i.base.Float() }
