package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"vodwright.dev/vodwright/internal/clip"
)

// A job reads and writes with its role's rights alone, and says in the service's
// codes what it lacks.
func TestJobsHaveTheRightsOfTheirRole(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.publish(makeClip(t, clip.Spec{Width: 160, Height: 90, Seconds: 1}, "ok.mp4")) // makes the buckets, and the template
	file := makeClip(t, clip.Spec{Width: 160, Height: 90, Seconds: 1}, "clip.mp4")
	s.putFile("vod-source", "mine/clip.mp4", file)
	s.putFile("vod-source", "secret/clip.mp4", file)
	const (
		service = "mediaconvert.amazonaws.com"
		reads   = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::vod-source/mine/*"}`
		writes  = `{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::vod-streams/out/*"}`
	)
	good := s.role("good", service, reads+","+writes)
	stranger := s.role("stranger", "lambda.amazonaws.com", reads+","+writes)
	blind := s.role("blind", service, writes)
	mute := s.role("mute", service, reads)
	half := s.role("half", service, reads+","+writes+`,{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::vod-streams/out/*.ts"}`)
	create := func(role, input, destination string) jobDoc {
		settings := fmt.Sprintf(`{"Inputs":[{"FileInput":"s3://vod-source/%s"}],"OutputGroups":[{"OutputGroupSettings":{"HlsGroupSettings":{"Destination":"s3://vod-streams/%s"}}}]}`, input, destination)
		return s.submit(role, settings)
	}
	for _, c := range []struct {
		name, role, input, destination string
		code                           int
	}{
		{"all rights it needs", good, "mine/clip.mp4", "out/x", 0},
		{"another's source", good, "secret/clip.mp4", "out/y", 1401},
		{"another's destination", good, "mine/clip.mp4", "elsewhere/y", 1401},
		{"no trust", stranger, "mine/clip.mp4", "out/y", 1434},
		{"no such role", strings.Replace(good, "role/good", "role/none", 1), "mine/clip.mp4", "out/y", 1433},
		{"no right to read", blind, "mine/clip.mp4", "out/y", 1401},
		{"no right to write", mute, "mine/clip.mp4", "out/y", 1401},
		{"no right to write segments", half, "mine/clip.mp4", "out/y", 1401},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := create(c.role, c.input, c.destination)
			if want := map[bool]string{true: "COMPLETE", false: "ERROR"}[c.code == 0]; j.Job.Status != want || j.Job.ErrorCode != c.code {
				t.Errorf("got %s %d %q, want %s %d", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage, want, c.code)
			}
		})
	}
	for _, key := range s.outputs() {
		if strings.HasPrefix(key, "out/y") || strings.HasPrefix(key, "elsewhere/") {
			t.Errorf("a refused job left %s", key)
		}
	}

	// Who makes a job must be allowed to, in that queue, and to pass its role.
	s.aws(nil, "mediaconvert", "create-queue", "--name", "fast")
	const jobs = `{"Effect":"Allow","Action":"mediaconvert:CreateJob","Resource":["arn:aws:mediaconvert:*:*:queues/Default","arn:aws:mediaconvert:*:*:jobTemplates/vod-*"]}`
	settings := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(settings, []byte(`{"Inputs":[{"FileInput":"s3://vod-source/mine/clip.mp4"}],"OutputGroups":[{"OutputGroupSettings":{"HlsGroupSettings":{"Destination":"s3://vod-streams/out/z"}}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	passes := s.keyOf("passes", *document(jobs + `,{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + good + `","Condition":{"StringEquals":{"iam:PassedToService":"` + service + `"}}}`))
	holds := s.keyOf("holds", *document(jobs + `,{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + good + `","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}`))
	for _, c := range []struct {
		name         string
		key          aws.Credentials
		role, queue  string
		denied, what string
	}{
		{"allowed", passes, good, "Default", "", ""},
		{"another queue", passes, good, "fast", "mediaconvert:CreateJob", "queues/fast"},
		{"another role", passes, mute, "Default", "iam:PassRole", mute},
		{"a role for another service", holds, good, "Default", "iam:PassRole", good},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := s.in(t).awsAs(c.key, "mediaconvert", "create-job", "--job-template", "vod-hls", "--role", c.role, "--queue", c.queue, "--settings", "file://"+settings)
			switch text := string(out); {
			case c.denied == "" && err != nil:
				t.Errorf("%v\n%s", err, text)
			case c.denied != "" && (err == nil || !strings.Contains(text, "AccessDeniedException") || !strings.Contains(text, "is not authorized to perform: "+c.denied+" on resource: ") || !strings.Contains(text, c.what)):
				t.Errorf("want %s denied on %s, got %v\n%s", c.denied, c.what, err, text)
			}
		})
	}
	var list struct{ Jobs []struct{ Status string } }
	s.aws(&list, "mediaconvert", "list-jobs", "--queue", "fast")
	if len(list.Jobs) != 0 {
		t.Errorf("a refused request made a job: %+v", list)
	}
}
