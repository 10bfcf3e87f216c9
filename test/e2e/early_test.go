package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/chromedp/chromedp"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// status fetches a URL from the edge and returns what came.
func status(t *testing.T, url string) (int, []byte) {
	t.Helper()
	answer, err := harness.Viewer().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// planned waits until a published stream can be opened, and returns its playlist.
func planned(t *testing.T, url string) string {
	t.Helper()
	var text string
	eventually(t, time.Minute, "the stream of a planned job opens", func() bool {
		code, body := status(t, url)
		text = string(body)
		return code == http.StatusOK
	})
	return text
}

// uris lists the lines of a playlist that are no tags, as URLs.
func uris(playlist, text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, playlist[:strings.LastIndex(playlist, "/")+1]+line)
		}
	}
	return out
}

var bandwidths = regexp.MustCompile(`BANDWIDTH=\d+`)

// smallLadder is a template of two small rungs, for jobs that take a while because
// they are long.
const smallLadder = `{"Name": "small", "Settings": {
	"Inputs": [{"AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}],
	"OutputGroups": [{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"SegmentLength": 2, "MinSegmentLength": 0}}, "Outputs": [
		{"NameModifier": "_180", "ContainerSettings": {"Container": "M3U8"}, "VideoDescription": {"Width": 320, "Height": 180, "CodecSettings": {"Codec": "H_264",
			"H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 600000, "QualityTuningLevel": "SINGLE_PASS"}}}, "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC",
			"AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]},
		{"NameModifier": "_360", "ContainerSettings": {"Container": "M3U8"}, "VideoDescription": {"Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264",
			"H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1500000, "CodecProfile": "HIGH"}}}, "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC",
			"AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]}]}]}}`

// publishSmall submits a long clip to the small ladder, on one worker.
func publishSmall(t *testing.T, seconds int) (*server, harness.Published) {
	t.Helper()
	s := startServer(t, "--workers", "1")
	file := makeClip(t, clip.Spec{Width: 640, Height: 360, FrameRate: media.R(25, 1), Seconds: seconds}, "long.mp4")
	template := filepath.Join(t.TempDir(), "small.json")
	s.must(os.WriteFile(template, []byte(smallLadder), 0o644))
	s.vodwright("template", "import", "--data", s.data, template)
	return s, s.publish("--detach", "--template", "small", file)
}

// TestAJobPlaysWhileItIsEncoded takes playlists and segments of a job that is at
// work, here and there, kills the server in between, and holds what it has against
// what is published in the end.
func TestAJobPlaysWhileItIsEncoded(t *testing.T) {
	t.Parallel()
	s, p := publishSmall(t, 61)
	held := map[string][]byte{}
	take := func(url string) string {
		held[url] = download(t, url)
		return string(held[url])
	}
	working := func(when string) {
		t.Helper()
		j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &p.JobID})
		s.must(err)
		if j.Job.Status != types.JobStatusProgressing {
			t.Errorf("%s: the job is %s", when, j.Job.Status)
		}
		if keys := s.outputs(); len(keys) > 0 {
			t.Errorf("%s: the bucket has %q", when, keys)
		}
	}
	top := planned(t, p.StreamURL)
	lists := uris(p.StreamURL, top)
	if len(lists) != 2 {
		t.Fatalf("the playlist has %d variants:\n%s", len(lists), top)
	}
	segments := make([][]string, len(lists))
	for i, list := range lists {
		segments[i] = uris(list, take(list))
		if len(segments[i]) != 31 {
			t.Fatalf("%s has %d segments", list, len(segments[i]))
		}
	}
	take(segments[0][0])
	take(segments[0][22]) // far from what is encoded
	take(segments[1][22]) // the same place in another rung
	working("after a jump")
	s.kill()
	s.start()
	planned(t, p.StreamURL)
	take(segments[0][30])
	working("after the server was killed")

	if j := s.waitJob(p.JobID, 6*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	if n := len(s.outputs()); n != 1+2+2*31 {
		t.Errorf("%d objects were published", n)
	}
	for url, before := range held {
		if after := download(t, url); string(after) != string(before) {
			t.Errorf("%s: %d bytes were served early, %d others were published", url, len(before), len(after))
		}
	}
	var published string
	eventually(t, 5*time.Second, "the published playlist has measured bandwidths", func() bool {
		published = string(download(t, p.StreamURL))
		return published != top
	})
	if a, b := bandwidths.ReplaceAllString(top, ""), bandwidths.ReplaceAllString(published, ""); a != b {
		t.Errorf("the playlist was\n%s\nand is\n%s", a, b)
	}
	expectExact(t, p, 61*25)
	s.stop()
}

