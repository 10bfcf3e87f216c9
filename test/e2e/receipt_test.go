package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// receiptDoc is a receipt, as far as it is held against other witnesses here.
type receiptDoc struct {
	Job, Status string
	Inputs      []struct {
		URI             string
		Bytes           int64
		DurationSeconds float64
		Video           []struct {
			Codec                   string
			Width, Height, Rotation int
			FrameRate               string
		}
		Audio []struct{}
	}
	Healed  []struct{ What string }
	Ladders []struct {
		Frames, Segments, Chunks int
		Rungs                    []struct{ Width, Height int }
	}
	Outputs []struct {
		URI                        string
		Bytes, AverageBPS, PeakBPS int64
		Segments                   int
		Video                      struct {
			Width, Height             int
			Frames, Keyframes, Bytes  int64
			AverageBPS, WindowPeakBPS int64
			WindowInMs                int64
		}
	}
	Work struct {
		Chunks, Retries int
		CPUSeconds      float64
		Tasks           []struct {
			Kind        string
			Tasks, Done int
			CPUSeconds  float64
		}
		Workers []struct{ Name string }
	}
	Time struct {
		QueuedSeconds, ProbeSeconds, EncodeSeconds, FinishSeconds, TotalSeconds float64
	}
	Price struct{ Basic, Professional, NormalizedMinutes float64 }
}

