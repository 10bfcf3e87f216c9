package mediaconvert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
)

// What EventBridge calls the events of jobs; their detail is StateChange's.
const (
	EventSource     = "aws.mediaconvert"
	EventDetailType = "MediaConvert Job State Change"
)

// defaultAccount and defaultRegion are of ARNs where a Config names none.
const (
	defaultAccount = "000000000000"
	defaultRegion  = "us-east-1"
)

// JobARN names a job in this account and region: the resource of its events.
func JobARN(id string) string { return arnPrefix(defaultRegion, defaultAccount) + "jobs/" + id }

func arnPrefix(region, account string) string {
	return "arn:aws:mediaconvert:" + region + ":" + account + ":"
}

// stateChange is the detail of a MediaConvert Job State Change event, with the
// members that all events have and then those of some. Names and shapes are the
// service's ("List of MediaConvert EventBridge events" of its user guide).
type stateChange struct {
	Timestamp    int64             `json:"timestamp"` // milliseconds since 1970
	AccountID    string            `json:"accountId"`
	Queue        string            `json:"queue"` // ARN
	JobID        string            `json:"jobId"`
	Status       string            `json:"status"`
	UserMetadata map[string]string `json:"userMetadata"`

	InputDetails []inputDetail `json:"inputDetails,omitempty"` // INPUT_INFORMATION

	PreviousQueue    string `json:"previousQueue,omitempty"` // QUEUE_HOP: ARN
	Priority         *int   `json:"priority,omitempty"`
	PreviousPriority *int   `json:"previousPriority,omitempty"`

	FramesDecoded *int64       `json:"framesDecoded,omitempty"` // STATUS_UPDATE
	JobProgress   *jobProgress `json:"jobProgress,omitempty"`

	WarningCode    int    `json:"warningCode,omitempty"` // NEW_WARNING
	WarningMessage string `json:"warningMessage,omitempty"`

	ErrorCode    int    `json:"errorCode,omitempty"` // ERROR
	ErrorMessage string `json:"errorMessage,omitempty"`

	Warnings           []*mc.WarningGroup  `json:"warnings,omitzero"` // COMPLETE
	OutputGroupDetails []outputGroupDetail `json:"outputGroupDetails,omitzero"`
	PaddingInserted    *int64              `json:"paddingInserted,omitempty"`    // milliseconds of blank frames: none are put in
	BlackVideoDetected *int64              `json:"blackVideoDetected,omitempty"` // milliseconds: nothing looks for it
}

type inputDetail struct {
	ID    int          `json:"id"` // from 1
	URI   string       `json:"uri"`
	Audio []audioInput `json:"audio"`
	Video []videoInput `json:"video"`
}

type audioInput struct {
	Channels   int    `json:"channels"`
	Codec      string `json:"codec"`
	Language   string `json:"language"`
	SampleRate int    `json:"sampleRate"`
	StreamID   int    `json:"streamId"`
}

type videoInput struct {
	BitDepth      int     `json:"bitDepth"`
	Codec         string  `json:"codec"`
	ColorFormat   string  `json:"colorFormat"`
	FourCC        string  `json:"fourCC"`
	FrameRate     float64 `json:"frameRate"`
	Height        int     `json:"height"`
	InterlaceMode string  `json:"interlaceMode"`
	SAR           string  `json:"sar"`
	Standard      string  `json:"standard"`
	StreamID      int     `json:"streamId"`
	Width         int     `json:"width"`
}

type jobProgress struct {
	PhaseProgress      map[string]job.PhaseProgress `json:"phaseProgress"`
	JobPercentComplete int                          `json:"jobPercentComplete"`
	CurrentPhase       string                       `json:"currentPhase"`
	RetryCount         int                          `json:"retryCount"`
}

// outputGroupDetail is what the last task told of a group (worker.GroupDetails).
type outputGroupDetail struct {
	OutputDetails     []outputDetail `json:"outputDetails"`
	PlaylistFilePaths []string       `json:"playlistFilePaths,omitempty"`
	Type              string         `json:"type"`
}

