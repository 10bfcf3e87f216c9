package mediaconvert_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/worker"
)

var updateEvents = flag.Bool("update-events", false, "rewrite testdata/events")

// The details are made from what the rooms really store: worker.Details and job's own shapes.
func TestStateChanges(t *testing.T) {
	source := &media.Source{
		Format: "mov,mp4", Size: 1 << 20, Duration: 20 * time.Second,
		Video: []media.VideoStream{{Codec: "h264", FourCC: "avc1", Width: 1280, Height: 720, PixelFormat: "yuv420p", BitDepth: 8, SampleAspect: media.R(1, 1), AverageRate: media.R(30000, 1001)}},
		Audio: []media.AudioStream{{Index: 1, Codec: "aac", SampleRate: 48000, Channels: 2, Language: "eng"}},
	}
	details := worker.Details{OutputGroupDetails: []worker.GroupDetails{
		{Type: "HLS_GROUP", PlaylistFilePaths: []string{"s3://out/a/b.m3u8"}, OutputDetails: []worker.OutputDetails{
			{OutputFilePaths: []string{"s3://out/a/b_360.m3u8"}, DurationInMs: 20020, VideoDetails: &worker.VideoDetails{WidthInPx: 640, HeightInPx: 360, AverageBitrate: 900000}},
			{OutputFilePaths: []string{"s3://out/a/b_audio.m3u8"}, DurationInMs: 20020},
		}},
		{Type: "FILE_GROUP", OutputDetails: []worker.OutputDetails{
			{OutputFilePaths: []string{"s3://out/thumbs/b.0000003.jpg"}, DurationInMs: 20020, VideoDetails: &worker.VideoDetails{WidthInPx: 1280, HeightInPx: 720}},
		}},
	}}
	j := job.Job{ID: "1700000000000-abc123", Queue: "Default", UserMetadata: map[string]string{"assetID": "7"}, Input: marshal(t, worker.Details{Inputs: []worker.InputDetails{{URI: "s3://in/a b.mp4", Source: *source}}})}
	at := time.UnixMilli(1700000001234).UTC()
	for kind, detail := range map[job.EventKind]any{
		job.EventProgressing:      map[string]any{},
		job.EventCanceled:         map[string]any{},
		job.EventInputInformation: map[string]any{"input": worker.Details{Inputs: []worker.InputDetails{{URI: "s3://in/a b.mp4", Source: *source}}}},
		job.EventStatusUpdate: job.StatusUpdate{JobPercentComplete: 51, CurrentPhase: "TRANSCODING", RetryCount: 1, PhaseProgress: map[string]job.PhaseProgress{
			"PROBING": {Status: "COMPLETE", PercentComplete: 100}, "TRANSCODING": {Status: "PROGRESSING", PercentComplete: 54},
		}},
		job.EventQueueHop:   job.QueueHop{Queue: "On demand", Priority: 0, PreviousQueue: "Default", PreviousPriority: -50},
		job.EventNewWarning: map[string]any{"warningCode": 240000, "warningMessage": "silence was added"},
		job.EventComplete:   map[string]any{"details": details, "warnings": []job.Warning{{Code: 240000, Message: "a"}, {Code: 100, Message: "b"}, {Code: 240000, Message: "c"}}},
		job.EventError:      map[string]any{"errorCode": 1434, "errorMessage": "the role is not trusted"},
	} {
		got, ok := mediaconvert.StateChange(j, job.Event{Job: j.ID, Number: 3, At: at, Kind: kind, Detail: marshal(t, detail)})
		if !ok {
			t.Errorf("%s: no detail", kind)
			continue
		}
		var text bytes.Buffer
		if err := json.Indent(&text, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		text.WriteByte('\n')
		golden := filepath.Join("testdata", "events", string(kind)+".json")
		if *updateEvents {
			if err := os.WriteFile(golden, text.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if text.String() != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", kind, text.String(), want)
		}
	}
	if _, ok := mediaconvert.StateChange(j, job.Event{Kind: "OTHER"}); ok {
		t.Error("an unknown kind has a detail")
	}
	if got, ok := mediaconvert.StateChange(job.Job{ID: "1-a"}, job.Event{Kind: job.EventProgressing, At: at}); !ok || !bytes.Contains(got, []byte(`queues/Default","jobId":"1-a","status":"PROGRESSING","userMetadata":{}}`)) {
		t.Errorf("a bare job: %s", got)
	}
}
