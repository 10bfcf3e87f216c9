package receipt

// Depth says how much of the published video and audio is decoded before a job is
// complete; see the worker.
type Depth string

// Check is what reading the outputs back was, of a job whose outputs were right.
type Check struct {
	Depth   Depth `json:"depth"`
	Tries   int   `json:"tries"` // 2: the first outputs were not right and were made again
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// ReadBack is what was found when a job's outputs were read back from the buckets,
// after all of it was right.
type ReadBack struct {
	Check
	Outputs []Output `json:"outputs"`
}

// Output is one output as it was read back. Bit rates are bits a second.
type Output struct {
	OutputGroup  int      `json:"outputGroup"`    // index in the job
	Output       int      `json:"output"`         // index in the group
	Part         int      `json:"part,omitempty"` // above 0: sound of the output that is packed apart from it
	URI          string   `json:"uri"`
	DurationInMs int64    `json:"durationInMs"`
	Segments     int      `json:"segments,omitempty"`
	Captures     int      `json:"captures,omitempty"`
	Bytes        int64    `json:"bytes"`       // of media
	AverageBPS   int64    `json:"averageBps"`  // containers included
	PeakBPS      int64    `json:"peakBps"`     // of segments, as BANDWIDTH is measured; of a file, 0
	StartOffset  float64  `json:"startOffset"` // milliseconds by which sound begins after the picture
	Video        *Video   `json:"video,omitempty"`
	Audio        *Audio   `json:"audio,omitempty"`
	Checks       []string `json:"checks"` // that it passed
}

// Video is the video of an output.
type Video struct {
	Codec         string `json:"codec"` // RFC 6381
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	FrameRate     string `json:"frameRate"`
	Frames        int64  `json:"frames"`
	FramesDecoded int64  `json:"framesDecoded"`
	Keyframes     int64  `json:"keyframes"`
	ShortestGOP   int64  `json:"shortestGop"` // frames from one keyframe to the next, the end included
	LongestGOP    int64  `json:"longestGop"`
	Bytes         int64  `json:"bytes"`      // of its pictures, without the container
	AverageBPS    int64  `json:"averageBps"` // of them
	// WindowPeakBPS is the highest rate of its pictures in any window of WindowInMs:
	// the time in which the buffer that was asked for empties at MaxBitrate, a second
	// where no buffer was.
	WindowPeakBPS int64 `json:"windowPeakBps"`
	WindowInMs    int64 `json:"windowInMs"`
	MaxBitrate    int64 `json:"maxBitrate,omitempty"` // that was asked for; 0 is no cap
	// BufferPeak is the largest share of the buffer that any window of time filled
	// at MaxBitrate: above 1 there is a window of w seconds with more than
	// MaxBitrate·w bits and the buffer.
	BufferPeak    float64  `json:"bufferPeak,omitempty"`
	RateControl   string   `json:"rateControl,omitempty"` // as asked: QVBR, VBR, CBR
	QVBRLevel     float64  `json:"qvbrQualityLevel,omitempty"`
	QualityTuning string   `json:"qualityTuningLevel,omitempty"`
	Quality       *Quality `json:"quality,omitempty"` // when asked for
}

// Audio is the audio of an output: its first track.
type Audio struct {
	Codec      string `json:"codec"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
	Frames     int64  `json:"frames"` // of 1,024 samples
}

// Quality is how like the pictures of an encode are to those that went into it, at
// its size.
type Quality struct {
	Frames int64    `json:"frames"` // that were compared
	SSIM   *Measure `json:"ssim,omitempty"`
	VMAF   *Measure `json:"vmaf,omitempty"`
}

// Measure is one measure over all frames.
type Measure struct {
	Mean   float64 `json:"mean"`
	Luma   float64 `json:"luma,omitempty"` // mean of the luma plane, of SSIM
	Lowest float64 `json:"lowest"`         // of any frame
}
