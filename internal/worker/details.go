package worker

import (
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// Details is what tasks tell about a job: the probe fills Inputs,
// finish the rest. Names are the wire's (GetJob and the job events).
type Details struct {
	Inputs             []InputDetails   `json:"inputs,omitempty"`
	OutputGroupDetails []GroupDetails   `json:"outputGroupDetails,omitempty"`
	Ladders            []receipt.Ladder `json:"ladders,omitempty"` // ours, as is Receipt
	Receipt            *Receipt         `json:"receipt,omitempty"`
}

// InputDetails is one input of a job, in the order of first mention.
type InputDetails struct {
	URI    string       `json:"uri"`
	Source media.Source `json:"source"`
}

// inputDetails lists what was found in the inputs.
func inputDetails(files []plan.File, footage []plan.Footage) Details {
	var d Details
	for i, f := range files {
		if f.Kind == plan.FileInput {
			d.Inputs = append(d.Inputs, InputDetails{URI: f.URI, Source: footage[i].Source})
		}
	}
	return d
}

// GroupDetails is one output group of a finished job, in the job's order.
type GroupDetails struct {
	Type              string          `json:"type"` // HLS_GROUP, CMAF_GROUP, DASH_ISO_GROUP or FILE_GROUP
	PlaylistFilePaths []string        `json:"playlistFilePaths,omitempty"`
	OutputDetails     []OutputDetails `json:"outputDetails"`
}

// OutputDetails is one output of a group. Paths are s3:// URIs.
type OutputDetails struct {
	OutputFilePaths []string      `json:"outputFilePaths"`
	DurationInMs    int64         `json:"durationInMs"`
	VideoDetails    *VideoDetails `json:"videoDetails,omitempty"`
}

// VideoDetails is the video of an output.
type VideoDetails struct {
	WidthInPx      int   `json:"widthInPx"`
	HeightInPx     int   `json:"heightInPx"`
	AverageBitrate int64 `json:"averageBitrate,omitempty"` // bits a second of the whole output, as written
}

// groupDetails lists what a group published, with the sizes its outputs came to.
func groupDetails(p *plan.Plan, group plan.OutputGroup, bytes []int64) GroupDetails {
	out := GroupDetails{Type: "FILE_GROUP", OutputDetails: []OutputDetails{}}
	switch group.Type {
	case "HLS_GROUP_SETTINGS":
		out.Type = "HLS_GROUP"
	case "CMAF_GROUP_SETTINGS":
		out.Type = "CMAF_GROUP"
	case "DASH_ISO_GROUP_SETTINGS":
		out.Type = "DASH_ISO_GROUP"
	}
	if d := group.DASH; d != nil {
		out.PlaylistFilePaths = append(out.PlaylistFilePaths, uri(group.Bucket, d.Key))
		for _, a := range d.Additional {
			out.PlaylistFilePaths = append(out.PlaylistFilePaths, uri(group.Bucket, a.Key))
		}
	}
	if group.HLS != nil {
		if key := group.HLS.MultivariantKey; key != "" {
			out.PlaylistFilePaths = append(out.PlaylistFilePaths, uri(group.Bucket, key))
		}
		for _, a := range group.HLS.Additional {
			out.PlaylistFilePaths = append(out.PlaylistFilePaths, uri(group.Bucket, a.Key))
		}
	}
	for i, o := range group.Outputs {
		if o.Part > 0 {
			continue
		}
		d := OutputDetails{OutputFilePaths: []string{}}
		if o.Key != "" && group.DASH == nil && o.Format != plan.FormatFMP4 { // the service lists no files of those
			d.OutputFilePaths = append(d.OutputFilePaths, uri(group.Bucket, o.Key))
		}
		switch {
		case o.Ladder >= 0:
			d.DurationInMs = p.Ladders[o.Ladder].Timeline.Duration().Milliseconds()
		case len(o.Audios) > 0:
			a := p.Audios[o.Audios[0]]
			d.DurationInMs = a.Samples * 1000 / int64(a.SampleRate)
		}
		if o.Rung >= 0 {
			rung := p.Ladders[o.Ladder].Rungs[o.Rung]
			d.VideoDetails = &VideoDetails{WidthInPx: rung.Width, HeightInPx: rung.Height}
			if d.DurationInMs > 0 {
				d.VideoDetails.AverageBitrate = bytes[i] * 8 * 1000 / d.DurationInMs
			}
		}
		out.OutputDetails = append(out.OutputDetails, d)
	}
	return out
}

func uri(bucket, key string) string { return "s3://" + bucket + "/" + key }
