package mediaconvert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// hasAudioSource reports whether an input has what audio descriptions name.
func hasAudioSource(in *mc.Input, name string) bool {
	return len(in.AudioSelectors) == 0 && len(in.DynamicAudioSelectors) == 0 || in.AudioSelectors[name] != nil ||
		in.AudioSelectorGroups[name] != nil || in.DynamicAudioSelectors[name] != nil
}

// checkAudioGroups checks the names that an input's audio selectors have, which are
// one space with those of groups and dynamic selectors.
func checkAudioGroups(at string, in *mc.Input, f *Findings) {
	for _, name := range slices.Sorted(maps.Keys(in.AudioSelectorGroups)) {
		here := at + "/audioSelectorGroups/" + name
		group := in.AudioSelectorGroups[name]
		if len(group.AudioSelectorNames) == 0 {
			f.fault(here, "audioSelectorNames is a required property")
		}
		for i, member := range group.AudioSelectorNames {
			if in.AudioSelectors[member] == nil {
				f.fault(fmt.Sprintf("%s/audioSelectorNames/%d", here, i), "%q is no audio selector of the input", member)
			}
		}
		if in.AudioSelectors[name] != nil {
			f.fault(here, "an audio selector has the name %q too", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.DynamicAudioSelectors)) {
		here := at + "/dynamicAudioSelectors/" + name
		sel := in.DynamicAudioSelectors[name]
		if sel.SelectorType == mc.DynamicAudioSelectorTypeLanguage_Code && sel.LanguageCode == "" {
			f.fault(here, "languageCode is a required property")
		}
		if in.AudioSelectors[name] != nil || in.AudioSelectorGroups[name] != nil {
			f.fault(here, "an audio selector has the name %q too", name)
		}
		if sel.ExternalAudioFileInput != nil {
			if problem := inputProblem(*sel.ExternalAudioFileInput); problem != "" {
				f.fault(here+"/externalAudioFileInput", "%s", problem)
			}
		}
	}
}

// checkAudioOnly checks an output without video.
func checkAudioOnly(at string, o *mc.Output, hls bool, f *Findings) {
	n := len(o.AudioDescriptions)
	packed := hls && (o.OutputSettings == nil || o.OutputSettings.HlsSettings == nil || o.OutputSettings.HlsSettings.AudioOnlyContainer != mc.HlsAudioOnlyContainerM2ts)
	switch {
	case n == 0:
		f.fault(at, "videoDescription or audioDescriptions is a required property")
	case n > 1 && packed:
		f.fault(at+"/audioDescriptions", "%d tracks do not fit into packed audio (use audioOnlyContainer M2TS, or an output for each)", n)
	case n > 1 && o.ContainerSettings.Container == mc.ContainerTypeRaw:
		f.fault(at+"/audioDescriptions", "%d tracks do not fit into a raw file (make an output for each)", n)
	}
}

// checkLoudness checks the numbers that the model gives no bounds.
func checkLoudness(at string, n *mc.AudioNormalizationSettings, f *Findings) {
	if n == nil {
		return
	}
	for _, m := range []struct {
		name     string
		given    *float64
		from, to float64
	}{{"targetLkfs", n.TargetLkfs, -59, 0}, {"truePeakLimiterThreshold", n.TruePeakLimiterThreshold, -8, 0}} {
		if m.given != nil && (*m.given < m.from || *m.given > m.to) {
			f.fault(at+"/"+m.name, "Should be between %g and %g", m.from, m.to)
		}
	}
}

// Bounds of remixing, in dB.
const (
	remixMute = -60
	remixMost = 6
)

// checkRemix checks that a channel mapping has the numbers of channels that it says.
func checkRemix(at string, r *mc.RemixSettings, f *Findings) {
	if r == nil {
		return
	}
	if r.ChannelMapping == nil || len(r.ChannelMapping.OutputChannels) == 0 {
		if r.ChannelsIn != nil || r.ChannelsOut != nil {
			f.fault(at, "channelMapping is a required property")
		}
		return
	}
	at2 := at + "/channelMapping/outputChannels"
	rows := r.ChannelMapping.OutputChannels
	if n := r.ChannelsOut; n == nil {
		f.fault(at, "channelsOut is a required property")
	} else if int(*n) != len(rows) {
		f.fault(at2, "channelsOut is %d and %d channels are mapped", *n, len(rows))
	}
	if r.ChannelsIn == nil {
		f.fault(at, "channelsIn is a required property")
	}
	for i, row := range rows {
		here := fmt.Sprintf("%s/%d", at2, i)
		n := len(row.InputChannels) + len(row.InputChannelsFineTune)
		switch {
		case len(row.InputChannels) > 0 && len(row.InputChannelsFineTune) > 0:
			f.fault(here, "inputChannels and inputChannelsFineTune do not go together")
		case r.ChannelsIn != nil && n != int(*r.ChannelsIn):
			f.fault(here, "channelsIn is %d and %d input channels have a value", *r.ChannelsIn, n)
		}
		for j, dB := range row.InputChannelsFineTune {
			if dB < remixMute || dB > remixMost {
				f.fault(fmt.Sprintf("%s/inputChannelsFineTune/%d", here, j), "Should be between %d and %d", remixMute, remixMost)
			}
		}
	}
}

// aacBitrates are the bit rates that the service takes for AAC, in bits a second.
func aacBitrates() []int32 {
	return []int32{
		6000, 8000, 10000, 12000, 14000, 16000, 20000, 24000, 28000, 32000, 40000, 48000, 56000, 64000, 80000, 96000,
		112000, 128000, 160000, 192000, 224000, 256000, 288000, 320000, 384000, 448000, 512000, 576000, 640000, 768000, 896000, 1024000,
	}
}

// aacRates are the sampling rates that the service takes for AAC, in Hz.
func aacRates() []int32 {
	return []int32{8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000}
}

func checkAudio(at string, a *mc.AudioDescription, s *mc.JobSettings, f *Findings) {
	if a.AudioSourceName != nil && !slices.ContainsFunc(s.Inputs, func(in *mc.Input) bool { return hasAudioSource(in, *a.AudioSourceName) }) {
		f.Warnings = append(f.Warnings, job.Warning{
			Code:    plan.WarnSetting,
			Message: fmt.Sprintf("audioSourceName %q is no audio selector of the input: the default selector is used, else silence (%s)", *a.AudioSourceName, at),
		})
	}
	checkRemix(at+"/remixSettings", a.RemixSettings, f)
	checkLoudness(at+"/audioNormalizationSettings", a.AudioNormalizationSettings, f)
	c := a.CodecSettings
	if c == nil {
		f.fault(at, "codecSettings is a required property")
		return
	}
	at += "/codecSettings"
	if c.Codec == "" {
		f.fault(at, "codec is a required property")
	}
	if c.Codec != mc.AudioCodecAac {
		return
	}
	if c.AacSettings == nil {
		f.fault(at, "aacSettings is a required property")
		return
	}
	at += "/aacSettings"
	aac := c.AacSettings
	rate := int32(48000)
	if aac.SampleRate != nil {
		rate = *aac.SampleRate
		if !slices.Contains(aacRates(), rate) {
			f.fault(at+"/sampleRate", "Should be one of %s", strings.Trim(fmt.Sprint(aacRates()), "[]"))
			return
		}
	}
	if aac.Bitrate != nil && !slices.Contains(aacBitrates(), *aac.Bitrate) {
		f.fault(at+"/bitrate", "Should be one of %s", strings.Trim(fmt.Sprint(aacBitrates()), "[]"))
		return
	}
	// A frame of 1024 samples has at most 6144 bits a channel (ISO/IEC 14496-3, 4.5.3.3).
	channels := map[mc.AacCodingMode]int32{mc.AacCodingModeCoding_Mode_1_0: 1, mc.AacCodingModeCoding_Mode_5_1: 6}[aac.CodingMode]
	if channels == 0 {
		channels = 2
	}
	if most := 6 * rate * channels; aac.Bitrate != nil && *aac.Bitrate > most {
		f.fault(at+"/bitrate", "Should be less than or equal to %d for %d channels of %d Hz", most, channels, rate)
	}
}
