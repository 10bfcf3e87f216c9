package plan

// InputVideo is what Input of the API says of its picture.
type InputVideo struct {
	Crop     *Rectangle `json:"crop"`     // of the picture turned upright; nil is the output's
	Position *Rectangle `json:"position"` // in the output; nil is the output's

	FilterEnable   string         `json:"filterEnable"`   // AUTO (default), DISABLE, FORCE: whether the next two act
	DenoiseFilter  string         `json:"denoiseFilter"`  // ENABLED or DISABLED (default)
	DeblockFilter  string         `json:"deblockFilter"`  // as DenoiseFilter
	FilterStrength int64          `json:"filterStrength"` // of both, -5 to 5
	ImageInserter  *ImageInserter `json:"imageInserter"`  // over the picture of the input, upright, before it is cropped and scaled

	InputScanType string `json:"inputScanType"` // AUTO (default) or PSF: frames are progressive whatever they say
}

// VideoSelector says how the video of the source is read.
type VideoSelector struct {
	Pid             int64          `json:"pid"`
	Rotate          string         `json:"rotate"`          // DEGREE_0, DEGREES_90, DEGREES_180, DEGREES_270, AUTO
	ColorSpace      string         `json:"colorSpace"`      // FOLLOW (default), REC_601, REC_709, HDR10, HLG_2020, P3DCI, P3D65_SDR
	ColorSpaceUsage string         `json:"colorSpaceUsage"` // FORCE (default), or FALLBACK: where the source has no description
	SampleRange     string         `json:"sampleRange"`     // FOLLOW (default), FULL_RANGE, LIMITED_RANGE
	AlphaBehavior   string         `json:"alphaBehavior"`   // DISCARD (default) or REMAP_TO_LUMA
	MaxLuminance    int64          `json:"maxLuminance"`    // of the display it was graded on, in 0.0001 nits
	Hdr10Metadata   *Hdr10Metadata `json:"hdr10Metadata"`
}

// Hdr10Metadata is what of Hdr10Metadata of the API says how bright a picture is.
type Hdr10Metadata struct {
	MaxContentLightLevel int64 `json:"maxContentLightLevel"` // nits
	MaxLuminance         int64 `json:"maxLuminance"`         // 0.0001 nits
}

// Rectangle is an area of a picture, in pixels, all even.
type Rectangle struct {
	X      int64 `json:"x"`
	Y      int64 `json:"y"`
	Width  int64 `json:"width"`
	Height int64 `json:"height"`
}

// VideoDescription is VideoDescription of the API.
type VideoDescription struct {
	Width           int64      `json:"width"`
	Height          int64      `json:"height"`
	ScalingBehavior string     `json:"scalingBehavior"` // DEFAULT, STRETCH_TO_OUTPUT, FIT, FIT_NO_UPSCALE, FILL
	ColorMetadata   string     `json:"colorMetadata"`   // INSERT (default) or IGNORE
	Sharpness       *int64     `json:"sharpness"`       // of the scaling kernel, 0 (soft) to 100 (sharp); nil is 50
	Crop            *Rectangle `json:"crop"`            // of the picture turned upright that is shown; nil is all of it
	Position        *Rectangle `json:"position"`        // of the output that it is shown in; nil is by ScalingBehavior

	VideoPreprocessors VideoPreprocessors `json:"videoPreprocessors"`
	DropFrameTimecode  string             `json:"dropFrameTimecode"` // ENABLED (default) or DISABLED, at 29.97 frames a second

	CodecSettings struct {
		Codec                string               `json:"codec"` // H_264 or FRAME_CAPTURE
		H264Settings         H264Settings         `json:"h264Settings"`
		FrameCaptureSettings FrameCaptureSettings `json:"frameCaptureSettings"`
	} `json:"codecSettings"`
}

