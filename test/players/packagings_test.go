package players

import (
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// packaging is one way to package a stream, and what whoever plays it has to find.
type packaging struct {
	name   string
	source source
	groups string // OutputGroups of the job; @ stands for the packaging's own folder, EDGE for the distribution
	open   string // what players open, below that folder: .m3u8, .mpd or .mp4
	start  int    // frame that is shown first, when not the source's first

	heights []int   // of the variants, in any order
	voices  []voice // what a viewer can choose to hear; one is no choice; none is silence
	texts   []string
	only    []string // players that play it; nil: all that play its kind
}

// voice is an audio rendition: its NAME, its language as players shorten it, and
// the tone that is heard.
type voice struct {
	name, language string
	tone           float64
}

// source is the clip that a packaging is made of: a counter burnt into 320×180
// pictures, and a steady tone on each audio track.
type source struct {
	name    string
	rate    media.Rational // frames a second
	seconds int
	tracks  []track
}

type track struct {
	tone     float64 // Hz
	language string
	rate     int // Hz
	layout   string
}

func (s source) frames() int64 {
	return (int64(s.seconds)*s.rate.Num + s.rate.Den - 1) / s.rate.Den
}

var (
	plain  = source{name: "plain", rate: media.R(25, 1), seconds: 12, tracks: []track{{440, "eng", 48000, "stereo"}}}
	silent = source{name: "silent", rate: media.R(25, 1), seconds: 12}
	mono44 = source{name: "mono44", rate: media.R(25, 1), seconds: 12, tracks: []track{{440, "eng", 44100, "mono"}}}
	ntsc   = source{name: "ntsc", rate: media.R(30000, 1001), seconds: 12, tracks: []track{{440, "eng", 48000, "stereo"}}}
	slow   = source{name: "slow", rate: media.R(8, 1), seconds: 12, tracks: []track{{440, "eng", 48000, "stereo"}}}
	slides = source{name: "slides", rate: media.R(1, 1), seconds: 20, tracks: []track{{440, "eng", 48000, "stereo"}}}
	two    = source{name: "two", rate: media.R(25, 1), seconds: 12, tracks: []track{{440, "eng", 48000, "stereo"}, {880, "deu", 44100, "mono"}}}
	fast   = source{name: "fast", rate: media.R(50, 1), seconds: 12, tracks: []track{{440, "eng", 48000, "stereo"}}}
)

// packagings is the table. Heights are those of the two rungs unless said otherwise.
func packagings() []packaging {
	return []packaging{
		{
			name: "hls-exact", source: plain, open: "v.m3u8", heights: []int{180, 108, 72}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4,"SegmentLengthControl":"EXACT"`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2)), rung(128, 72, "", aac(48000, 2))),
		},
		{
			name: "hls-gop-multiple", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":5,"SegmentLengthControl":"GOP_MULTIPLE"`, rung(320, 180, `"GopSize":48,"GopSizeUnits":"FRAMES",`, aac(48000, 2)), rung(192, 108, `"GopSize":48,"GopSizeUnits":"FRAMES",`, aac(48000, 2))),
		},
		{
			name: "hls-integer-durations", source: ntsc, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":3,"ManifestDurationFormat":"INTEGER"`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-silent-source", source: silent, open: "v.m3u8", heights: []int{180, 108},
			groups: hls(`"SegmentLength":4`, rung(320, 180, "", ""), rung(192, 108, "", "")),
		},
		{
			name: "hls-44.1-mono", source: mono44, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4`, rung(320, 180, "", aac(44100, 1)), rung(192, 108, "", aac(44100, 1))),
		},
		{
			name: "hls-1-second", source: fast, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":1`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-10-seconds", source: ntsc, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":10`, rung(320, 180, `"NumberBFramesBetweenReferenceFrames":3,`, aac(48000, 2)), rung(192, 108, `"NumberBFramesBetweenReferenceFrames":0,`, aac(48000, 2))),
		},
		{
			name: "hls-8-a-second", source: slow, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4`, rung(320, 180, `"NumberBFramesBetweenReferenceFrames":4,`, aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-1-a-second", source: slides, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":5`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-match", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":2,"SegmentLengthControl":"MATCH"`, rung(320, 180, fixedRate, aac(48000, 2)), rung(192, 108, fixedRate, aac(48000, 2))),
		},
		{
			name: "hls-single-file", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":3,"SegmentControl":"SINGLE_FILE"`,
				with(rung(320, 180, "", aac(48000, 2)), `"IFrameOnlyManifest":"INCLUDE"`), with(rung(192, 108, "", aac(48000, 2)), `"IFrameOnlyManifest":"INCLUDE"`)),
		},
		{
			name: "hls-i-frames", source: ntsc, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4`, with(rung(320, 180, `"GopSize":1,"GopSizeUnits":"SECONDS",`, aac(48000, 2)), `"IFrameOnlyManifest":"INCLUDE"`), rung(192, 108, `"GopSize":1,"GopSizeUnits":"SECONDS",`, aac(48000, 2))),
		},
		{
			name: "hls-i-frames-as-ts", source: silent, open: "v.m3u8", heights: []int{180, 108},
			groups: hls(`"SegmentLength":4`, with(rung(320, 180, "", ""), `"IFrameOnlyManifest":"INCLUDE_AS_TS"`), rung(192, 108, "", "")),
		},
		{
			name: "hls-dates-and-folders", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":2,"ProgramDateTime":"INCLUDE","ProgramDateTimePeriod":4,"DirectoryStructure":"SUBDIRECTORY_PER_STREAM","SegmentsPerSubdirectory":2`,
				rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-gzip", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4,"ManifestCompression":"GZIP"`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-additional-playlist", source: plain, open: "v-small.m3u8", heights: []int{108, 72}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4,"AdditionalManifests":[{"ManifestNameModifier":"-small","SelectedOutputs":["_72","_108"]}]`,
				rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2)), rung(128, 72, "", aac(48000, 2))),
		},
		{
			name: "hls-encrypted", source: plain, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4,"Encryption":{"Type":"STATIC_KEY","EncryptionMethod":"AES128","InitializationVectorInManifest":"EXCLUDE","StaticKeyProvider":{"StaticKeyValue":"`+key+`","Url":"EDGE/keys/one.key"}}`,
				rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2))),
		},
		{
			name: "hls-encrypted-iv", source: silent, open: "v.m3u8", heights: []int{180, 108},
			groups: hls(`"SegmentLength":4,"Encryption":{"Type":"STATIC_KEY","EncryptionMethod":"AES128","InitializationVectorInManifest":"INCLUDE","ConstantInitializationVector":"0f0e0d0c0b0a09080706050403020100","StaticKeyProvider":{"StaticKeyValue":"`+key+`","Url":"EDGE/keys/one.key"}}`,
				rung(320, 180, "", ""), rung(192, 108, "", "")),
		},
		{
			name: "hls-renditions", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: bothVoices,
			groups: hls(`"SegmentLength":3`, rung(320, 180, "", ""), rung(192, 108, "", ""), english(`"AudioOnlyContainer":"AUTOMATIC"`), german(`"AudioOnlyContainer":"AUTOMATIC"`)),
		},
		{
			name: "hls-renditions-ts", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: bothVoices,
			groups: hls(`"SegmentLength":4`, english(`"AudioOnlyContainer":"M2TS","AudioGroupId":"voices"`), german(`"AudioOnlyContainer":"M2TS","AudioGroupId":"voices"`),
				with(rung(320, 180, "", ""), `"AudioRenditionSets":"voices"`), with(rung(192, 108, "", ""), `"AudioRenditionSets":"voices"`)),
		},
		{
			name: "hls-renditions-single-file", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: bothVoices,
			groups: hls(`"SegmentLength":4,"SegmentControl":"SINGLE_FILE","ProgramDateTime":"INCLUDE","ManifestDurationFormat":"INTEGER"`,
				rung(320, 180, "", ""), rung(192, 108, "", ""), english(`"AudioOnlyContainer":"M2TS"`), german(`"AudioOnlyContainer":"M2TS"`)),
		},
		{
			name: "hls-renditions-encrypted", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: bothVoices,
			groups: hls(`"SegmentLength":4,"ManifestCompression":"GZIP","Encryption":{"Type":"STATIC_KEY","EncryptionMethod":"AES128","InitializationVectorInManifest":"INCLUDE","StaticKeyProvider":{"StaticKeyValue":"`+key+`","Url":"EDGE/keys/one.key"}}`,
				rung(320, 180, "", ""), rung(192, 108, "", ""), english(`"AudioOnlyContainer":"AUTOMATIC"`), german(`"AudioOnlyContainer":"AUTOMATIC"`)),
		},
		{
			name: "hls-audio-only-variant", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", aac(48000, 2)),
				sound("_a", 1, "", `"AudioGroupId":"low","AudioTrackType":"AUDIO_ONLY_VARIANT_STREAM"`)),
		},
		{
			name: "hls-sound-alone", source: two, open: "v.m3u8", voices: []voice{{tone: 880}},
			groups: hls(`"SegmentLength":4`, sound("_a", 2, "", `"AudioOnlyContainer":"AUTOMATIC"`)),
		},
		{
			name: "hls-sound-alone-ts", source: two, open: "v.m3u8", voices: []voice{{tone: 440}},
			groups: hls(`"SegmentLength":4`, sound("_a", 1, "", `"AudioOnlyContainer":"M2TS"`)),
		},
		{
			name: "cmaf-hls", source: two, open: "v.m3u8", heights: []int{180, 108}, voices: bothVoices,
			groups: fragments("CMAF", `"SegmentLength":4,"FragmentLength":1`, rung(320, 180, `"NumberBFramesBetweenReferenceFrames":3,`, ""), rung(192, 108, "", ""), english(`"AudioGroupId":"voices"`), german(`"AudioGroupId":"voices"`)),
		},
		{
			name: "cmaf-dash", source: two, open: "v.mpd", heights: []int{180, 108}, voices: bothVoices,
			groups: fragments("CMAF", `"SegmentLength":3,"WriteSegmentTimelineInRepresentation":"ENABLED"`, rung(320, 180, "", ""), rung(192, 108, "", ""), english(`"AudioGroupId":"voices"`), german(`"AudioGroupId":"voices"`)),
		},
		{
			name: "cmaf-hls-single-file", source: ntsc, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: fragments("CMAF", `"SegmentLength":4,"SegmentControl":"SINGLE_FILE"`, rung(320, 180, "", ""), rung(192, 108, "", ""), sound("_a", 1, "", `"AudioGroupId":"voices"`)),
		},
		{
			name: "cmaf-hls-signed-i-frames", source: fast, open: "v.m3u8", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: fragments("CMAF", `"SegmentLength":2,"VideoCompositionOffsets":"SIGNED","ManifestCompression":"GZIP"`,
				with(rung(320, 180, `"GopSize":1,"GopSizeUnits":"SECONDS",`, ""), `"IFrameOnlyManifest":"INCLUDE"`), rung(192, 108, `"GopSize":1,"GopSizeUnits":"SECONDS",`, ""), sound("_a", 1, "", `"AudioGroupId":"voices"`)),
		},
		{
			name: "cmaf-hls-muxed-output", source: mono44, open: "v.m3u8", heights: []int{180}, voices: []voice{{tone: 440}},
			groups: fragments("CMAF", `"SegmentLength":4`, rung(320, 180, "", aac(44100, 1))),
		},
		{
			name: "dash", source: ntsc, open: "v.mpd", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: fragments("DASH_ISO", `"SegmentLength":4,"FragmentLength":2`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", "")),
		},
		{
			name: "dash-durations", source: plain, open: "v.mpd", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: fragments("DASH_ISO", `"SegmentLength":5,"FragmentLength":1`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", "")),
		},
		{
			name: "dash-times", source: two, open: "v.mpd", heights: []int{180, 108}, voices: bothVoices,
			groups: strings.ReplaceAll(fragments("DASH_ISO", `"SegmentLength":3`, rung(320, 180, "", ""), rung(192, 108, "", ""), english(""), german("")), `"NameModifier":"`, `"NameModifier":"_$Time$`),
		},
		{
			name: "dash-on-demand", source: ntsc, open: "v.mpd", heights: []int{180, 108}, voices: []voice{{tone: 440}},
			groups: fragments("DASH_ISO", `"SegmentLength":2,"SegmentControl":"SINGLE_FILE","MpdProfile":"ON_DEMAND_PROFILE"`, rung(320, 180, "", aac(48000, 2)), rung(192, 108, "", "")),
		},
		{
			name: "dash-signed", source: silent, open: "v.mpd", heights: []int{180, 108},
			groups: fragments("DASH_ISO", `"SegmentLength":4,"VideoCompositionOffsets":"SIGNED"`, rung(320, 180, "", ""), rung(192, 108, "", "")),
		},
		{
			name: "mp4", source: ntsc, open: "v.mp4", heights: []int{180}, voices: []voice{{tone: 440}},
			groups: fileGroup(container("MP4", `"Mp4Settings":{"MoovPlacement":"PROGRESSIVE_DOWNLOAD"}`, rung(320, 180, "", aac(48000, 2)))),
		},
		{
			name: "mp4-silent-source", source: silent, open: "v.mp4", heights: []int{180},
			groups: fileGroup(container("MP4", `"Mp4Settings":{}`, rung(320, 180, "", ""))),
		},
	}
}

