package worker

import (
	"fmt"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// Depth says how much of the published video and audio is decoded before a job
// is complete. Whatever it is, every object is read whole, held against what was
// written, and its structure checked.
type Depth = receipt.Depth

// The depths, the deepest first.
const (
	VerifyFull      Depth = "full"      // every frame is decoded; what "" is
	VerifyKeyframes Depth = "keyframes" // the keyframes of every segment, and all sound
	VerifyStructure Depth = "structure" // nothing
)

// What reading back tells, in the words of the room of receipts.
type (
	Receipt       = receipt.ReadBack
	OutputReceipt = receipt.Output
	VideoReceipt  = receipt.Video
	AudioReceipt  = receipt.Audio
)

// measured takes what was read back over: what the API tells of outputs is what was
// measured.
func (d *Details) measured(r *Receipt, p *plan.Plan, quality [][]*receipt.Quality) {
	d.Receipt, d.Ladders = r, receipt.Ladders(p)
	for i := range r.Outputs {
		o := &r.Outputs[i]
		planned := p.Groups[o.OutputGroup].Outputs
		if o.Video != nil {
			of := planned[o.Output]
			rung := &d.Ladders[of.Ladder].Rungs[of.Rung]
			rung.EncodedBytes = max(rung.EncodedBytes, o.Video.Bytes)
			rung.Quality, o.Video.Quality = quality[of.Ladder][of.Rung], quality[of.Ladder][of.Rung]
		}
		o.Output, o.Part = asked(planned, o.Output)
		if o.Video == nil || o.OutputGroup >= len(d.OutputGroupDetails) || o.Output >= len(d.OutputGroupDetails[o.OutputGroup].OutputDetails) {
			continue
		}
		if v := d.OutputGroupDetails[o.OutputGroup].OutputDetails[o.Output].VideoDetails; v != nil {
			v.AverageBitrate = o.AverageBPS
		}
	}
}

// asked returns which output of the job's settings output n of a plan's group is of,
// and which part of it.
func asked(planned []plan.Output, n int) (output, part int) {
	output = -1
	for _, o := range planned[:n+1] {
		if o.Part == 0 {
			output++
		}
	}
	return output, planned[n].Part
}

// overCap tells what is not wrong and yet not as it was asked for.
func overCap(r *Receipt) []job.Warning {
	var out []job.Warning
	for _, o := range r.Outputs {
		if v := o.Video; v != nil && v.BufferPeak > 1 {
			out = append(out, job.Warning{Code: receipt.WarnOverCap, Message: fmt.Sprintf(
				"%s: some window of time holds more than maxBitrate %d and the buffer allow: the buffer is filled to %.0f %%", o.URI, v.MaxBitrate, v.BufferPeak*100)})
		}
	}
	return out
}
