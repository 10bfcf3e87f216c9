package mediaconvert

import (
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// rung is a step of the ladder.
type rung struct {
	width, height, maxBitrate int32
	modifier                  string
	profile                   mc.H264CodecProfile
}

// DefaultLadder returns the settings that jobs have who name none: one HLS
// group with 640×360, 960×540 and 1280×720 at QVBR level 7 and the usual caps,
// segments of 2 seconds that begin with a keyframe, one stereo AAC encode for all.
// Input and destination are the job's to add.
func DefaultLadder() *mc.JobTemplateSettings {
	var outputs []*mc.Output
	for _, r := range []rung{
		{640, 360, 1_000_000, "_360", mc.H264CodecProfileMain},
		{960, 540, 2_000_000, "_540", mc.H264CodecProfileMain},
		{1280, 720, 3_000_000, "_720", mc.H264CodecProfileHigh},
	} {
		outputs = append(outputs, r.output())
	}
	return &mc.JobTemplateSettings{
		Inputs: []*mc.InputTemplate{{
			AudioSelectors: map[string]*mc.AudioSelector{"Audio Selector 1": {DefaultSelection: mc.AudioDefaultSelectionDefault}},
			VideoSelector:  &mc.VideoSelector{Rotate: mc.InputRotateAuto},
		}},
		OutputGroups: []*mc.OutputGroup{{
			Name:       new("Apple HLS"),
			CustomName: new("hls"),
			OutputGroupSettings: &mc.OutputGroupSettings{
				Type: mc.OutputGroupTypeHls_Group_Settings,
				HlsGroupSettings: &mc.HlsGroupSettings{
					SegmentLength:          new(int32(2)),
					MinSegmentLength:       new(int32(0)),
					SegmentControl:         mc.HlsSegmentControlSegmented_Files,
					DirectoryStructure:     mc.HlsDirectoryStructureSingle_Directory,
					ManifestDurationFormat: mc.HlsManifestDurationFormatFloating_Point,
					StreamInfResolution:    mc.HlsStreamInfResolutionInclude,
					CodecSpecification:     mc.HlsCodecSpecificationRfc_6381,
				},
			},
			Outputs: outputs,
		}},
	}
}

func (r rung) output() *mc.Output {
	return &mc.Output{
		NameModifier:      &r.modifier,
		ContainerSettings: &mc.ContainerSettings{Container: mc.ContainerTypeM3u8, M3u8Settings: &mc.M3u8Settings{}},
		VideoDescription: &mc.VideoDescription{
			Width: &r.width, Height: &r.height,
			CodecSettings: &mc.VideoCodecSettings{
				Codec: mc.VideoCodecH_264,
				H264Settings: &mc.H264Settings{
					RateControlMode:    mc.H264RateControlModeQvbr,
					QvbrSettings:       &mc.H264QvbrSettings{QvbrQualityLevel: new(int32(7))},
					MaxBitrate:         &r.maxBitrate,
					CodecProfile:       r.profile,
					QualityTuningLevel: mc.H264QualityTuningLevelSingle_Pass,
					GopSize:            new(float64(2)),
					GopSizeUnits:       mc.H264GopSizeUnitsSeconds,
					SceneChangeDetect:  mc.H264SceneChangeDetectEnabled,
					FramerateControl:   mc.H264FramerateControlInitialize_From_Source,
				},
			},
		},
		AudioDescriptions: []*mc.AudioDescription{{
			CodecSettings: &mc.AudioCodecSettings{
				Codec: mc.AudioCodecAac,
				AacSettings: &mc.AacSettings{
					Bitrate: new(int32(128_000)), SampleRate: new(int32(48_000)), CodingMode: mc.AacCodingModeCoding_Mode_2_0,
					CodecProfile: mc.AacCodecProfileLc, RateControlMode: mc.AacRateControlModeCbr,
				},
			},
		}},
	}
}