// hls is an HLS group with the members given in its settings.
func hls(settings string, outputs ...string) string {
	return fmt.Sprintf(`{"OutputGroupSettings":{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"Destination":"s3://vod-streams/@/v","MinSegmentLength":0,%s}},"Outputs":[%s]}`,
		settings, strings.Join(outputs, ","))
}

// fragments is a CMAF or DASH group of outputs that are written as those of an HLS group.
func fragments(kind, settings string, outputs ...string) string {
	member := map[string]string{"CMAF": "CmafGroupSettings", "DASH_ISO": "DashIsoGroupSettings"}[kind]
	for i, o := range outputs {
		own := ""
		if at := strings.Index(o, `,"OutputSettings":{"HlsSettings":{`); at >= 0 {
			rest := o[at+len(`,"OutputSettings":{"HlsSettings":{`):]
			end := strings.Index(rest, "}}")
			own, o = strings.TrimPrefix(rest[:end], ","), o[:at]+rest[end+2:]
		}
		container := `"Container":"MPD"`
		if kind == "CMAF" {
			container = `"Container":"CMFC","CmfcSettings":{` + own + `}`
		}
		outputs[i] = strings.Replace(o, `"Container":"M3U8","M3u8Settings":{}`, container, 1)
	}
	return fmt.Sprintf(`{"OutputGroupSettings":{"Type":"%s_GROUP_SETTINGS","%s":{"Destination":"s3://vod-streams/@/v",%s}},"Outputs":[%s]}`, kind, member, settings, strings.Join(outputs, ","))
}

