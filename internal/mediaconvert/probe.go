package mediaconvert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// maxProbed is how many files one request may ask about.
const maxProbed = 10

func (s *server) probe(ctx context.Context, call *apiserver.Call, in *mc.ProbeRequest) (*mc.ProbeResponse, error) {
	var found Findings
	switch {
	case in.InputFiles == nil:
		found.fault("", "inputFiles is a required property")
	case len(in.InputFiles) == 0:
		found.fault("/inputFiles", "Should have at least 1 items")
	case len(in.InputFiles) > maxProbed:
		found.fault("/inputFiles", "Should have at most %d items", maxProbed)
	}
	policy, err := s.policy(ctx)
	if err != nil {
		return nil, err
	}
	for i, f := range in.InputFiles {
		at := fmt.Sprintf("/inputFiles/%d", i)
		switch {
		case f == nil || f.FileUrl == nil:
			found.fault(at, "fileUrl is a required property")
		case inputProblem(*f.FileUrl) != "":
			found.fault(at+"/fileUrl", "%s", inputProblem(*f.FileUrl))
		case disallowed(policy, *f.FileUrl) != "":
			found.fault(at+"/fileUrl", "%s", disallowed(policy, *f.FileUrl))
		}
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	out := &mc.ProbeResponse{ProbeResults: []*mc.ProbeResult{}}
	for _, f := range in.InputFiles {
		probed, err := s.cfg.Prober.Probe(ctx, call.Identity, *f.FileUrl)
		if err != nil {
			return nil, probeFault(err)
		}
		out.ProbeResults = append(out.ProbeResults, wireProbe(probed))
	}
	return out, nil
}

// probeFault makes the file's faults those of the request: the SDKs would ask
// again for what is unavailable or over a quota, and the file stays what it is.
func probeFault(err error) error {
	f := fault.Of(err)
	switch f.Kind {
	case fault.NotFound, fault.Denied: // by this API's names for them, not by those of the buckets
		out := fault.New(f.Kind, "", "the file cannot be probed: %w", err)
		return out.WithHint("%s", f.Hint)
	case fault.Canceled, fault.Internal:
		return err
	}
	out := fault.New(fault.Invalid, CodeBadRequest, "the file cannot be probed: %w", err)
	if f.Code != "" && f.Code[0] >= '0' && f.Code[0] <= '9' {
		out = fault.New(fault.Invalid, CodeBadRequest, "the file cannot be probed: %w (error %s)", err, f.Code)
	}
	if f.Hint != "" {
		out = out.WithHint("%s", f.Hint)
	}
	return out
}

// wireProbe is a file as the API shows it. Tracks are numbered from 1, in the
// order of the file.
func wireProbe(p Probed) *mc.ProbeResult {
	src := p.Source
	c := &mc.Container{Format: format(p), Duration: seconds(src.Duration), StartTimecode: optional(src.Timecode)}
	type numbered struct {
		index int
		track *mc.Track
	}
	var tracks []numbered
	for _, v := range src.Video {
		tracks = append(tracks, numbered{v.Index, videoTrack(v)})
	}
	for _, a := range src.Audio {
		tracks = append(tracks, numbered{a.Index, audioTrack(a)})
	}
	for _, o := range src.Other {
		tracks = append(tracks, numbered{o.Index, &mc.Track{
			TrackType: mc.TrackTypeData, Codec: codec(o.Codec), Duration: seconds(o.Duration), DataProperties: &mc.DataProperties{LanguageCode: optional(o.Language)},
		}})
	}
	slices.SortStableFunc(tracks, func(a, b numbered) int { return cmp.Compare(a.index, b.index) })
	m := &mc.TrackMapping{VideoTrackIndexes: []int32{}, AudioTrackIndexes: []int32{}, DataTrackIndexes: []int32{}}
	c.Tracks = []*mc.Track{}
	for i, t := range tracks {
		n := int32(i + 1)
		t.track.Index = &n
		if t.track.Duration == nil {
			t.track.Duration = c.Duration
		}
		c.Tracks = append(c.Tracks, t.track)
		switch t.track.TrackType {
		case mc.TrackTypeVideo:
			m.VideoTrackIndexes = append(m.VideoTrackIndexes, n)
		case mc.TrackTypeAudio:
			m.AudioTrackIndexes = append(m.AudioTrackIndexes, n)
		default:
			m.DataTrackIndexes = append(m.DataTrackIndexes, n)
		}
	}
	return &mc.ProbeResult{
		Container:     c,
		TrackMappings: []*mc.TrackMapping{m},
		Metadata: &mc.Metadata{
			ETag: optional(strings.Trim(p.ETag, `"`)), FileSize: &src.Size, MimeType: optional(p.MimeType), LastModified: awsapi.At(p.Modified),
		},
	}
}

func videoTrack(v media.VideoStream) *mc.Track {
	rate := frameRate(v)
	primaries, matrix, transfer := primaries(v.Color.Primaries), matrix(v.Color.Matrix), transfer(v.Color.Transfer)
	return &mc.Track{
		TrackType: mc.TrackTypeVideo, Codec: codec(v.Codec), Duration: seconds(v.Duration),
		VideoProperties: &mc.VideoProperties{
			Width: new(int32(v.Width)), Height: new(int32(v.Height)), BitDepth: positive(v.BitDepth), BitRate: positive64(v.BitrateBPS), FrameRate: rate,
			ColorPrimaries: primaries, MatrixCoefficients: matrix, TransferCharacteristics: transfer,
			CodecMetadata: &mc.CodecMetadata{
				Width: new(int32(v.Width)), Height: new(int32(v.Height)), BitDepth: positive(v.BitDepth), CodedFrameRate: rate,
				Profile: optional(v.Profile), Level: optional(level(v)), ScanType: new(scanType(v)), ChromaSubsampling: optional(chroma(v.PixelFormat)),
				ColorPrimaries: primaries, MatrixCoefficients: matrix, TransferCharacteristics: transfer,
			},
		},
	}
}

func audioTrack(a media.AudioStream) *mc.Track {
	return &mc.Track{
		TrackType: mc.TrackTypeAudio, Codec: codec(a.Codec), Duration: seconds(a.Duration),
		AudioProperties: &mc.AudioProperties{
			Channels: new(int32(a.Channels)), SampleRate: new(int32(a.SampleRate)), BitDepth: positive(a.BitDepth), BitRate: positive64(a.BitrateBPS),
			LanguageCode: optional(a.Language),
		},
	}
}

// format spells a container as the API does; what its list lacks is blank.
func format(p Probed) mc.Format {
	name, _, _ := strings.Cut(p.Source.Format, ",")
	switch name {
	case "mov":
		if strings.TrimSpace(p.Source.Brand) == "qt" || p.Source.Brand == "" { // files before there were brands are QuickTime
			return mc.FormatQuicktime
		}
		return mc.FormatMp4
	case "matroska":
		if p.WebM {
			return mc.FormatWebm
		}
		return mc.FormatMatroska
	case "wav":
		return mc.FormatWave
	case "mxf", "avi", "mpegts":
		return mc.Format(name)
	}
	return ""
}

// codec spells a codec of video, audio or captions as the API does.
func codec(ffmpeg string) mc.Codec {
	known := map[string]mc.Codec{
		"aac": mc.CodecAac, "ac3": mc.CodecAc3, "eac3": mc.CodecEac3, "flac": mc.CodecFlac, "mp3": mc.CodecMp3, "opus": mc.CodecOpus, "vorbis": mc.CodecVorbis,
		"av1": mc.CodecAv1, "h264": mc.CodecAvc, "hevc": mc.CodecHevc, "jpeg2000": mc.CodecJpeg2000, "mjpeg": mc.CodecMjpeg, "mpeg1video": mc.CodecMpeg1,
		"mpeg4": mc.CodecMp4v, "mpeg2video": mc.CodecMpeg2, "prores": mc.CodecProres, "qtrle": mc.CodecQtrle, "theora": mc.CodecTheora,
		"rawvideo": mc.CodecUncompressed, "v210": mc.CodecUncompressed, "v410": mc.CodecUncompressed, "r210": mc.CodecUncompressed,
		"vp8": mc.CodecVp8, "vp9": mc.CodecVp9, "eia_608": mc.CodecC608, "eia_708": mc.CodecC708, "webvtt": mc.CodecWebvtt,
	}
	if strings.HasPrefix(ffmpeg, "pcm_") {
		return mc.CodecPcm
	}
	return cmp.Or(known[ffmpeg], mc.CodecUnknown)
}

// level spells a level as the codec's standard does: 3.1.
func level(v media.VideoStream) string {
	switch {
	case v.Level <= 0:
		return ""
	case v.Codec == "h264" && v.Level == 9:
		return "1b"
	case v.Codec == "h264":
		return tenths(v.Level)
	case v.Codec == "hevc":
		return tenths(v.Level / 3)
	}
	return strconv.Itoa(v.Level)
}

func tenths(n int) string {
	if n%10 == 0 {
		return strconv.Itoa(n / 10)
	}
	return fmt.Sprintf("%d.%d", n/10, n%10)
}

func scanType(v media.VideoStream) string {
	if v.Interlaced != "" {
		return "INTERLACED"
	}
	return "PROGRESSIVE"
}

// chroma is the subsampling of a pixel format: 4:2:0.
func chroma(pixel string) string {
	switch format := colorFormat(pixel); format {
	case "YUV_420", "YUV_422", "YUV_444":
		return format[4:5] + ":" + format[5:6] + ":" + format[6:7]
	case "RGB":
		return "4:4:4"
	}
	if strings.HasPrefix(pixel, "gray") {
		return "4:0:0"
	}
	return ""
}

func primaries(ffmpeg string) mc.ColorPrimaries {
	return cmp.Or(map[string]mc.ColorPrimaries{
		"bt709": mc.ColorPrimariesItu_709, "bt470m": mc.ColorPrimariesItu_470m, "bt470bg": mc.ColorPrimariesItu_470bg, "smpte170m": mc.ColorPrimariesSmpte_170m,
		"smpte240m": mc.ColorPrimariesSmpte_240m, "film": mc.ColorPrimariesGeneric_Film, "bt2020": mc.ColorPrimariesItu_2020, "smpte428": mc.ColorPrimariesSmpte_428_1,
		"smpte431": mc.ColorPrimariesSmpte_431_2, "smpte432": mc.ColorPrimariesSmpte_Eg_432_1, "ebu3213": mc.ColorPrimariesEbu_3213_E,
	}[ffmpeg], mc.ColorPrimariesUnspecified)
}

func matrix(ffmpeg string) mc.MatrixCoefficients {
	return cmp.Or(map[string]mc.MatrixCoefficients{
		"gbr": mc.MatrixCoefficientsRgb, "bt709": mc.MatrixCoefficientsItu_709, "fcc": mc.MatrixCoefficientsFcc, "bt470bg": mc.MatrixCoefficientsItu_470bg,
		"smpte170m": mc.MatrixCoefficientsSmpte_170m, "smpte240m": mc.MatrixCoefficientsSmpte_240m, "ycgco": mc.MatrixCoefficientsYcgco,
		"bt2020nc": mc.MatrixCoefficientsItu_2020_Ncl, "bt2020c": mc.MatrixCoefficientsItu_2020_Cl, "smpte2085": mc.MatrixCoefficientsSmpte_2085,
		"chroma-derived-nc": mc.MatrixCoefficientsCd_Ncl, "chroma-derived-c": mc.MatrixCoefficientsCd_Cl, "ictcp": mc.MatrixCoefficientsItu_2100ictcp,
	}[ffmpeg], mc.MatrixCoefficientsUnspecified)
}

func transfer(ffmpeg string) mc.TransferCharacteristics {
	return cmp.Or(map[string]mc.TransferCharacteristics{
		"bt709": mc.TransferCharacteristicsItu_709, "bt470m": mc.TransferCharacteristicsItu_470m, "bt470bg": mc.TransferCharacteristicsItu_470bg,
		"smpte170m": mc.TransferCharacteristicsSmpte_170m, "smpte240m": mc.TransferCharacteristicsSmpte_240m, "linear": mc.TransferCharacteristicsLinear,
		"log100": mc.TransferCharacteristicsLog10_2, "log316": mc.TransferCharacteristicsLoc10_2_5, "iec61966-2-4": mc.TransferCharacteristicsIec_61966_2_4,
		"bt1361e": mc.TransferCharacteristicsItu_1361, "iec61966-2-1": mc.TransferCharacteristicsIec_61966_2_1, "bt2020-10": mc.TransferCharacteristicsItu_2020_10bit,
		"bt2020-12": mc.TransferCharacteristicsItu_2020_12bit, "smpte2084": mc.TransferCharacteristicsSmpte_2084, "smpte428": mc.TransferCharacteristicsSmpte_428_1,
		"arib-std-b67": mc.TransferCharacteristicsArib_B67,
	}[ffmpeg], mc.TransferCharacteristicsUnspecified)
}

func frameRate(v media.VideoStream) *mc.FrameRate {
	for _, r := range []media.Rational{v.AverageRate, v.FrameRate} {
		if r.Known() && r.Num <= 1<<31-1 && r.Den <= 1<<31-1 {
			return &mc.FrameRate{Numerator: new(int32(r.Num)), Denominator: new(int32(r.Den))}
		}
	}
	return nil
}

// seconds is nil for a duration that is not known.
func seconds(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	return new(d.Seconds())
}

func positive(n int) *int32 {
	if n <= 0 {
		return nil
	}
	return new(int32(n))
}

func positive64(n int64) *int64 {
	if n <= 0 {
		return nil
	}
	return &n
}
