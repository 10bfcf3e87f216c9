package plan

import (
	"encoding/json"

	"vodwright.dev/vodwright/internal/fault"
)

// Settings is the part of a job's Settings document that decides its encodes,
// in the service's own words: every field has the name, the enumeration words,
// the unit and the default that the MediaConvert API model gives it, and a zero
// value means that the job does not say. It is decoded straight from the JSON of
// the wire (ParseSettings), so there is no adapter to keep in step; members that
// no encode depends on (tags, ad markers, caption selectors) are not here.
// Validation of the whole document, with a path for every fault, is the job
// API's; this package answers only for what it is asked to make.
type Settings struct {
	Inputs         []InputSettings `json:"inputs"`
	OutputGroups   []GroupSettings `json:"outputGroups"`
	TimecodeConfig TimecodeConfig  `json:"timecodeConfig"`
	FollowSource   int64           `json:"followSource"` // 1-based: the input whose rate and size outputs take that name none; 0 is 1
}

// ParseSettings reads the Settings of a job from JSON, in the wire's camelCase
// or in the PascalCase of exported jobs. Members it does not know are ignored.
func ParseSettings(document []byte) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(document, &s); err != nil {
		return Settings{}, fault.New(fault.Invalid, CodeSettings, "read job settings: %w", err)
	}
	return s, nil
}

// InputSettings is Input of the API.
type InputSettings struct {
	FileInput             string                          `json:"fileInput"`
	AudioSelectors        map[string]AudioSelector        `json:"audioSelectors"`
	AudioSelectorGroups   map[string]AudioSelectorGroup   `json:"audioSelectorGroups"`
	DynamicAudioSelectors map[string]DynamicAudioSelector `json:"dynamicAudioSelectors"`
	VideoSelector         VideoSelector                   `json:"videoSelector"`
	CaptionSelectors      map[string]CaptionSelector      `json:"captionSelectors"`
	InputClippings        []InputClipping                 `json:"inputClippings"`
	TimecodeSource        string                          `json:"timecodeSource"` // EMBEDDED (default), ZEROBASED, SPECIFIEDSTART: what clippings are counted from
	TimecodeStart         string                          `json:"timecodeStart"`  // HH:MM:SS:FF, with SPECIFIEDSTART
	InputVideo
}

// InputClipping is a part of an input that is shown. Both timecodes are
// HH:MM:SS:FF (HH:MM:SS;FF for drop-frame), the frame of either is in the clip; ""
// is the start or the end of the input.
type InputClipping struct {
	StartTimecode string `json:"startTimecode"`
	EndTimecode   string `json:"endTimecode"`
}

// AudioSelector chooses audio of an input, or of a file of its own: one track or
// several, whose channels are then those of one.
type AudioSelector struct {
	SelectorType            string        `json:"selectorType"` // TRACK (default), PID, LANGUAGE_CODE, ALL_PCM, STREAM
	Tracks                  []int64       `json:"tracks"`       // 1-based among the audio streams
	Pids                    []int64       `json:"pids"`         // of an MPEG transport stream
	Streams                 []int64       `json:"streams"`      // 1-based among all streams
	LanguageCode            string        `json:"languageCode"` // ISO 639-2, capitals
	CustomLanguageCode      string        `json:"customLanguageCode"`
	DefaultSelection        string        `json:"defaultSelection"`        // DEFAULT or NOT_DEFAULT
	Offset                  int64         `json:"offset"`                  // milliseconds that the audio is moved later
	ExternalAudioFileInput  string        `json:"externalAudioFileInput"`  // s3:// or https://; "" is the input itself
	AudioDurationCorrection string        `json:"audioDurationCorrection"` // DISABLED (default), AUTO, TRACK, FRAME, FORCE
	RemixSettings           RemixSettings `json:"remixSettings"`
}

// AudioSelectorGroup is audio selectors whose channels are those of one.
type AudioSelectorGroup struct {
	AudioSelectorNames []string `json:"audioSelectorNames"`
}

