package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// sharing starts servers that share a PostgreSQL, a NATS cluster and another Vodwright
// as their S3; they have nothing else in common.
func sharing(t *testing.T, servers int, args ...string) (out []*server, nats string) {
	t.Helper()
	records, work, bytes := harness.StartPostgres(t), harness.StartNATS(t, 1), startServer(t, "--workers", "1")
	bytes.buckets("bytes")
	key, err := bytes.Key(t.Context())
	bytes.must(err)
	nats = strings.Join(work.URLs, ",")
	args = append([]string{
		"--postgres", records.URL, "--nats", nats,
		"--s3", bytes.HTTP + "/bytes/vod", "--s3-access-key", key.AccessKeyID, "--s3-secret-key", key.SecretAccessKey,
	}, args...)
	for range servers {
		out = append(out, startServer(t, args...))
	}
	return out, nats
}

// at is an address of the edge, at another server.
func (s *server) at(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(host, ":")
	here := s.HTTP
	if scheme == "https" {
		here = s.HTTPS
	}
	return scheme + "://" + name + here[strings.LastIndexByte(here, ':'):] + "/" + path
}

// TestServersShare makes users, functions and distributions on one server and uses them
// on another: keys that are made, changed and revoked, code, objects and events.
func TestServersShare(t *testing.T) {
	t.Parallel()
	all, _ := sharing(t, 2, "--workers", "1")
	a, b := all[0], all[1]
	ctx := t.Context()
	rootA, err := a.Key(ctx)
	a.must(err)
	rootB, err := b.Key(ctx)
	b.must(err)
	caA, err := os.ReadFile(filepath.Join(a.data, "tls", "ca.pem"))
	a.must(err)
	caB, err := os.ReadFile(filepath.Join(b.data, "tls", "ca.pem"))
	b.must(err)
	if rootA != rootB || !bytes.Equal(caA, caB) {
		t.Error("two servers have two root keys, or two authorities")
	}

	ann := sender{Credentials: a.keyOf("ann", ""), base: b.HTTP}
	lists := apiRequest{"mediaconvert", "GET", "/2017-08-29/jobs", "", "", "mediaconvert:ListJobs"}
	if status, code := ann.send(t, lists); code != "AccessDeniedException" {
		t.Errorf("a new user without rights, on the other server: %d %s", status, code)
	}
	a.allow("ann", *document(`{"Effect":"Allow","Action":"mediaconvert:*","Resource":"*"}`))
	if status, code := ann.send(t, lists); status != http.StatusOK {
		t.Errorf("a right that was just given on the other server: %d %s", status, code)
	}
	people := iam.NewFromConfig(a.Config())
	_, err = people.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.AccessKeyID, Status: iamtypes.StatusTypeInactive})
	a.must(err)
	eventually(t, time.Minute, "a key that was revoked is refused on the other server", func() bool {
		_, code := ann.send(t, lists)
		return code == "UnrecognizedClientException"
	})

	// Every object that either server takes reaches the function, on whichever runs it.
	a.buckets("inbox", "seen")
	a.makeFunction("copier", copier, "inbox")
	var want []string
	for i := range 6 {
		key := fmt.Sprintf("%02d.txt", i)
		all[i%2].put("inbox", key, "x")
		want = append(want, key)
	}
	eventually(t, 2*time.Minute, "the function has seen every object", func() bool {
		return fmt.Sprint(b.Keys(t, "seen", "")) == fmt.Sprint(want)
	})
	ran, err := lambda.NewFromConfig(b.Config()).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("copier"), Payload: []byte(`{"Records":[]}`)})
	b.must(err)
	if ran.FunctionError != nil {
		t.Errorf("a function that was made on the other server: %s %s", *ran.FunctionError, ran.Payload)
	}

	edge := a.distribute("seen")
	if got := download(t, b.at(edge+"/00.txt")); !strings.HasPrefix(string(got), "ObjectCreated") {
		t.Errorf("the other server's edge: %q", got)
	}
	a.put("seen", "00.txt", "new")
	list, err := cloudfront.NewFromConfig(a.Config()).ListDistributions(ctx, &cloudfront.ListDistributionsInput{})
	a.must(err)
	_, err = cloudfront.NewFromConfig(a.Config()).CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{
		DistributionId:    list.DistributionList.Items[0].Id,
		InvalidationBatch: &cf.InvalidationBatch{CallerReference: aws.String("1"), Paths: &cf.Paths{Quantity: aws.Int32(1), Items: []string{"/00.txt"}}},
	})
	a.must(err)
	eventually(t, time.Minute, "an invalidation acts on the other server", func() bool { return string(download(t, b.at(edge+"/00.txt"))) == "new" })
	a.stop()
	b.stop()
}

// TestServerDies kills the server that leads while it, another and a worker encode a
// job: it completes on those that are left, exact to the frame, and plays there meanwhile.
func TestServerDies(t *testing.T) {
	t.Parallel()
	all, nats := sharing(t, 2, "--workers", "1")
	r := join(t, programPath, nats, "beside", "--concurrency", "1")
	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 12}
	p := all[0].publish("--detach", makeClip(t, spec, "long.mp4"))
	last := all[1]
	eventually(t, 2*time.Minute, "it encodes", func() bool { return len(encodersBelow(t, all[0].data))+len(encodersBelow(t, r.work)) > 0 })
	all[0].kill()
	if got := download(t, last.at(p.StreamURL)); !bytes.Contains(got, []byte("#EXT-X-STREAM-INF")) {
		t.Errorf("the stream of a job at work: %q", got)
	}
	j := last.waitJob(p.JobID, 4*time.Minute)
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	expectStream(t, last.at(p.StreamURL), spec)
	eventually(t, time.Minute, "nothing is left anywhere", func() bool { return len(last.left()) == 0 && len(r.holds()) == 0 })
	last.stop()
}
