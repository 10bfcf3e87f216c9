package probe

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// description is ffprobe's JSON, as far as it is asked for.
type description struct {
	Format struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
		Tags     struct {
			Timecode string `json:"timecode"`
			Brand    string `json:"major_brand"`
		} `json:"tags"`
	} `json:"format"`
	Streams  []streamDescription `json:"streams"`
	Programs []struct {
		Streams []struct {
			Index int `json:"index"`
		} `json:"streams"`
	} `json:"programs"`
	Packets []struct {
		SideData []struct {
			Type string `json:"side_data_type"`
		} `json:"side_data_list"`
	} `json:"packets"`
}

type streamDescription struct {
	Index         int    `json:"index"`
	ID            string `json:"id"`
	Codec         string `json:"codec_name"`
	Type          string `json:"codec_type"`
	Tag           string `json:"codec_tag_string"`
	Profile       string `json:"profile"`
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	PixelFormat   string `json:"pix_fmt"`
	SampleAspect  string `json:"sample_aspect_ratio"`
	Rate          string `json:"r_frame_rate"`
	AverageRate   string `json:"avg_frame_rate"`
	TimeBase      string `json:"time_base"`
	FieldOrder    string `json:"field_order"`
	Bitrate       string `json:"bit_rate"`
	Duration      string `json:"duration"`
	Level         int    `json:"level"` // negative when unknown
	HeldBack      int    `json:"has_b_frames"`
	BitsPerSample string `json:"bits_per_raw_sample"`
	BitsOfPCM     int    `json:"bits_per_sample"` // of PCM alone; 0 otherwise
	SampleRate    string `json:"sample_rate"`
	Channels      int    `json:"channels"`
	Layout        string `json:"channel_layout"`
	StartPTS      int64  `json:"start_pts"`
	Frames        string `json:"nb_frames"`
	Range         string `json:"color_range"`
	Matrix        string `json:"color_space"`
	Transfer      string `json:"color_transfer"`
	Primaries     string `json:"color_primaries"`
	Disposition   struct {
		AttachedPic int `json:"attached_pic"`
		Default     int `json:"default"`

		CleanEffects    int `json:"clean_effects"`
		HearingImpaired int `json:"hearing_impaired"`
		VisualImpaired  int `json:"visual_impaired"`
	} `json:"disposition"`
	Tags struct {
		Language string `json:"language"`
		Timecode string `json:"timecode"`
		Duration string `json:"DURATION"` // of Matroska: 00:00:08.040000000
	} `json:"tags"`
	SideData []struct {
		Rotation           *float64 `json:"rotation"`
		Matrix             string   `json:"displaymatrix"`
		DolbyProfile       int      `json:"dv_profile"`
		DolbyCompatibility *int     `json:"dv_bl_signal_compatibility_id"`
	} `json:"side_data_list"`
}

