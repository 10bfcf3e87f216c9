package players

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"vodwright.dev/vodwright/internal/clip"
)

// make writes the clip into a folder and returns its path.
func (s source) make(t *testing.T, dir string) string {
	t.Helper()
	args := append([]string{"-y", "-v", "error"}, clip.Spec{Width: 320, Height: 180, FrameRate: s.rate, Seconds: s.seconds, Silent: true}.Input()...)
	for _, a := range s.tracks {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%g:sample_rate=%d:duration=%d,volume=8,aformat=channel_layouts=%s", a.tone, a.rate, s.seconds, a.layout))
	}
	args = append(args, "-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k")
	for i, a := range s.tracks {
		args = append(args, "-map", fmt.Sprintf("%d:a", i+1), fmt.Sprintf("-metadata:s:a:%d", i), "language="+a.language)
	}
	file := filepath.Join(dir, s.name+".mp4")
	if out, err := exec.Command("ffmpeg", append(args, file)...).CombinedOutput(); err != nil {
		t.Fatalf("make clip %s: %v\n%s", s.name, err, out)
	}
	return file
}

// encode runs the job of a packaging to its end.
func (s *server) encode(t *testing.T, p packaging, input string) {
	t.Helper()
	selectors := make([]string, 0, len(p.source.tracks)+1)
	for i := range max(len(p.source.tracks), 1) {
		selectors = append(selectors, fmt.Sprintf(`"Audio Selector %d":{"SelectorType":"TRACK","Tracks":[%d]}`, i+1, i+1))
	}
	if len(p.source.tracks) == 0 {
		selectors = []string{`"Audio Selector 1":{"DefaultSelection":"DEFAULT"}`}
	}
	text := fmt.Sprintf(`{"Inputs":[{"FileInput":%q,"TimecodeSource":"ZEROBASED","AudioSelectors":{%s}}],"OutputGroups":[%s]}`,
		input, strings.Join(selectors, ","), strings.NewReplacer(`"AudioDescriptions":[]`, `"AudioDescriptions":null`, "@", p.name, "EDGE", s.edge).Replace(p.groups))
	settings := new(types.JobSettings)
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields() // what the vendor's SDK does not know is a slip of the table
	if err := decoder.Decode(settings); err != nil {
		t.Fatalf("settings: %v in %s", err, text)
	}
	made, err := s.Jobs().CreateJob(t.Context(), &mediaconvert.CreateJobInput{Role: &s.role, Settings: settings})
	if err != nil {
		t.Fatalf("create job: %v", err)
	}
	job := s.WaitJob(t, aws.ToString(made.Job.Id), 5*time.Minute)
	if job.Status != types.JobStatusComplete {
		t.Fatalf("the job ended %s: %d %s", job.Status, aws.ToInt32(job.ErrorCode), aws.ToString(job.ErrorMessage))
	}
}

// escape writes a key as the path of a URL.
func escape(key string) string { return (&url.URL{Path: key}).EscapedPath() }
