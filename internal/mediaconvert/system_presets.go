package mediaconvert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
)

// systemPreset begins the names of the service's own presets.
const systemPreset = "System-"

// systemPresets are the service's presets that are here: its family of HLS rungs,
// which its Video on Demand solution's templates name. They have what their names
// say (container, codecs, size, rate); what the service sets beside that is not
// public. The others are refused by name.
func systemPresets() []job.Preset {
	var out []job.Preset
	for _, r := range []struct {
		width, height, kbps int32
		profile             mc.H264CodecProfile
	}{
		{1280, 720, 3500, mc.H264CodecProfileHigh},
		{1280, 720, 5000, mc.H264CodecProfileHigh},
		{1280, 720, 6500, mc.H264CodecProfileHigh},
		{1920, 1080, 8500, mc.H264CodecProfileHigh},
		{480, 270, 400, mc.H264CodecProfileMain},
		{640, 360, 600, mc.H264CodecProfileMain},
		{640, 360, 1200, mc.H264CodecProfileMain},
		{960, 540, 3500, mc.H264CodecProfileMain},
	} {
		rate := fmt.Sprintf("%d.%d", r.kbps/1000, r.kbps%1000/100)
		audio := int32(96_000)
		if r.kbps < 1000 {
			audio = 64_000
		}
		settings, err := json.Marshal(mc.PresetSettings{
			ContainerSettings: &mc.ContainerSettings{Container: mc.ContainerTypeM3u8, M3u8Settings: &mc.M3u8Settings{}},
			VideoDescription: &mc.VideoDescription{
				Width: &r.width, Height: &r.height,
				CodecSettings: &mc.VideoCodecSettings{Codec: mc.VideoCodecH_264, H264Settings: &mc.H264Settings{
					RateControlMode: mc.H264RateControlModeVbr, Bitrate: new(r.kbps * 1000), MaxBitrate: new(r.kbps * 1000), HrdBufferSize: new(r.kbps * 2000),
					CodecProfile: r.profile, GopSize: new(float64(90)), GopSizeUnits: mc.H264GopSizeUnitsFrames, QualityTuningLevel: mc.H264QualityTuningLevelSingle_Pass_Hq,
					FramerateControl: mc.H264FramerateControlInitialize_From_Source, ParControl: mc.H264ParControlSpecified, ParNumerator: new(int32(1)), ParDenominator: new(int32(1)),
				}},
			},
			AudioDescriptions: []*mc.AudioDescription{{
				AudioSourceName: new("Audio Selector 1"),
				CodecSettings: &mc.AudioCodecSettings{Codec: mc.AudioCodecAac, AacSettings: &mc.AacSettings{
					Bitrate: &audio, SampleRate: new(int32(48_000)), CodingMode: mc.AacCodingModeCoding_Mode_2_0, CodecProfile: mc.AacCodecProfileLc, RateControlMode: mc.AacRateControlModeCbr,
				}},
			}},
		})
		if err != nil {
			panic(err) // numbers and words of this file
		}
		at := time.Date(2017, 8, 29, 0, 0, 0, 0, time.UTC) // of the API
		out = append(out, job.Preset{
			Name:        fmt.Sprintf("%sOtt_Hls_Ts_Avc_Aac_16x9_%dx%dp_%sMbps", systemPreset, r.width, r.height, rate),
			Description: fmt.Sprintf("HLS, MPEG-TS, H.264 of %dx%d and %s Mb/s, AAC", r.width, r.height, rate), Category: "OTT-HLS",
			Settings: settings, Created: at, Updated: at,
		})
	}
	slices.SortFunc(out, func(a, b job.Preset) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// systemPresetOf returns a preset of the service by its name.
func systemPresetOf(name string) (job.Preset, bool) {
	for _, p := range systemPresets() {
		if p.Name == name {
			return p, true
		}
	}
	return job.Preset{}, false
}
