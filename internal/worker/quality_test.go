package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/receipt"
)

// TestQualityAndReceiptOnRequest: the SSIM of the receipt is what ffmpeg finds between
// source and published segments, and the receipt is published last.
func TestQualityAndReceiptOnRequest(t *testing.T) {
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	w.cfg.Name = "me"
	asked := job.Job{
		ID: "job", Created: time.Now(), Request: fmt.Appendf(nil, request, "clip.mp4", "out"),
		UserMetadata: map[string]string{receipt.QualityKey: "SSIM,VMAF", receipt.BesideKey: "JSON"},
	}
	j, err := w.LocalJob(t.Context(), asked, func(string, int) {})
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.New(j, j.Finished)
	if err != nil {
		t.Fatal(err)
	}
	var segments bytes.Buffer
	for _, file := range files(t, filepath.Join(f.root, "a")) {
		if filepath.Ext(file) == ".ts" {
			part, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			segments.Write(part)
		}
	}
	cmd := exec.Command("ffmpeg", "-hide_banner", "-i", "pipe:0", "-i", f.source, "-filter_complex", "[0:v]settb=1/25,setpts=N[a];[1:v]settb=1/25,setpts=N[b];[a][b]ssim", "-f", "null", "-")
	cmd.Stdin = &segments
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`SSIM Y:([0-9.]+).* All:([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, out)
	}
	luma, _ := strconv.ParseFloat(string(found[1]), 64)
	all, _ := strconv.ParseFloat(string(found[2]), 64)
	q := r.Outputs[0].Video.Quality
	if q == nil || q.SSIM == nil || q.Frames != 150 || q.VMAF != nil && q.VMAF.Mean <= 0 {
		t.Fatalf("quality %+v", q)
	}
	if d, e := q.SSIM.Mean-all, q.SSIM.Luma-luma; max(d, -d) > 2e-6 || max(e, -e) > 2e-6 || q.SSIM.Lowest > q.SSIM.Mean || q.SSIM.Lowest < 0.5 {
		t.Errorf("SSIM %+v, ffmpeg finds %f, luma %f", q.SSIM, all, luma)
	}
	there, err := w.vmafThere(t.Context())
	told := slices.ContainsFunc(r.Warnings, func(n receipt.Note) bool { return n.Code == receipt.WarnQuality })
	if err != nil || there == told || there != (q.VMAF != nil) {
		t.Errorf("VMAF can be measured: %v, a warning that it was not: %v, %+v; %v", there, told, q.VMAF, err)
	}

	last := f.order[len(f.order)-1]
	if !strings.HasSuffix(last, "a/b.receipt.json") {
		t.Fatalf("published %v", f.order)
	}
	doc, err := os.ReadFile(filepath.Join(f.root, "a", "b.receipt.json"))
	var beside receipt.Receipt
	if err != nil || json.Unmarshal(doc, &beside) != nil || beside.Status != job.Complete || beside.Outputs[0].Video.Quality.SSIM.Mean != q.SSIM.Mean || beside.Work.Workers[0].Name != "me" || beside.Work.CPUSeconds < r.Work.CPUSeconds-0.02 {
		t.Errorf("beside the outputs: %v, %s", err, doc)
	}

	failing := &folder{source: f.source, root: t.TempDir(), owner: map[string]string{}, failAt: len(f.order)}
	w = newWorker(t, failing)
	if _, err := w.LocalJob(t.Context(), asked, func(string, int) {}); err == nil {
		t.Error("the receipt was not published, and the job complete")
	}
	if left := files(t, failing.root); len(left) > 0 {
		t.Errorf("a job without its receipt left %v", left)
	}
}

func TestVMAFLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vmaf.json")
	log := `{"version":"2.3.1","fps":60.1,"frames":[{"frameNum":0,"metrics":{"integer_adm2":0.99,"vmaf":97.5}},{"frameNum":1,"metrics":{"vmaf":92.5}}],"pooled_metrics":{"vmaf":{"mean":95.0}}}`
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	var s sum
	if err := readVMAF(file, &s); err != nil {
		t.Fatal(err)
	}
	if m := s.measure(); m.Mean != 95 || m.Lowest != 92.5 || s.Frames != 2 {
		t.Errorf("%+v", m)
	}
}
