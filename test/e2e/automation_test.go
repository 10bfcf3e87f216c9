package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// smallTemplate makes a job template that costs little: one rung of 160×90.
func (s *server) smallTemplate(name string) {
	s.t.Helper()
	settings := `{"Inputs":[{"AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}}}],"OutputGroups":[{
		"OutputGroupSettings":{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"SegmentLength":2,"MinSegmentLength":0}},
		"Outputs":[{"NameModifier":"_small","ContainerSettings":{"Container":"M3U8"},
		"VideoDescription":{"Width":160,"Height":90,"CodecSettings":{"Codec":"H_264","H264Settings":{"RateControlMode":"QVBR","MaxBitrate":200000,"GopSize":2,"GopSizeUnits":"SECONDS"}}},
		"AudioDescriptions":[{"CodecSettings":{"Codec":"AAC","AacSettings":{"Bitrate":96000,"CodingMode":"CODING_MODE_2_0","SampleRate":48000}}}]}]}]}`
	s.template(name, settings)
}

// hookReceiver is a webhook that checks signatures and keeps the order of events.
type hookReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	order  map[string][]string // statuses by job, in order of first arrival
	seen   map[string]bool
	broken int // requests to answer with 503 before all is well
	bad    []string
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func receiveHooks(t *testing.T) *hookReceiver {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	h := &hookReceiver{order: map[string][]string{}, seen: map[string]bool{}, broken: 3}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		mac := hmac.New(sha256.New, key)
		io.WriteString(mac, r.Header.Get("webhook-id")+"."+r.Header.Get("webhook-timestamp")+"."+string(body))
		if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			h.bad = append(h.bad, string(body))
		}
		if h.broken > 0 {
			h.broken--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var e struct {
			ID     string `json:"id"`
			Source string `json:"source"`
			Kind   string `json:"detail-type"`
			Detail struct{ JobID, Status string }
		}
		if json.Unmarshal(body, &e) != nil || e.Source != "aws.mediaconvert" || e.Kind != "MediaConvert Job State Change" {
			h.bad = append(h.bad, string(body))
			return
		}
		if !h.seen[e.ID] {
			h.seen[e.ID] = true
			h.order[e.Detail.JobID] = append(h.order[e.Detail.JobID], e.Detail.Status)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// TestAutomationUnderKills puts videos and other things into a bucket while the
// server is killed at random moments: every version of every video becomes one
// job, nothing else does, and a webhook hears of each job in order.
func TestAutomationUnderKills(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("uploads", "streams")
	_, err := s.S3().PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("uploads"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}})
	s.must(err)
	s.smallTemplate("small")
	s.vodwright("automate", "--data", s.data, "--source", "uploads", "--template", "small", "--destination", "streams/made")
	hook := receiveHooks(t)
	s.jobHook(hook.URL)

	video := readClip(t, clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 1}, "v.mp4")
	other := readClip(t, clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 1}, "v.ts") // the demuxers decide
	uploads := []struct {
		key   string
		body  []byte
		video bool
	}{
		{"one.mp4", video, true},
		{"a b+c %20/ü $x$ & 100%.mp4", video, true},
		{"not really.mp4", []byte("plain text\n"), false},
		{"named as text.txt", video, true},
		{"stream", other, true},
		{"archive.mov", []byte("PK\x03\x04\x00\x00\x00"), false},
		{"empty.mp4", nil, false},
		{"one.mp4", append(bytes.Clone(video), box("free")...), true}, // another version
		{"last.mp4", video, true},
	}
	random := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	want := map[string]int{}
	for i, u := range uploads {
		s.put("uploads", u.key, string(u.body))
		if u.video {
			want["s3://uploads/"+u.key]++
		}
		if i%2 == 0 || u.key == "one.mp4" { // wherever that finds it: before, within or after any of the steps
			if u.key != "one.mp4" || i > 0 {
				<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
			} else { // its first version must be seen before the second one comes
				eventually(t, time.Minute, "the first version becomes a job", func() bool { return len(s.jobsByInput()) > 0 })
			}
			s.kill()
			s.start()
		}
	}
	total := 0
	for _, n := range want {
		total += n
	}
	eventually(t, 2*time.Minute, "all jobs are complete", func() bool {
		done := 0
		for _, list := range s.jobsByInput() {
			for _, j := range list {
				if j.Status == mc.JobStatusComplete {
					done++
				}
			}
		}
		return done >= total
	})
	got := s.jobsByInput()
	for input, n := range want {
		if len(got[input]) != n {
			t.Errorf("%d jobs of %s, want %d", len(got[input]), input, n)
		}
		for _, j := range got[input] {
			base := "s3://streams/made/assets/" + j.UserMetadata["assetID"] + "/HLS/"
			if d := aws.ToString(j.Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Destination); !strings.HasPrefix(d, base) || j.UserMetadata["assetID"] == "" {
				t.Errorf("%s goes to %s", input, d)
			}
		}
		delete(got, input)
	}
	if len(got) != 0 {
		t.Errorf("jobs of what is no video: %v", got)
	}
	eventually(t, time.Minute, "the webhook has heard of the end of every job", func() bool {
		hook.mu.Lock()
		defer hook.mu.Unlock()
		ends := 0
		for _, order := range hook.order {
			if order[len(order)-1] == "COMPLETE" {
				ends++
			}
		}
		return ends >= total
	})
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if len(hook.bad) > 0 {
		t.Errorf("requests that are not right: %q", hook.bad)
	}
	for id, order := range hook.order {
		text := strings.Join(order, " ")
		if !strings.HasPrefix(text, "PROGRESSING INPUT_INFORMATION") || strings.Count(text, "COMPLETE") != 1 || !strings.HasSuffix(text, "COMPLETE") {
			t.Errorf("the events of job %s came in the order %s", id, text)
		}
	}
	reasons := s.deliveries("automate-uploads")
	for key, want := range map[string]string{"not really.mp4": "it is no video but text", "archive.mov": "it is no video but a zip archive", "empty.mp4": "it is empty"} {
		if reasons["s3://uploads/"+key] != want {
			t.Errorf("the log says of %s: %q, want %q", key, reasons["s3://uploads/"+key], want)
		}
	}
	s.vodwright("automate", "--data", s.data, "--remove", "automate-uploads")
}

