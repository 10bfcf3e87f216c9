package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// TestFailedJobsOfAnAutomationAreSeen has jobs that fail after they were made, and
// the server killed: the automation's log and its list tell of them. Another order
// of its name does not replace it unasked.
func TestFailedJobsOfAnAutomationAreSeen(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("uploads", "streams")
	s.smallTemplate("small")
	blind := s.role("blind", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}`)
	order := []string{"automate", "--data", s.data, "--source", "uploads", "--template", "small", "--destination", "streams", "--json"}
	s.vodwright(append(order, "--role", blind)...)

	video := string(readClip(t, clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 1}, "v.mp4"))
	s.put("uploads", "a b.mp4", video)
	s.kill()
	s.start()
	var failures []string
	eventually(t, time.Minute, "the log tells of the failure", func() bool {
		failures = s.logged("/vodwright/events/automate-uploads", `{ $.outcome = "*FAILED" }`)
		return len(failures) > 0
	})
	var line struct{ Outcome, Subject, Job, Code, Error string }
	if err := json.Unmarshal([]byte(failures[0]), &line); err != nil || line.Outcome != "JOB_FAILED" ||
		line.Subject != "s3://uploads/a b.mp4" || line.Job == "" || line.Code != "1401" || line.Error == "" {
		t.Errorf("the log says %s, %v", failures[0], err)
	}

	refused := exec.Command(programPath, order...) // without the role: another automation of that name
	out, err := refused.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !bytes.Contains(out, []byte("does something else")) || !bytes.Contains(out, []byte("--name automate-uploads replaces it")) {
		t.Errorf("another order: %v\n%s", err, out)
	}
	var made struct{ Replaced *struct{ RoleARN string } }
	if err := json.Unmarshal(s.vodwright(append(order, "--name", "automate-uploads")...), &made); err != nil || made.Replaced == nil || made.Replaced.RoleARN != blind {
		t.Errorf("replaced %+v, %v", made.Replaced, err)
	}
	made.Replaced = nil
	if err := json.Unmarshal(s.vodwright(order...), &made); err != nil || made.Replaced != nil {
		t.Errorf("the same again replaced %+v, %v", made.Replaced, err)
	}

	s.put("uploads", "c.mp4", video)
	var list []struct {
		Jobs struct {
			AtWork, Complete, Failed int
			LastFailure              struct {
				Job, Input string
				Code       int
				At         time.Time
			}
		}
	}
	eventually(t, time.Minute, "a job is complete", func() bool {
		if err := json.Unmarshal(s.vodwright("automate", "--data", s.data, "--list", "--json"), &list); err != nil || len(list) != 1 {
			t.Fatalf("list %+v, %v", list, err)
		}
		return list[0].Jobs.Complete == 1
	})
	if j := list[0].Jobs; j.AtWork != 0 || j.Failed != 1 || j.LastFailure.Job != line.Job || j.LastFailure.Input != line.Subject || j.LastFailure.Code != 1401 || time.Since(j.LastFailure.At) > time.Hour {
		t.Errorf("list %+v", j)
	}
	text := string(s.vodwright("automate", "--data", s.data, "--list"))
	for _, want := range []string{"jobs 0 at work, 1 complete, 1 failed\n", "last failure ", "job " + line.Job + " of s3://uploads/a b.mp4: 1401 ", "--filter-pattern"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the list:\n%s", want, text)
		}
	}
	s.stop()
}