func parseDescription(data []byte, limits limit.Limits) (media.Source, error) {
	var d description
	if err := json.Unmarshal(data, &d); err != nil {
		return media.Source{}, fault.New(fault.Internal, "1999", "read ffprobe's description: %w", err)
	}
	if len(d.Streams) > int(limits.Streams) {
		return media.Source{}, limit.Exceeded(limit.Streams, codeUnsupported, "the input has %d streams, more than the %d that are allowed", len(d.Streams), limits.Streams)
	}
	for _, p := range d.Packets {
		for _, s := range p.SideData {
			if s.Type == "Encryption info" {
				return media.Source{}, fault.New(fault.Invalid, codeEncrypted, "the input is encrypted")
			}
		}
	}
	source := media.Source{Format: d.Format.Name, Brand: d.Format.Tags.Brand, Duration: seconds(d.Format.Duration), Timecode: d.Format.Tags.Timecode}
	if len(d.Programs) > 1 {
		for _, p := range d.Programs {
			var streams []int
			for _, s := range p.Streams {
				streams = append(streams, s.Index)
			}
			source.Programs = append(source.Programs, streams)
		}
	}
	var unsupported []string
	for _, s := range d.Streams {
		if source.Timecode == "" {
			source.Timecode = s.Tags.Timecode
		}
		known := s.Codec != "" && s.Codec != "none" && s.Codec != "unknown"
		switch {
		case s.Type == "video" && s.Disposition.AttachedPic == 0 && !known:
			unsupported = append(unsupported, "video "+tag(s.Tag))
		case s.Type == "audio" && !known:
			unsupported = append(unsupported, "audio "+tag(s.Tag))
		case s.Tag == "encv" || s.Tag == "enca":
			return media.Source{}, fault.New(fault.Invalid, codeEncrypted, "the input is encrypted")
		case s.Type == "video" && s.Disposition.AttachedPic == 0 && s.Width > 0 && s.Height > 0:
			if err := checkPicture(s.Width, s.Height, limits); err != nil {
				return media.Source{}, err
			}
			source.Video = append(source.Video, s.video(d.Format.Name))
			continue
		case s.Type == "audio" && s.Channels > 0 && number(s.SampleRate) > 0:
			source.Audio = append(source.Audio, s.audio(d.Format.Name))
			continue
		}
		source.Other = append(source.Other, media.OtherStream{Index: s.Index, PID: s.pid(d.Format.Name), Kind: s.Type, Codec: s.Codec, Language: language(s.Tags.Language), Duration: seconds(s.Duration)})
	}
	if len(source.Video) == 0 {
		for _, what := range unsupported {
			if strings.HasPrefix(what, "video") {
				return media.Source{}, fault.New(fault.Invalid, codeUnsupported, "the input's %s is of an unsupported codec", what)
			}
		}
	}
	if len(source.Video) == 0 && len(source.Audio) == 0 {
		if len(unsupported) > 0 {
			return media.Source{}, fault.New(fault.Invalid, codeUnsupported, "the input's %s is of an unsupported codec", unsupported[0])
		}
		return media.Source{}, fault.New(fault.Invalid, codeUnsupported, "the input has no video and no audio")
	}
	return source, nil
}

// checkPicture refuses a picture that is too large.
func checkPicture(width, height int, limits limit.Limits) error {
	if pixels := int64(width) * int64(height); pixels > int64(limits.Pixels) {
		return limit.Exceeded(limit.Pixels, codeUnsupported, "the picture of %dx%d has %d pixels, more than the %d that are allowed", width, height, pixels, limits.Pixels)
	}
	if side := int64(max(width, height)); side > int64(limits.Side) {
		return limit.Exceeded(limit.Side, codeUnsupported, "the picture of %dx%d has a side longer than the %d pixels that are allowed", width, height, limits.Side)
	}
	return nil
}

func (s *streamDescription) video(format string) media.VideoStream {
	v := media.VideoStream{
		Index:        s.Index,
		PID:          s.pid(format),
		Codec:        s.Codec,
		FourCC:       fourCC(s.Tag),
		Profile:      s.Profile,
		Level:        max(0, s.Level),
		Duration:     s.duration(),
		Default:      s.Disposition.Default != 0,
		HeldBack:     max(0, s.HeldBack),
		Width:        s.Width,
		Height:       s.Height,
		PixelFormat:  specified(s.PixelFormat),
		BitDepth:     s.bitDepth(),
		SampleAspect: known(s.SampleAspect),
		FrameRate:    known(s.Rate),
		AverageRate:  known(s.AverageRate),
		TimeBase:     known(s.TimeBase),
		BitrateBPS:   number(s.Bitrate),
		Color: media.Color{
			Range:     specified(s.Range),
			Matrix:    specified(s.Matrix),
			Primaries: specified(s.Primaries),
			Transfer:  specified(s.Transfer),
		},
	}
	switch s.FieldOrder {
	case "tt", "bb", "tb", "bt":
		v.Interlaced = s.FieldOrder
	}
	for _, side := range s.SideData {
		// ffprobe tells how far the display matrix turns the picture counterclockwise;
		// a degenerate matrix gives a number far outside of a turn.
		if r := side.Rotation; r != nil && math.Abs(*r) <= 360 {
			v.Rotation = quarter(-*r)
		}
		// 0: the base layer is for Dolby Vision displays alone (profile 5).
		v.DolbyOnly = v.DolbyOnly || side.DolbyCompatibility != nil && *side.DolbyCompatibility == 0 && side.DolbyProfile > 0
		if a, b, ok := mirroring(side.Matrix); ok {
			v.Mirrored, v.Rotation = true, quarter(math.Atan2(-b, -a)*180/math.Pi)
		}
	}
	return v
}

// quarter rounds an angle in degrees to the nearest of 0, 90, 180 and 270.
func quarter(degrees float64) int { return (int(math.Round(degrees/90))*90%360 + 360) % 360 }