// TestReceipt holds every number of a receipt that another program can find out
// against what that program finds: a portrait film without sound, as telephones make
// them.
func TestReceipt(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--receipts")
	upright := makeClip(t, clip.Spec{Width: 320, Height: 180, FrameRate: media.R(30, 1), Seconds: 4}, "upright.mp4")
	file := filepath.Join(t.TempDir(), "phone.mp4")
	if out, err := exec.Command("ffmpeg", "-loglevel", "error", "-i", upright, "-an", "-c", "copy", "-metadata:s:v:0", "rotate=90", file).CombinedOutput(); err != nil {
		t.Fatalf("turn the clip: %v\n%s", err, out)
	}
	p := s.publish(file)
	var r receiptDoc
	doc := s.vodwright("receipt", p.JobID, "--data", s.data, "--json")
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Job != p.JobID || r.Status != "COMPLETE" || len(r.Inputs) != 1 {
		t.Fatalf("%s", doc)
	}
	if in := r.Inputs[0]; in.Bytes != info.Size() || in.DurationSeconds != 4 || len(in.Video) != 1 || len(in.Audio) != 0 || !strings.HasSuffix(in.URI, "phone.mp4") {
		t.Errorf("input %+v of a file of %d bytes", in, info.Size())
	} else if v := in.Video[0]; v.Codec != "h264" || v.Width != 320 || v.Height != 180 || v.Rotation != 270 || v.FrameRate != "30/1" {
		t.Errorf("its video %+v", v)
	}
	var healed []string
	for _, n := range r.Healed {
		healed = append(healed, n.What)
	}
	if got := strings.Join(healed, " "); !strings.Contains(got, "rotation") || !strings.Contains(got, "missingAudio") {
		t.Errorf("healed: %s", got)
	}

	got := fetchStream(t, p.StreamURL)
	if len(r.Outputs) != len(got.variants) || len(r.Ladders) != 1 || len(r.Ladders[0].Rungs) != len(got.variants) || r.Ladders[0].Frames != 120 {
		t.Fatalf("%d outputs of %+v for %d variants", len(r.Outputs), r.Ladders, len(got.variants))
	}
	var minutes float64
	for i, o := range r.Outputs {
		v := got.variants[i]
		var size, frames, keys int64
		for _, seg := range v.segments {
			info, err := os.Stat(seg.path)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
			for _, p := range probePackets(t, seg.path) {
				frames++
				if p.key {
					keys++
				}
			}
		}
		if o.Bytes != size || o.Segments != len(v.segments) || o.Video.Frames != frames || o.Video.Keyframes != keys || o.Video.Width != v.width || o.Video.Height != v.height {
			t.Errorf("%s: %+v; %d bytes, %d segments, %d frames, %d keyframes of %d×%d are there", o.URI, o, size, len(v.segments), frames, keys, v.width, v.height)
		}
		if off := o.AverageBPS - size*8/4; off > 8 || off < -8 || o.PeakBPS < o.AverageBPS {
			t.Errorf("%s: %d bit/s, %d at most; it has %d", o.URI, o.AverageBPS, o.PeakBPS, size)
		}
		if o.Video.Bytes <= 0 || o.Video.Bytes >= size || o.Video.AverageBPS != o.Video.Bytes*2 || o.Video.WindowPeakBPS < o.Video.AverageBPS || o.Video.WindowInMs != 2000 {
			t.Errorf("%s: video %+v", o.URI, o.Video)
		}
		if minutes += 10.0 / 60; v.height >= 720 && v.width >= 720 {
			minutes += 10.0 / 60
		}
	}
	if d := r.Price.NormalizedMinutes - minutes; d > 0.001 || d < -0.001 || r.Price.Basic <= 0 || r.Price.Professional <= r.Price.Basic {
		t.Errorf("price %+v of %f normalized minutes", r.Price, minutes)
	}

	var cpu float64
	for _, k := range r.Work.Tasks {
		cpu += k.CPUSeconds
		if k.Done != k.Tasks || k.Tasks == 0 || k.CPUSeconds <= 0 {
			t.Errorf("tasks %+v", k)
		}
	}
	host, _ := os.Hostname()
	if w := r.Work; len(w.Tasks) != 4 || w.Chunks != r.Ladders[0].Chunks || w.Retries != 0 || w.CPUSeconds-cpu > 0.01 || len(w.Workers) != 1 || w.Workers[0].Name != host {
		t.Errorf("work %+v", w)
	}
	j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &p.JobID}) // a client of the service, as ever
	if err != nil {
		t.Fatal(err)
	}
	tm := r.Time
	sum := tm.QueuedSeconds + tm.ProbeSeconds + tm.EncodeSeconds + tm.FinishSeconds
	if took := j.Job.Timing.FinishTime.Sub(*j.Job.Timing.SubmitTime).Seconds(); tm.TotalSeconds > took+1 || tm.TotalSeconds < took-1 || sum > tm.TotalSeconds+0.01 || sum < tm.TotalSeconds-0.01 {
		t.Errorf("%+v, and GetJob says that it took %f s", tm, took)
	}

	var keys []string
	for _, k := range s.outputs() {
		if strings.HasSuffix(k, ".receipt.json") {
			keys = append(keys, k)
		}
	}
	if len(keys) != 1 {
		t.Fatalf("receipts beside the outputs: %v", keys)
	}
	beside := filepath.Join(t.TempDir(), "receipt.json")
	s.aws(nil, "s3api", "get-object", "--bucket", "vod-streams", "--key", keys[0], beside)
	var b receiptDoc
	if doc, err := os.ReadFile(beside); err != nil || json.Unmarshal(doc, &b) != nil || b.Status != "COMPLETE" || len(b.Outputs) != len(r.Outputs) || b.Outputs[0].Bytes != r.Outputs[0].Bytes || b.Work.CPUSeconds < r.Work.CPUSeconds-0.01 {
		t.Errorf("beside the outputs: %v, %s", err, doc)
	}
	if text := string(s.vodwright("receipt", p.JobID, "--data", s.data)); !strings.Contains(text, "rotation") || !strings.Contains(text, strconv.FormatInt(r.Outputs[0].Video.Frames, 10)+" frames") {
		t.Errorf("for people:\n%s", text)
	}
	if _, stderr, err := harness.Output(exec.Command(programPath, "receipt", "1515368087458-qnoxtd", "--data", s.data)); err == nil || !strings.Contains(string(stderr), "not found") {
		t.Errorf("of no job: %v, %s", err, stderr)
	}
}