// H264Settings is H264Settings of the API.
type H264Settings struct {
	RateControlMode string `json:"rateControlMode"` // QVBR, VBR or CBR
	QvbrSettings    struct {
		QvbrQualityLevel         int64   `json:"qvbrQualityLevel"` // 1–10; 0 is AUTO
		QvbrQualityLevelFineTune float64 `json:"qvbrQualityLevelFineTune"`
		MaxAverageBitrate        int64   `json:"maxAverageBitrate"` // bits a second, of the whole output; 0 is not bounded
	} `json:"qvbrSettings"`
	Bitrate                             int64   `json:"bitrate"`                        // bits a second
	MaxBitrate                          int64   `json:"maxBitrate"`                     // bits a second
	HrdBufferSize                       int64   `json:"hrdBufferSize"`                  // bits; 0 is two seconds of the cap
	HrdBufferInitialFillPercentage      *int64  `json:"hrdBufferInitialFillPercentage"` // nil is 90
	QualityTuningLevel                  string  `json:"qualityTuningLevel"`
	CodecProfile                        string  `json:"codecProfile"`
	CodecLevel                          string  `json:"codecLevel"`
	EntropyEncoding                     string  `json:"entropyEncoding"`
	FramerateControl                    string  `json:"framerateControl"`
	FramerateNumerator                  int64   `json:"framerateNumerator"`
	FramerateDenominator                int64   `json:"framerateDenominator"`
	FramerateConversionAlgorithm        string  `json:"framerateConversionAlgorithm"`
	GopSize                             float64 `json:"gopSize"`
	GopSizeUnits                        string  `json:"gopSizeUnits"` // FRAMES, SECONDS, AUTO
	GopBReference                       string  `json:"gopBReference"`
	NumberBFramesBetweenReferenceFrames *int64  `json:"numberBFramesBetweenReferenceFrames"` // nil lets the encoder choose
	NumberReferenceFrames               int64   `json:"numberReferenceFrames"`
	DynamicSubGop                       string  `json:"dynamicSubGop"`
	SceneChangeDetect                   string  `json:"sceneChangeDetect"`
	AdaptiveQuantization                string  `json:"adaptiveQuantization"`
	SpatialAdaptiveQuantization         string  `json:"spatialAdaptiveQuantization"`
	TemporalAdaptiveQuantization        string  `json:"temporalAdaptiveQuantization"`
	Softness                            int64   `json:"softness"` // 0 flat, 1 and 16 the standard's matrices, to 128 softer ones
	Slices                              int64   `json:"slices"`
	InterlaceMode                       string  `json:"interlaceMode"`
	ScanTypeConversionMode              string  `json:"scanTypeConversionMode"` // INTERLACED (default) or INTERLACED_OPTIMIZE
	SlowPal                             string  `json:"slowPal"`
	Telecine                            string  `json:"telecine"`
	ParControl                          string  `json:"parControl"`
	ParNumerator                        int64   `json:"parNumerator"`
	ParDenominator                      int64   `json:"parDenominator"`
}

// FrameCaptureSettings is FrameCaptureSettings of the API: the first frame, then
// one every FramerateDenominator/FramerateNumerator seconds.
type FrameCaptureSettings struct {
	FramerateNumerator   int64 `json:"framerateNumerator"`   // 0 is 1
	FramerateDenominator int64 `json:"framerateDenominator"` // 0 is 1
	MaxCaptures          int64 `json:"maxCaptures"`          // 0 is the API's limit
	Quality              int64 `json:"quality"`              // 1–100; 0 is 80
}

// VideoPreprocessors is VideoPreprocessor of the API: what is done to the picture
// of one output.
type VideoPreprocessors struct {
	ImageInserter  *ImageInserter  `json:"imageInserter"`
	Deinterlacer   *Deinterlacer   `json:"deinterlacer"`
	NoiseReducer   *NoiseReducer   `json:"noiseReducer"`
	ColorCorrector *ColorCorrector `json:"colorCorrector"`
	TimecodeBurnin *TimecodeBurnin `json:"timecodeBurnin"`
}

// TimecodeBurnin is TimecodeBurnin of the API.
type TimecodeBurnin struct {
	FontSize int64  `json:"fontSize"` // pixels, 10 to 48; 0 is 16
	Position string `json:"position"` // TOP_CENTER (default) …
	Prefix   string `json:"prefix"`   // before the timecode
}