func fileGroup(outputs ...string) string {
	return fmt.Sprintf(`{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"s3://vod-streams/@/v"}},"Outputs":[%s]}`, strings.Join(outputs, ","))
}

// rung is an output of an HLS group; h264 are members of H264Settings, each with its comma.
func rung(width, height int, h264, audio string) string {
	return fmt.Sprintf(`{"NameModifier":"_%[2]d","ContainerSettings":{"Container":"M3U8","M3u8Settings":{}},
		"VideoDescription":{"Width":%[1]d,"Height":%[2]d,"CodecSettings":{"Codec":"H_264","H264Settings":{%[3]s"RateControlMode":"QVBR","MaxBitrate":%[4]d,"QvbrSettings":{"QvbrQualityLevel":6}}}},
		"AudioDescriptions":[%[5]s]}`, width, height, h264, 4000*height, audio)
}

// with adds members of HlsSettings to a rung.
func with(rung, settings string) string {
	return strings.TrimSuffix(rung, "}") + fmt.Sprintf(`,"OutputSettings":{"HlsSettings":{%s}}}`, settings)
}

// fixedRate are members of H264Settings that name the rate of plain.
const fixedRate = `"FramerateControl":"SPECIFIED","FramerateNumerator":25,"FramerateDenominator":1,`