type outputDetail struct {
	OutputFilePaths []string      `json:"outputFilePaths,omitempty"`
	DurationInMs    int64         `json:"durationInMs"`
	VideoDetails    *videoDetails `json:"videoDetails,omitempty"`
}

type videoDetails struct {
	WidthInPx      int   `json:"widthInPx"`
	HeightInPx     int   `json:"heightInPx"`
	AverageBitrate int64 `json:"averageBitrate,omitempty"`
}

// inputFacts is what the first task told of a job's inputs (worker.Details).
type inputFacts struct {
	Inputs []inputFact `json:"inputs"`
}

type inputFact struct {
	URI    string       `json:"uri"`
	Source media.Source `json:"source"`
}

// StateChange gives the detail of an event of a job as MediaConvert sends it to
// EventBridge, in account 000000000000 and us-east-1. j is the job at any time
// after the event. It returns false for an event that EventBridge does not get,
// and for one whose record cannot be read.
func StateChange(j job.Job, e job.Event) (detail json.RawMessage, ok bool) {
	out := stateChange{
		Timestamp: e.At.UnixMilli(), AccountID: defaultAccount, JobID: j.ID, Status: string(e.Kind), UserMetadata: j.UserMetadata,
		Queue: arnPrefix(defaultRegion, defaultAccount) + "queues/" + cmp.Or(j.At().Queue, job.DefaultQueue),
	}
	if out.UserMetadata == nil {
		out.UserMetadata = map[string]string{}
	}
	var err error
	switch e.Kind {
	case job.EventProgressing, job.EventCanceled:
	case job.EventInputInformation:
		var told struct {
			Input inputFacts `json:"input"`
		}
		err = json.Unmarshal(e.Detail, &told)
		for i, facts := range told.Input.Inputs {
			out.InputDetails = append(out.InputDetails, inputOf(i+1, facts))
		}
	case job.EventStatusUpdate:
		var told job.StatusUpdate
		err = json.Unmarshal(e.Detail, &told)
		for _, phase := range []string{"PROBING", "TRANSCODING", "UPLOADING"} { // the service names all of them from the beginning
			if _, ok := told.PhaseProgress[phase]; !ok {
				if told.PhaseProgress == nil {
					told.PhaseProgress = map[string]job.PhaseProgress{}
				}
				told.PhaseProgress[phase] = job.PhaseProgress{Status: "PENDING"}
			}
		}
		out.JobProgress = &jobProgress{told.PhaseProgress, told.JobPercentComplete, told.CurrentPhase, told.RetryCount}
		out.FramesDecoded = new(framesDecoded(j, told))
	case job.EventQueueHop:
		var told job.QueueHop
		err = json.Unmarshal(e.Detail, &told)
		queues := arnPrefix(defaultRegion, defaultAccount) + "queues/"
		out.Queue, out.PreviousQueue = queues+told.Queue, queues+told.PreviousQueue
		out.Priority, out.PreviousPriority = &told.Priority, &told.PreviousPriority
	case job.EventNewWarning:
		var told struct {
			WarningCode    int    `json:"warningCode"`
			WarningMessage string `json:"warningMessage"`
		}
		err = json.Unmarshal(e.Detail, &told)
		out.WarningCode, out.WarningMessage = told.WarningCode, told.WarningMessage
	case job.EventError:
		var told struct {
			ErrorCode    int    `json:"errorCode"`
			ErrorMessage string `json:"errorMessage"`
		}
		err = json.Unmarshal(e.Detail, &told)
		out.ErrorCode, out.ErrorMessage = told.ErrorCode, told.ErrorMessage
	case job.EventComplete:
		var told struct {
			Details struct {
				OutputGroupDetails []outputGroupDetail `json:"outputGroupDetails"`
			} `json:"details"`
			Warnings []job.Warning `json:"warnings"`
		}
		err = json.Unmarshal(e.Detail, &told)
		out.OutputGroupDetails = append([]outputGroupDetail{}, told.Details.OutputGroupDetails...)
		out.Warnings = warningGroups(told.Warnings)
		out.PaddingInserted, out.BlackVideoDetected = new(int64(0)), new(int64(0))
	default:
		return nil, false
	}
	if err != nil {
		return nil, false
	}
	detail, err = json.Marshal(out)
	return detail, err == nil
}