// Deinterlacer is Deinterlacer of the API.
type Deinterlacer struct {
	Mode      string `json:"mode"`      // DEINTERLACE (default), INVERSE_TELECINE, ADAPTIVE
	Algorithm string `json:"algorithm"` // INTERPOLATE (default), BLEND, and either with _TICKER
	Control   string `json:"control"`   // NORMAL (default) or FORCE_ALL_FRAMES
}

// NoiseReducer is NoiseReducer of the API.
type NoiseReducer struct {
	Filter         string `json:"filter"` // BILATERAL, MEAN, GAUSSIAN, LANCZOS, SHARPEN, CONSERVE, SPATIAL, TEMPORAL
	FilterSettings struct {
		Strength int64 `json:"strength"` // 0 to 3, of all but the last two
	} `json:"filterSettings"`
	SpatialFilterSettings struct {
		PostFilterSharpenStrength int64 `json:"postFilterSharpenStrength"` // 0 to 3
		Speed                     int64 `json:"speed"`                     // -2 to 3
		Strength                  int64 `json:"strength"`                  // 0 to 16
	} `json:"spatialFilterSettings"`
	TemporalFilterSettings struct {
		AggressiveMode                 int64  `json:"aggressiveMode"`                 // 0 to 4
		PostTemporalSharpening         string `json:"postTemporalSharpening"`         // DISABLED, ENABLED, AUTO (default)
		PostTemporalSharpeningStrength string `json:"postTemporalSharpeningStrength"` // LOW, MEDIUM, HIGH
		Speed                          int64  `json:"speed"`                          // -1 to 3
		Strength                       int64  `json:"strength"`                       // 0 to 16
	} `json:"temporalFilterSettings"`
}

// ColorCorrector is ColorCorrector of the API. Of brightness, contrast and
// saturation 50, and 0, changes nothing.
type ColorCorrector struct {
	Brightness            int64       `json:"brightness"`            // 1 to 100
	Contrast              int64       `json:"contrast"`              // 1 to 100
	Saturation            int64       `json:"saturation"`            // 1 to 100
	Hue                   int64       `json:"hue"`                   // degrees
	ColorSpaceConversion  string      `json:"colorSpaceConversion"`  // NONE (default), FORCE_601, FORCE_709
	HdrToSdrToneMapper    string      `json:"hdrToSdrToneMapper"`    // PRESERVE_DETAILS (default) or VIBRANT
	SampleRangeConversion string      `json:"sampleRangeConversion"` // LIMITED_RANGE_SQUEEZE (default) or LIMITED_RANGE_CLIP
	ClipLimits            *ClipLimits `json:"clipLimits"`
}

// ClipLimits are sample values of 10 bits that LIMITED_RANGE_CLIP clips to.
type ClipLimits struct {
	MinimumYUV *int64 `json:"minimumYUV"` // nil is 64
	MaximumYUV *int64 `json:"maximumYUV"` // nil is 940
}

// ImageInserter is ImageInserter of the API.
type ImageInserter struct {
	InsertableImages []InsertableImage `json:"insertableImages"`
}

// InsertableImage is InsertableImage of the API. Times are milliseconds.
type InsertableImage struct {
	ImageInserterInput string `json:"imageInserterInput"` // of a PNG
	ImageX             int64  `json:"imageX"`             // pixels from the left
	ImageY             int64  `json:"imageY"`             // pixels from above
	Width              int64  `json:"width"`              // pixels; 0 is the image's own
	Height             int64  `json:"height"`
	Layer              int64  `json:"layer"`     // higher ones are laid over lower ones
	Opacity            *int64 `json:"opacity"`   // percent; nil is 50
	StartTime          string `json:"startTime"` // HH:MM:SS:FF; "" is the start
	Duration           int64  `json:"duration"`  // with FadeIn, without FadeOut; 0 is to the end
	FadeIn             int64  `json:"fadeIn"`
	FadeOut            int64  `json:"fadeOut"`
}