// key is the key of encrypted packagings, 16 bytes; EDGE/keys/one.key serves it.
const key = "00112233445566778899aabbccddeeff"

// bothVoices are the renditions that english and german make of the source two.
var bothVoices = []voice{{"English", "en", 440}, {"Deutsch", "de", 880}}

func english(settings string) string {
	return sound("_en", 1, "English", settings+`,"AudioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"`)
}

func german(settings string) string {
	return sound("_de", 2, "Deutsch", settings+`,"AudioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT"`)
}

// sound is an output of an HLS group without video: one track of the source, with
// members of HlsSettings.
func sound(modifier string, track int, name, settings string) string {
	if name != "" {
		name = fmt.Sprintf(`"StreamName":%q,`, name)
	}
	return fmt.Sprintf(`{"NameModifier":%q,"ContainerSettings":{"Container":"M3U8","M3u8Settings":{}},"OutputSettings":{"HlsSettings":{%s}},
		"AudioDescriptions":[{%s"AudioSourceName":"Audio Selector %d",%s]}`, modifier, settings, name, track, strings.TrimPrefix(aac(48000, 2), "{"))
}

// container turns a rung into an output of a file group, without a NameModifier.
func container(kind, settings, rung string) string {
	_, rest, _ := strings.Cut(rung, `"VideoDescription"`)
	return fmt.Sprintf(`{"ContainerSettings":{"Container":%q,%s},"VideoDescription"%s`, kind, settings, rest)
}

// aac is an audio description.
func aac(rate, channels int) string {
	return fmt.Sprintf(`{"CodecSettings":{"Codec":"AAC","AacSettings":{"Bitrate":%d,"SampleRate":%d,"CodingMode":"CODING_MODE_%d_0"}}}`, 48000*channels, rate, channels)
}