// framesDecoded is how many frames of the source were decoded: of what its
// description promises, the share that transcoding is done. Chunks are decoded
// side by side, so that no process has counted them.
func framesDecoded(j job.Job, u job.StatusUpdate) int64 {
	var facts inputFacts
	if json.Unmarshal(j.Input, &facts) != nil {
		return 0
	}
	frames := 0.0
	for _, in := range facts.Inputs {
		if len(in.Source.Video) > 0 {
			frames += in.Source.Duration.Seconds() * rate(in.Source.Video[0])
		}
	}
	return int64(frames * float64(u.PhaseProgress["TRANSCODING"].PercentComplete) / 100)
}

// rate is a stream's frames a second, 0 when unknown.
func rate(v media.VideoStream) float64 {
	for _, r := range []media.Rational{v.AverageRate, v.FrameRate} {
		if r.Num > 0 && r.Den > 0 {
			return float64(r.Num) / float64(r.Den)
		}
	}
	return 0
}

func inputOf(id int, facts inputFact) inputDetail {
	out := inputDetail{ID: id, URI: facts.URI, Audio: []audioInput{}, Video: []videoInput{}}
	stream := func(index, pid int) int { // as the container counts them
		if pid != 0 {
			return pid
		}
		return index + 1
	}
	for _, a := range facts.Source.Audio {
		out.Audio = append(out.Audio, audioInput{
			Channels: a.Channels, Codec: codecName(a.Codec), Language: strings.ToUpper(cmp.Or(a.Language, "und")), SampleRate: a.SampleRate, StreamID: stream(a.Index, a.PID),
		})
	}
	for _, v := range facts.Source.Video {
		sar := "1:1"
		if v.SampleAspect.Num > 0 && v.SampleAspect.Den > 0 {
			sar = fmt.Sprintf("%d:%d", v.SampleAspect.Num, v.SampleAspect.Den)
		}
		scan := "PROGRESSIVE"
		switch v.Interlaced {
		case "tt", "tb":
			scan = "TOP_FIELD"
		case "bb", "bt":
			scan = "BOTTOM_FIELD"
		}
		out.Video = append(out.Video, videoInput{
			BitDepth: cmp.Or(v.BitDepth, 8), Codec: codecName(v.Codec), ColorFormat: colorFormat(v.PixelFormat), FourCC: v.FourCC,
			FrameRate: math.Round(rate(v)*1000) / 1000, Height: v.Height, InterlaceMode: scan, SAR: sar, Standard: "UNSPECIFIED",
			StreamID: stream(v.Index, v.PID), Width: v.Width,
		})
	}
	return out
}

// codecName spells a codec as the service does: H_264, AAC, MPEG2.
func codecName(ffmpeg string) string {
	switch ffmpeg {
	case "h264":
		return "H_264"
	case "hevc":
		return "H_265"
	case "mpeg2video":
		return "MPEG2"
	case "mpeg4":
		return "MPEG4"
	}
	if strings.HasPrefix(ffmpeg, "pcm_") {
		return "PCM"
	}
	return strings.ToUpper(ffmpeg)
}

// colorFormat spells a pixel format's sampling as the service does: YUV_420.
func colorFormat(pixel string) string {
	for _, f := range []string{"420", "422", "444"} {
		if strings.Contains(pixel, "yuv") && strings.Contains(pixel, f) {
			return "YUV_" + f
		}
	}
	switch {
	case pixel == "nv12", strings.HasPrefix(pixel, "p010"):
		return "YUV_420"
	case strings.HasPrefix(pixel, "gbr"), strings.HasPrefix(pixel, "rgb"), strings.HasPrefix(pixel, "bgr"):
		return "RGB"
	}
	return strings.ToUpper(pixel)
}
