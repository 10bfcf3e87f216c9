package plan

// InputVideo is what Input of the API says of its picture.
type InputVideo struct {
	Crop     *Rectangle `json:"crop"`     // of the picture turned upright; nil is the output's
	Position *Rectangle `json:"position"` // in the output; nil is the output's
}

// VideoSelector says how the video of the source is read.
type VideoSelector struct {
	Pid             int64  `json:"pid"`
	Rotate          string `json:"rotate"`          // DEGREE_0, DEGREES_90, DEGREES_180, DEGREES_270, AUTO
	ColorSpace      string `json:"colorSpace"`      // FOLLOW (default), REC_601, REC_709, HDR10, HLG_2020, P3DCI, P3D65_SDR
	ColorSpaceUsage string `json:"colorSpaceUsage"` // FORCE (default), or FALLBACK: where the source has no description
	SampleRange     string `json:"sampleRange"`     // FOLLOW (default), FULL_RANGE, LIMITED_RANGE
	AlphaBehavior   string `json:"alphaBehavior"`   // DISCARD (default) or REMAP_TO_LUMA
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
	CodecSettings   struct {
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