// mirroring returns where a display matrix (ISO/IEC 14496-12, 8.3.2) puts what is
// to the right, if it mirrors the picture. ffprobe writes it as three lines such as
// "00000000:            0       65536           0".
func mirroring(matrix string) (a, b float64, ok bool) {
	var rows [][]float64
	for line := range strings.Lines(matrix) {
		_, numbers, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		var row []float64
		for _, text := range strings.Fields(numbers) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, 0, false
			}
			row = append(row, float64(n))
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 || len(rows[0]) < 2 || len(rows[1]) < 2 {
		return 0, 0, false
	}
	a, b = rows[0][0], rows[0][1]
	return a, b, a*rows[1][1]-b*rows[1][0] < 0
}

func (s *streamDescription) audio(format string) media.AudioStream {
	return media.AudioStream{
		Index:      s.Index,
		PID:        s.pid(format),
		Codec:      s.Codec,
		SampleRate: int(number(s.SampleRate)),
		Channels:   s.Channels,
		Layout:     specified(s.Layout),
		Language:   language(s.Tags.Language),
		TimeBase:   known(s.TimeBase),
		StartPTS:   s.StartPTS,
		Frames:     number(s.Frames),
		Type:       s.audioType(),
		BitrateBPS: number(s.Bitrate),
		BitDepth:   min(64, max(0, s.BitsOfPCM, int(number(s.BitsPerSample)))),
		Duration:   seconds(s.Duration),
		Default:    s.Disposition.Default != 0,
	}
}

// audioType returns the audio_type of ISO/IEC 13818-1, table 2-60.
func (s *streamDescription) audioType() int {
	switch d := s.Disposition; {
	case d.CleanEffects != 0:
		return 1
	case d.HearingImpaired != 0:
		return 2
	case d.VisualImpaired != 0:
		return 3
	}
	return 0
}

// pid returns the packet identifier. In other containers the id is a track number.
func (s *streamDescription) pid(format string) int {
	if format != "mpegts" {
		return 0
	}
	id, err := strconv.ParseUint(s.ID, 0, 13)
	if err != nil {
		return 0
	}
	return int(id)
}

// bitDepth returns the bits of a sample: what the stream says, or what the name
// of its pixel format does, such as yuv420p10le.
func (s *streamDescription) bitDepth() int {
	if n := number(s.BitsPerSample); n >= 8 && n <= 16 {
		return int(n)
	}
	name := strings.TrimSuffix(strings.TrimSuffix(s.PixelFormat, "le"), "be")
	for _, depth := range []int{9, 10, 12, 14, 16} {
		if strings.HasSuffix(name, "p"+strconv.Itoa(depth)) || name == "p0"+strconv.Itoa(depth) {
			return depth
		}
	}
	if specified(s.PixelFormat) == "" {
		return 0
	}
	return 8
}

// duration is what the stream says of its length. In Matroska a tag does, with the
// time of its start in it.
func (s *streamDescription) duration() time.Duration {
	if d := seconds(s.Duration); d > 0 {
		return d
	}
	part := strings.Split(s.Tags.Duration, ":")
	if len(part) != 3 {
		return 0
	}
	d, err := time.ParseDuration(part[0] + "h" + part[1] + "m" + part[2] + "s")
	if err != nil {
		return 0
	}
	return max(d, 0)
}

// seconds reads a duration such as "10.312000"; anything else is 0, unknown.
func seconds(s string) time.Duration {
	d, err := time.ParseDuration(s + "s")
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// known reads a positive fraction; anything else is unknown.
func known(s string) media.Rational {
	if r := media.ParseRational(s); r.Known() {
		return r
	}
	return media.Rational{}
}

// number reads a non-negative integer; anything else is 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func specified(s string) string {
	if s == "unknown" || s == "none" || s == "unspecified" || s == "reserved" {
		return ""
	}
	return s
}

// fourCC returns a four-character code that can be shown, else "".
func fourCC(s string) string {
	if len(s) != 4 {
		return "" // ffprobe writes a byte that cannot be shown as [27]
	}
	return s
}

func tag(s string) string {
	if c := fourCC(s); c != "" {
		return strconv.Quote(c)
	}
	return "stream"
}

// language returns a language tag as the file has it if it looks like one.
func language(s string) string {
	if len(s) < 2 || len(s) > 16 {
		return ""
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return ""
		}
	}
	return s
}