// DynamicAudioSelector stands for as many audio selectors as the input has tracks
// of its kind: an audio description that names it becomes as many tracks.
type DynamicAudioSelector struct {
	SelectorType            string `json:"selectorType"` // ALL_TRACKS (default) or LANGUAGE_CODE
	LanguageCode            string `json:"languageCode"`
	Offset                  int64  `json:"offset"`
	ExternalAudioFileInput  string `json:"externalAudioFileInput"`
	AudioDurationCorrection string `json:"audioDurationCorrection"`
}

// RemixSettings makes ChannelsOut channels of ChannelsIn.
type RemixSettings struct {
	ChannelsIn     int64 `json:"channelsIn"` // 0 is not to remix
	ChannelsOut    int64 `json:"channelsOut"`
	ChannelMapping struct {
		OutputChannels []struct {
			InputChannels         []float64 `json:"inputChannels"`         // dB, -60 is nothing
			InputChannelsFineTune []float64 `json:"inputChannelsFineTune"` // dB, to the thousandth
		} `json:"outputChannels"`
	} `json:"channelMapping"`
}

// GroupSettings is OutputGroup of the API.
type GroupSettings struct {
	OutputGroupSettings struct {
		Type              string            `json:"type"` // HLS_, CMAF_, DASH_ISO_ or FILE_GROUP_SETTINGS
		HLSGroupSettings  HLSGroupSettings  `json:"hlsGroupSettings"`
		CMAFGroupSettings CMAFGroupSettings `json:"cmafGroupSettings"`
		DASHGroupSettings DASHGroupSettings `json:"dashIsoGroupSettings"`
		FileGroupSettings FileGroupSettings `json:"fileGroupSettings"`
	} `json:"outputGroupSettings"`
	Outputs []OutputSettings `json:"outputs"`
}

// FileGroupSettings is FileGroupSettings of the API.
type FileGroupSettings struct {
	Destination string `json:"destination"`
}

// OutputSettings is Output of the API, its preset already applied.
type OutputSettings struct {
	NameModifier      string `json:"nameModifier"`
	Extension         string `json:"extension"`
	ContainerSettings struct {
		Container    string       `json:"container"` // M3U8, CMFC, MPD, MP4, M2TS or RAW
		M3u8Settings M3u8Settings `json:"m3u8Settings"`
		M2tsSettings M3u8Settings `json:"m2tsSettings"` // has those of M3u8Settings that act
		MP4Settings  MP4Settings  `json:"mp4Settings"`
		CMFCSettings CMFCSettings `json:"cmfcSettings"`
	} `json:"containerSettings"`
	VideoDescription    *VideoDescription    `json:"videoDescription"`
	AudioDescriptions   []AudioDescription   `json:"audioDescriptions"`
	CaptionDescriptions []CaptionDescription `json:"captionDescriptions"`
	OutputSettings      struct {
		HLSSettings struct {
			SegmentModifier    string `json:"segmentModifier"`
			IFrameOnlyManifest string `json:"iFrameOnlyManifest"` // EXCLUDE (default), INCLUDE, INCLUDE_AS_TS
			RenditionSettings
		} `json:"hlsSettings"`
	} `json:"outputSettings"`
}

// RenditionSettings is what HlsSettings and CmfcSettings say about audio renditions.
type RenditionSettings struct {
	AudioGroupID                string `json:"audioGroupId"`                // of an audio-only output; "" is program_audio
	AudioRenditionSets          string `json:"audioRenditionSets"`          // of an output with video: group ids, separated by commas
	AudioTrackType              string `json:"audioTrackType"`              // ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT, _AUTO_SELECT, _NOT_AUTO_SELECT, AUDIO_ONLY_VARIANT_STREAM
	AudioOnlyContainer          string `json:"audioOnlyContainer"`          // AUTOMATIC (default): packed AAC; M2TS
	DescriptiveVideoServiceFlag string `json:"descriptiveVideoServiceFlag"` // DONT_FLAG (default), FLAG
}

// CMFCSettings is CmfcSettings of the API.
type CMFCSettings struct {
	IFrameOnlyManifest string `json:"iFrameOnlyManifest"` // EXCLUDE (default), INCLUDE
	RenditionSettings
}

