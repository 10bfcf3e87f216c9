package e2e

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

var fileInput = regexp.MustCompile(`"FileInput": *"[^"]*"`)

// jobFiles are the job documents that run: ours, and the walkthrough's own where it is beside the project.
func jobFiles(t *testing.T) []string {
	files := []string{filepath.Join("testdata", "job.json")}
	shared := filepath.Join("..", "..", "..", "shared", "walkthrough", "job.json")
	if _, err := os.Stat(shared); err == nil {
		files = append(files, shared)
	}
	return files
}

// TestWalkthroughJob runs the job of three groups (HLS, MP4, captures) with the
// aws CLI, from s3:// and from an https:// URL, and looks at every kind of output.
func TestWalkthroughJob(t *testing.T) {
	t.Parallel()
	spec := clip.Spec{Width: 1280, Height: 720, FrameRate: media.R(10, 1), Seconds: 12}
	file := makeClip(t, spec, "VAN LIFE+1.m2ts")
	web := httptest.NewTLSServer(http.FileServer(http.Dir(filepath.Dir(file))))
	t.Cleanup(web.Close)
	trust := filepath.Join(t.TempDir(), "web.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServerWith(t, []string{"SSL_CERT_FILE=" + trust}, "--private-input")
	s.buckets("footage", "media")
	s.aws(nil, "s3api", "put-bucket-versioning", "--bucket", "media", "--versioning-configuration", "Status=Enabled")
	s.aws(nil, "s3api", "put-object", "--bucket", "footage", "--key", "VAN LIFE+1.m2ts", "--body", file)
	edge := s.distribute("media")

	role := s.role("vod-MediaConvertRole", "mediaconvert.amazonaws.com",
		`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::footage/*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::media/assets/*"}`)
	inputs := []string{"s3://footage/VAN LIFE+1.m2ts", web.URL + "/VAN%20LIFE+1.m2ts"}
	for i, name := range jobFiles(t) {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			t.Parallel()
			s := s.in(t)
			doc, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			input := inputs[i%len(inputs)]
			folder := "assets/" + strconv.Itoa(i)
			text := strings.ReplaceAll(string(doc), "<MEDIABUCKET>", "media")
			text = regexp.MustCompile(`assets/[^/"]+`).ReplaceAllString(text, folder)
			text = fileInput.ReplaceAllString(text, `"FileInput": `+strconv.Quote(input))
			settings := filepath.Join(t.TempDir(), "settings.json")
			if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var j jobDoc
			s.aws(&j, "mediaconvert", "create-job", "--role", role,
				"--status-update-interval", "SECONDS_10", "--settings", "file://"+settings)
			j = s.waitJob(j.Job.ID, 5*time.Minute)
			if j.Job.Status != "COMPLETE" {
				t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
			}
			if got := j.Job.OutputGroupDetails; len(got) != 3 || len(got[0].OutputDetails) != 3 || got[0].OutputDetails[2].VideoDetails.WidthInPx != 1280 || got[0].OutputDetails[0].DurationInMs != 12000 {
				t.Errorf("details: %+v", got)
			}
			if j.Job.Timing.FinishTime == nil || j.Job.Timing.StartTime == nil {
				t.Errorf("timing: %+v", j.Job.Timing)
			}

			stream := fetchStream(t, edge+"/"+folder+"/HLS/VAN%20LIFE+1.m3u8")
			if n := checkShape(t, stream); int64(n) != spec.Frames() {
				t.Errorf("%d frames in HLS, want %d", n, spec.Frames())
			}
			movie := filepath.Join(t.TempDir(), "movie.mp4")
			if err := os.WriteFile(movie, download(t, edge+"/"+folder+"/MP4/VAN%20LIFE+1.mp4"), 0o600); err != nil {
				t.Fatal(err)
			}
			expectCounting(t, "mp4", counters(t, movie), spec.Frames())
			head, err := os.ReadFile(movie)
			if err != nil || strings.Index(string(head), "moov") > strings.Index(string(head), "mdat") {
				t.Error("the MP4's index is not in front")
			}
			for n, frame := range []int64{0, 50, 100} {
				picture := filepath.Join(t.TempDir(), "p.jpg")
				if err := os.WriteFile(picture, download(t, edge+"/"+folder+"/Thumbnails/VAN%20LIFE+1.000000"+strconv.Itoa(n)+".jpg"), 0o600); err != nil {
					t.Fatal(err)
				}
				if got := counters(t, picture); len(got) != 1 || got[0] != frame {
					t.Errorf("capture %d shows frame %v, want %d", n, got, frame)
				}
			}
			// One event, so one version, for each output of a job that ran once.
			var versions struct {
				Versions []struct{ Key, VersionID string }
			}
			s.aws(&versions, "s3api", "list-object-versions", "--bucket", "media", "--prefix", folder+"/")
			seen := map[string]bool{}
			for _, v := range versions.Versions {
				if seen[v.Key] {
					t.Errorf("%s was published twice", v.Key)
				}
				seen[v.Key] = true
			}
		})
	}
}

// TestGoSDK drives jobs as a Go program does.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := s.publish(makeClip(t, clip.Spec{Width: 320, Height: 180, Seconds: 2}, "sdk.mp4"))
	client := s.Jobs()
	ctx := context.Background()
	got, err := client.GetJob(ctx, &mediaconvert.GetJobInput{Id: aws.String(p.JobID)})
	if err != nil || got.Job.Status != types.JobStatusComplete {
		t.Fatalf("GetJob: %v %+v", err, got)
	}
	list, err := client.ListJobs(ctx, &mediaconvert.ListJobsInput{Status: types.JobStatusComplete, Order: types.OrderDescending, MaxResults: aws.Int32(5)})
	if err != nil || len(list.Jobs) != 1 {
		t.Fatalf("ListJobs: %v, %d jobs", err, len(list.Jobs))
	}
	if _, err := client.CancelJob(ctx, &mediaconvert.CancelJobInput{Id: aws.String(p.JobID)}); err == nil {
		t.Error("a finished job was canceled")
	}
}