// expectExact downloads a published stream and expects every frame of the source in it.
func expectExact(t *testing.T, p harness.Published, frames int) {
	t.Helper()
	if n := checkShape(t, fetchStream(t, p.StreamURL)); n != frames {
		t.Errorf("%d frames, the source has %d", n, frames)
	}
}

// TestAStreamEndsWithItsJob cancels a job while a viewer waits for a segment of it.
func TestAStreamEndsWithItsJob(t *testing.T) {
	t.Parallel()
	s, p := publishSmall(t, 121)
	lists := uris(p.StreamURL, planned(t, p.StreamURL))
	last := uris(lists[1], string(download(t, lists[1])))
	answered := make(chan int, 1)
	go func() {
		answer, err := harness.Viewer().Get(last[len(last)-1])
		if err != nil {
			answered <- 0
			return
		}
		answer.Body.Close()
		answered <- answer.StatusCode
	}()
	eventually(t, 20*time.Second, "the segment is being encoded", func() bool { return len(encodersBelow(t, s.data)) > 1 })
	_, err := s.Jobs().CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: &p.JobID})
	s.must(err)
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	select {
	case code := <-answered:
		if code != http.StatusNotFound {
			t.Errorf("who waited got %d", code)
		}
	case <-limit.C:
		t.Error("who waits still waits")
	}
	for _, url := range []string{p.StreamURL, lists[0], last[0]} {
		eventually(t, 5*time.Second, "nothing of a canceled job is served", func() bool {
			code, _ := status(t, url)
			return code == http.StatusNotFound
		})
	}
	eventually(t, 5*time.Second, "the encoders stop", func() bool { return len(encodersBelow(t, s.data)) == 0 })
	s.stop()
}

// TestBrowsersPlayAJobAtWork has two viewers watch a job at two places while it is
// encoded, one of whom jumps, and goes on when it is complete.
func TestBrowsersPlayAJobAtWork(t *testing.T) {
	first, stop := context.WithTimeout(harness.Browser(t), 8*time.Minute)
	defer stop()
	s, p := publishSmall(t, 121)
	planned(t, p.StreamURL)
	second, stopSecond := chromedp.NewContext(first)
	defer stopSecond()
	const video = `document.querySelector('video')`
	plays := func(ctx context.Context, what string, at float64) {
		t.Helper()
		runJS(t, ctx, fmt.Sprintf(`window.before = %s.getVideoPlaybackQuality().totalVideoFrames; if (%f > 0) %s.currentTime = %f; %s.play().catch(e => {})`, video, at, video, at, video))
		pollJS(t, ctx, what, fmt.Sprintf(video+`.currentTime > %f && %s.getVideoPlaybackQuality().totalVideoFrames > window.before + 10`, at+0.3, video))
	}
	for _, ctx := range []context.Context{first, second} {
		if err := chromedp.Do(ctx, chromedp.Navigate(p.PlayerURL)); err != nil {
			t.Fatal(err)
		}
		pollJS(t, ctx, "the page has a player", video+` !== null && !!window.vodwright && !!window.vodwright.hls`)
		runJS(t, ctx, video+`.muted = true`)
	}
	plays(first, "the beginning is shown", 0)
	plays(second, "another place is shown", 100)
	plays(first, "the viewer jumps", 60)
	if j, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &p.JobID}); err != nil || j.Job.Status != types.JobStatusProgressing {
		t.Errorf("the job is %s (%v): it was not at work all the while", j.Job.Status, err)
	}
	if j := s.waitJob(p.JobID, 6*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	plays(first, "the viewer goes on after the end of the job", 5)
	for _, ctx := range []context.Context{first, second} {
		if errors := playerErrors(t, ctx); errors != "[]" { // but waiting
			t.Errorf("the player met errors: %s", errors)
		}
	}
	s.stop()
}