// TestAutomationWithinOneBucket has source and destination in one bucket: no output
// becomes a job, wherever it lies.
func TestAutomationWithinOneBucket(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("one-bucket")
	s.smallTemplate("small")
	s.vodwright("automate", "--data", s.data, "--source", "one-bucket", "--template", "small", "--destination", "one-bucket", "--name", "same", "--prefix", "")
	s.put("one-bucket", "v.mp4", string(readClip(t, clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 1}, "v.mp4")))
	var id string
	eventually(t, time.Minute, "there is a job", func() bool {
		for _, list := range s.jobsByInput() {
			id = aws.ToString(list[0].Id)
		}
		return id != ""
	})
	if j := s.waitJob(id, 5*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("%+v", j)
	}
	// A copy of an output, put where uploads go, is an output still.
	keys := s.Keys(t, "one-bucket", "assets/")
	if len(keys) < 3 {
		t.Fatalf("outputs: %v", keys)
	}
	var segment string
	for _, key := range keys {
		if strings.HasSuffix(key, ".ts") {
			segment = key
		}
	}
	if _, err := s.S3().CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("one-bucket"), Key: aws.String("copy.ts"), CopySource: aws.String("one-bucket/" + segment), MetadataDirective: s3types.MetadataDirectiveCopy}); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the copy is looked at", func() bool { return s.deliveries("same")["s3://one-bucket/copy.ts"] != "" })
	if reason := s.deliveries("same")["s3://one-bucket/copy.ts"]; reason != "it is an output of job "+id {
		t.Errorf("the copy: %q", reason)
	}
	if jobs := s.jobsByInput(); len(jobs) != 1 {
		t.Errorf("outputs became jobs: %v", jobs)
	}
	s.stop()
}

// box is an empty box of an MP4 file.
func box(kind string) []byte { return append([]byte{0, 0, 0, 8}, kind...) }

func readClip(t *testing.T, spec clip.Spec, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(makeClip(t, spec, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// jobHook sends what happens to jobs to a webhook.
func (s *server) jobHook(url string) {
	s.t.Helper()
	ctx := s.t.Context()
	c := eventbridge.NewFromConfig(s.Config())
	connection, err := c.CreateConnection(ctx, &eventbridge.CreateConnectionInput{
		Name: aws.String("hook"), AuthorizationType: events.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &events.CreateConnectionAuthRequestParameters{ApiKeyAuthParameters: &events.CreateConnectionApiKeyAuthRequestParameters{
			ApiKeyName: aws.String("webhook-signature"), ApiKeyValue: aws.String(hookSecret),
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	destination, err := c.CreateApiDestination(ctx, &eventbridge.CreateApiDestinationInput{
		Name: aws.String("hook"), ConnectionArn: connection.ConnectionArn, InvocationEndpoint: &url, HttpMethod: events.ApiDestinationHttpMethodPost,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("jobs"), EventPattern: aws.String(`{"source":["aws.mediaconvert"]}`)}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("jobs"), Targets: []events.Target{{Id: aws.String("hook"), Arn: destination.ApiDestinationArn}}}); err != nil {
		s.t.Fatal(err)
	}
}

// deliveries reads the log of a rule: the last reason that it gives for each subject.
func (s *server) deliveries(rule string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, message := range s.logged("/vodwright/events/"+rule, "") {
		var line struct{ Subject, Reason, Outcome string }
		if err := json.Unmarshal([]byte(message), &line); err != nil {
			s.t.Fatal(fmt.Errorf("%s: %w", message, err))
		}
		out[line.Subject] = line.Reason
	}
	return out
}
