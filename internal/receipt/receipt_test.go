package receipt

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

func TestPrices(t *testing.T) {
	video := func(w, h int, fps, tuning string) Output {
		return Output{DurationInMs: 120_000, Video: &Video{Codec: "avc1.640028", Width: w, Height: h, FrameRate: fps, QualityTuning: tuning}}
	}
	for name, c := range map[string]struct {
		output     Output
		minutes    float64
		basic, pro float64
		atLeast    string
	}{
		"SD":          {video(960, 540, "25/1", "SINGLE_PASS"), 2, 0.015, 0.024, ""},
		"HD":          {video(1280, 720, "30000/1001", "SINGLE_PASS"), 4, 0.03, 0.048, ""},
		"full HD":     {video(1920, 1080, "30/1", "SINGLE_PASS"), 4, 0.03, 0.048, ""},
		"upright":     {video(1080, 1920, "30/1", "SINGLE_PASS"), 4, 0.03, 0.048, ""},
		"HQ":          {video(1920, 1080, "30/1", "MULTI_PASS_HQ"), 4, 0.03, 0.048, "MULTI_PASS_HQ"},
		"fast":        {video(640, 360, "60/1", "SINGLE_PASS"), 2, 0.015, 0.024, "frames a second"},
		"UHD":         {video(3840, 2160, "25/1", "SINGLE_PASS"), 4, 0.03, 0.048, "2160 lines"},
		"short":       {Output{DurationInMs: 1, Video: video(640, 360, "25/1", "SINGLE_PASS").Video}, 0.167, 0.0012, 0.002, ""},
		"begun":       {Output{DurationInMs: 60_001, Video: video(640, 360, "25/1", "SINGLE_PASS").Video}, 1.017, 0.0076, 0.0122, ""},
		"sound alone": {Output{DurationInMs: 60_000, Audio: &Audio{}}, 0, 0, 0, "without video"},
	} {
		p := price([]Output{c.output, {Captures: 3, DurationInMs: 5}, {Part: 1, DurationInMs: 5}})
		if p.NormalizedMinutes != c.minutes || p.Basic != c.basic || p.Professional != c.pro || len(p.Outputs) != 1 {
			t.Errorf("%s: %+v", name, p)
		}
		if p.AtLeast != (c.atLeast != "") || !strings.Contains(p.Outputs[0].AtLeast, c.atLeast) {
			t.Errorf("%s: at least %v, %q", name, p.AtLeast, p.Outputs[0].AtLeast)
		}
		if p.Dated == "" || !strings.Contains(p.Source, "aws.amazon.com") {
			t.Errorf("a price list without source or date: %+v", p)
		}
	}
}

// TestOfAJobThatFailed: what there is of it is told.
func TestOfAJobThatFailed(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	j := job.Job{
		ID: "1-a", Status: job.Error, ErrorCode: 1040, ErrorMessage: "no", Created: at, Started: at.Add(time.Second), Finished: at.Add(10 * time.Second), RetryCount: 2,
		Marks:    []job.Mark{{Phase: "PROBING", At: at.Add(time.Second)}, {Phase: "TRANSCODING", At: at.Add(4 * time.Second)}},
		Warnings: []job.Warning{{Code: 900031, Message: "cut"}, {Code: 900010, Message: "no effect"}},
		Request:  json.RawMessage(`{"settings":{"inputs":[],"outputGroups":[]}}`),
		Work:     &job.Work{Kinds: []job.KindWork{{Kind: "chunk", Tasks: 9, Done: 3, Attempts: 7, Failures: 2, Releases: 1, CPU: 1500 * time.Millisecond, Wasted: 2 * time.Second}}},
	}
	r, err := New(j, at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r.Error == nil || r.Error.Code != 1040 || r.Price != nil || len(r.Healed) != 1 || r.Healed[0].What != "cutShort" || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
	if w := r.Work; w.Chunks != 9 || w.Retries != 2 || w.CPUSeconds != 1.5 || w.WastedCPUSeconds != 2 || w.Tasks[0].Lost != 1 {
		t.Errorf("%+v", w)
	}
	if tm := r.Time; tm.QueuedSeconds != 1 || tm.ProbeSeconds != 3 || tm.EncodeSeconds != 6 || tm.FinishSeconds != 0 || tm.TotalSeconds != 10 {
		t.Errorf("%+v", tm)
	}
	if text := r.Text(); !strings.Contains(text, "ERROR 1040: no") || !strings.Contains(text, "2 failed, 1 given back, 1 lost") {
		t.Errorf("%s", text)
	}
	waits, err := New(job.Job{ID: "2-a", Status: job.Submitted, Created: at}, at.Add(time.Minute))
	if err != nil || waits.Time.QueuedSeconds != 60 || waits.Time.TotalSeconds != 60 || waits.Time.Started != nil {
		t.Errorf("%+v, %v", waits, err)
	}
}

func TestWishes(t *testing.T) {
	for value, want := range map[string]Wishes{"": {}, "none": {}, "SSIM": {SSIM: true}, "vmaf, ssim": {SSIM: true, VMAF: true}} {
		if got, err := ParseWishes(map[string]string{QualityKey: value, "other": "x"}); err != nil || got != want {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
	for _, bad := range []map[string]string{{QualityKey: "PSNR"}, {BesideKey: "yes"}} {
		if _, err := ParseWishes(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if got, err := ParseWishes(map[string]string{BesideKey: "JSON"}); err != nil || !got.Beside {
		t.Errorf("%+v, %v", got, err)
	}
}
