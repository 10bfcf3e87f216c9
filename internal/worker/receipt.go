package worker

import (
	"fmt"

	"vodwright.dev/vodwright/internal/job"
)

// Depth says how much of the published video and audio is decoded before a job
// is complete. Whatever it is, every object is read whole, held against what was
// written, and its structure checked.
type Depth string

// The depths, the deepest first.
const (
	VerifyFull      Depth = "full"      // every frame is decoded; what "" is
	VerifyKeyframes Depth = "keyframes" // the keyframes of every segment, and all sound
	VerifyStructure Depth = "structure" // nothing
)

// Receipt tells what was found when a job's outputs were read back from the
// buckets, after all of it was right.
type Receipt struct {
	Depth   Depth           `json:"depth"`
	Tries   int             `json:"tries"` // 2: the first outputs were not right and were made again
	Objects int             `json:"objects"`
	Bytes   int64           `json:"bytes"`
	Outputs []OutputReceipt `json:"outputs"`
}

// OutputReceipt is one output as it was read back. Bit rates are bits a second.
type OutputReceipt struct {
	OutputGroup  int           `json:"outputGroup"` // index in the job
	Output       int           `json:"output"`      // index in the group
	URI          string        `json:"uri"`
	DurationInMs int64         `json:"durationInMs"`
	Segments     int           `json:"segments,omitempty"`
	Captures     int           `json:"captures,omitempty"`
	Bytes        int64         `json:"bytes"`       // of media
	AverageBPS   int64         `json:"averageBps"`  // containers included
	PeakBPS      int64         `json:"peakBps"`     // of segments, as BANDWIDTH is measured; of a file, 0
	StartOffset  float64       `json:"startOffset"` // milliseconds by which sound begins after the picture
	Video        *VideoReceipt `json:"video,omitempty"`
	Audio        *AudioReceipt `json:"audio,omitempty"`
	Checks       []string      `json:"checks"` // that it passed
}

// VideoReceipt is the video of an output.
type VideoReceipt struct {
	Codec         string `json:"codec"` // RFC 6381
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	FrameRate     string `json:"frameRate"`
	Frames        int64  `json:"frames"`
	FramesDecoded int64  `json:"framesDecoded"`
	Keyframes     int64  `json:"keyframes"`
	ShortestGOP   int64  `json:"shortestGop"` // frames from one keyframe to the next, the end included
	LongestGOP    int64  `json:"longestGop"`
	MaxBitrate    int64  `json:"maxBitrate,omitempty"` // that was asked for; 0 is no cap
	// BufferPeak is the largest share of the buffer that any window of time filled
	// at MaxBitrate: above 1 there is a window of w seconds with more than
	// MaxBitrate·w bits and the buffer.
	BufferPeak float64 `json:"bufferPeak,omitempty"`
}

// AudioReceipt is the audio of an output: its first track.
type AudioReceipt struct {
	Codec      string `json:"codec"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
	Frames     int64  `json:"frames"` // of 1,024 samples
}

// measured takes a receipt over: what the API tells of outputs is what was measured.
func (d *Details) measured(r *Receipt) {
	d.Receipt = r
	for _, o := range r.Outputs {
		if o.Video == nil || o.OutputGroup >= len(d.OutputGroupDetails) || o.Output >= len(d.OutputGroupDetails[o.OutputGroup].OutputDetails) {
			continue
		}
		if v := d.OutputGroupDetails[o.OutputGroup].OutputDetails[o.Output].VideoDetails; v != nil {
			v.AverageBitrate = o.AverageBPS
		}
	}
}

// warnOverCap is the code of a warning that an encoder did not keep to its cap.
const warnOverCap = 900051

// warnings tells what is not wrong and yet not as it was asked for.
func (r *Receipt) warnings() []job.Warning {
	var out []job.Warning
	for _, o := range r.Outputs {
		if v := o.Video; v != nil && v.BufferPeak > 1 {
			out = append(out, job.Warning{Code: warnOverCap, Message: fmt.Sprintf(
				"%s: some window of time holds more than maxBitrate %d and the buffer allow: the buffer is filled to %.0f %%", o.URI, v.MaxBitrate, v.BufferPeak*100)})
		}
	}
	return out
}