// MP4Settings is Mp4Settings of the API.
type MP4Settings struct {
	CslgAtom      string `json:"cslgAtom"`      // INCLUDE (default), EXCLUDE
	FreeSpaceBox  string `json:"freeSpaceBox"`  // EXCLUDE (default), INCLUDE
	MoovPlacement string `json:"moovPlacement"` // PROGRESSIVE_DOWNLOAD (default), NORMAL
	MajorBrand    string `json:"mp4MajorBrand"` // "" is mp42
}

// M3u8Settings is M3u8Settings of the API: how the transport stream is packed.
type M3u8Settings struct {
	PmtPid            int64   `json:"pmtPid"`            // 0 is 480
	VideoPid          int64   `json:"videoPid"`          // 0 is 481
	AudioPids         []int64 `json:"audioPids"`         // none is 482
	ProgramNumber     int64   `json:"programNumber"`     // 0 is 1
	AudioFramesPerPes int64   `json:"audioFramesPerPes"` // 0 is 4
	PtsOffset         *int64  `json:"ptsOffset"`         // nil is 2; read when PtsOffsetMode names its unit
	TransportStreamID *int64  `json:"transportStreamId"` // nil is 1
	PatInterval       *int64  `json:"patInterval"`       // milliseconds; 0 is at the start of segments
	PmtInterval       *int64  `json:"pmtInterval"`       // milliseconds; 0 is at the start of segments
	PtsOffsetMode     string  `json:"ptsOffsetMode"`     // AUTO (default: two seconds), SECONDS, MILLISECONDS
}

// AudioDescription is AudioDescription of the API.
type AudioDescription struct {
	AudioSourceName            string                     `json:"audioSourceName"`
	LanguageCode               string                     `json:"languageCode"`
	CustomLanguageCode         string                     `json:"customLanguageCode"`
	LanguageCodeControl        string                     `json:"languageCodeControl"` // FOLLOW_INPUT (default) or USE_CONFIGURED
	StreamName                 string                     `json:"streamName"`
	AudioType                  int64                      `json:"audioType"`        // of ISO/IEC 13818-1, 2.6.19
	AudioTypeControl           string                     `json:"audioTypeControl"` // FOLLOW_INPUT (default) or USE_CONFIGURED
	RemixSettings              RemixSettings              `json:"remixSettings"`
	AudioNormalizationSettings AudioNormalizationSettings `json:"audioNormalizationSettings"`
	CodecSettings              struct {
		Codec       string      `json:"codec"` // AAC
		AacSettings AacSettings `json:"aacSettings"`
	} `json:"codecSettings"`
}

// AudioNormalizationSettings is AudioNormalizationSettings of the API.
type AudioNormalizationSettings struct {
	Algorithm                string   `json:"algorithm"`        // ITU_BS_1770_1, _2, _3, _4; "" is not to measure
	AlgorithmControl         string   `json:"algorithmControl"` // CORRECT_AUDIO (default) or MEASURE_ONLY
	CorrectionGateLevel      *float64 `json:"correctionGateLevel"`
	LoudnessLogging          string   `json:"loudnessLogging"`          // LOG or DONT_LOG (default)
	PeakCalculation          string   `json:"peakCalculation"`          // TRUE_PEAK or NONE (default)
	TargetLkfs               *float64 `json:"targetLkfs"`               // nil is -24 by 1770-1, else -23
	TruePeakLimiterThreshold *float64 `json:"truePeakLimiterThreshold"` // dBTP, -8 to 0; nil is 0
}

// AacSettings is AacSettings of the API.
type AacSettings struct {
	Bitrate                        int64  `json:"bitrate"`         // bits a second; 0 is by channels
	CodecProfile                   string `json:"codecProfile"`    // LC (default), HEV1, HEV2
	CodingMode                     string `json:"codingMode"`      // CODING_MODE_1_0, _1_1, _2_0 (default), _5_1, _AUTO
	RateControlMode                string `json:"rateControlMode"` // CBR (default) or VBR
	SampleRate                     int64  `json:"sampleRate"`      // Hz; 0 is 48000
	VbrQuality                     string `json:"vbrQuality"`      // LOW, MEDIUM_LOW, MEDIUM_HIGH, HIGH
	Specification                  string `json:"specification"`   // MPEG4 (default) or MPEG2
	AudioDescriptionBroadcasterMix string `json:"audioDescriptionBroadcasterMix"`
}
