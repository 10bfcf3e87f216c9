package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/chromedp/chromedp"

	"vodwright.dev/vodwright/test/harness"
)

const aboutEarly = "Jobs of 1080p sources of 8 Mbit/s that differ in length alone, with `vodwright publish`'s template (segments of 2 seconds) and with the walkthrough's segments of 10. " +
	"All times but the jump's begin when CreateJob is sent, which is when a source's upload is complete: until the playlist is served, until the last byte of the smallest rung's first segment, " +
	"until Chromium shows a frame of it in the console's player, which it opens when the playlist is there. The jump is one request for a segment that is far from what is encoded, until its last byte."

// What is to be reached, in seconds, on two idle cores, whatever a source's length.
const (
	firstSegmentLimit = 1.0
	firstFrameLimit   = 1.5
	longSegmentLimit  = 2.5
	jumpLimit         = 1.5
)

// earlySource is a source of section early.
type earlySource struct {
	name string
	key  string // in the bucket of publish's sources
	jump bool   // it is long enough to jump in
}

func benchEarly(ctx context.Context, b *bench, r *report) (err error) {
	s, err := b.serve(ctx, filepath.Join(b.dir, "early-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	short := filepath.Join(b.dir, "early-10s.mp4")
	if err := makeEarlySource(ctx, short); err != nil {
		return err
	}
	e := &earlyBench{bench: b, server: s, viewer: harness.Viewer()}
	if err := e.prepare(ctx, short); err != nil {
		return err
	}
	tab, stop, err := harness.StartBrowser(ctx)
	if err != nil {
		return err
	}
	defer stop()
	rows := [][]string{{"source", "playlist, s", "first segment, s", "first frame, s", "10 s segments: first byte, s", "first segment, s", "jump, s"}}
	for name := range strings.SplitSeq(b.early, ",") {
		length, err := time.ParseDuration(name)
		if err != nil {
			return fmt.Errorf("-early: %w", err)
		}
		src, err := e.upload(ctx, short, name, length)
		if err != nil {
			return err
		}
		var playlist, segment, frame, firstByte, long, jump sample
		for i := range b.runs {
			w, err := e.watch(ctx, src, 2)
			if err != nil {
				return err
			}
			l, err := e.watch(ctx, src, segmentSeconds)
			if err != nil {
				return err
			}
			f, err := e.show(ctx, tab, src)
			if err != nil {
				return err
			}
			b.logf("early: %s, run %d: playlist %.2f, segment %.2f, frame %.2f, 10 s segment %.2f, its first byte %.2f, jump %.2f",
				name, i+1, w.playlist.Seconds(), w.segment.Seconds(), f.Seconds(), l.segment.Seconds(), l.firstByte.Seconds(), w.jump.Seconds())
			playlist.seconds(w.playlist)
			segment.seconds(w.segment)
			frame.seconds(f)
			firstByte.seconds(l.firstByte)
			long.seconds(l.segment)
			if src.jump {
				jump.seconds(w.jump)
			}
		}
		rows = append(rows, []string{name, playlist.show("%.2f"), segment.show("%.2f"), frame.show("%.2f"), firstByte.show("%.2f"), long.show("%.2f"), jump.show("%.2f")})
		r.atMost("first segment, "+name, segment.median(), firstSegmentLimit, "%.2f s")
		r.atMost("first frame in Chromium, "+name, frame.median(), firstFrameLimit, "%.2f s")
		r.atMost("first segment of 10 s, "+name, long.median(), longSegmentLimit, "%.2f s")
		if src.jump {
			r.atMost("jump, "+name, jump.median(), jumpLimit, "%.2f s")
		}
		if _, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(sourceBucket), Key: &src.key}); err != nil {
			return err
		}
	}
	r.table(rows...)
	return nil
}

// makeEarlySource makes ten seconds of 1080p at 8 Mbit/s: a picture that moves, and
// grain. Keyframes are where x264 puts them.
func makeEarlySource(ctx context.Context, path string) error {
	_, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=10,noise=alls=9:allf=t",
		"-f", "lavfi", "-i", "anoisesrc=color=pink:seed=1:amplitude=0.3:r=48000:d=10", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
		"-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M", "-c:a", "aac", "-b:a", "128k", path)
	if err != nil {
		return fmt.Errorf("make a clip of ten seconds: %w", err)
	}
	return nil
}

// earlyBench is a server with what publish makes on it.
type earlyBench struct {
	*bench
	server   *server
	viewer   *http.Client
	role     string
	template json.RawMessage // the settings of publish's template
	edge     string          // URL of the distribution, with a slash
	jobs     int
}

const (
	sourceBucket = "vod-source"
	streamBucket = "vod-streams"
)

// prepare has publish make buckets, template, role and distribution.
func (e *earlyBench) prepare(ctx context.Context, clip string) error {
	out, _, err := output(ctx, e.program, "publish", "--data", e.server.Data, "--json", "--detach", clip)
	if err != nil {
		return err
	}
	var p harness.Published
	if err := json.Unmarshal(out, &p); err != nil {
		return fmt.Errorf("decode publish's answer: %w", err)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(p.StreamURL, "http://"), "/")
	e.edge = "http://" + host + "/"
	var job struct {
		Job struct {
			Role     string          `json:"role"`
			Settings json.RawMessage `json:"settings"`
		} `json:"job"`
	}
	if err := e.server.Call(ctx, "mediaconvert", "GET", jobsPath+"/"+p.JobID, nil, &job); err != nil {
		return err
	}
	e.role, e.template = job.Job.Role, job.Job.Settings
	return e.cancel(ctx, p.JobID)
}

const jobsPath = "/2017-08-29/jobs"

// upload makes a source of a length and uploads it.
func (e *earlyBench) upload(ctx context.Context, short, name string, length time.Duration) (earlySource, error) {
	src := earlySource{name: name, key: "early/" + name + ".mp4", jump: length > time.Minute}
	path := filepath.Join(e.dir, "early-source.mp4")
	e.logf("early: a source of %s", name)
	if _, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-stream_loop", fmt.Sprint(int(length/(10*time.Second))-1), "-i", short, "-c", "copy", path); err != nil {
		return src, err
	}
	defer os.Remove(path)
	f, err := os.Open(path)
	if err != nil {
		return src, err
	}
	defer f.Close()
	_, err = transfermanager.New(e.server.s3).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(sourceBucket), Key: &src.key, Body: f})
	return src, err
}

// create submits a job with segments of so many seconds, and returns its ID and the
// path of its playlist.
func (e *earlyBench) create(ctx context.Context, src earlySource, seconds int) (id, playlist string, err error) {
	e.jobs++
	name := fmt.Sprintf("early/%d/film", e.jobs)
	input, destination := "s3://"+sourceBucket+"/"+src.key, "s3://"+streamBucket+"/"+name
	doc := jobDocument(hd720, input, destination, "SINGLE_PASS")
	if seconds != segmentSeconds {
		var settings map[string]any
		if err := json.Unmarshal(e.template, &settings); err != nil {
			return "", "", err
		}
		settings["inputs"].([]any)[0].(map[string]any)["fileInput"] = input
		settings["outputGroups"].([]any)[0].(map[string]any)["outputGroupSettings"].(map[string]any)["hlsGroupSettings"].(map[string]any)["destination"] = destination
		doc["settings"] = settings
	}
	doc["role"] = e.role
	body, err := json.Marshal(doc)
	if err != nil {
		return "", "", err
	}
	var made struct {
		Job struct {
			ID string `json:"id"`
		} `json:"job"`
	}
	err = e.server.Call(ctx, "mediaconvert", "POST", jobsPath, body, &made)
	return made.Job.ID, e.edge + name + ".m3u8", err
}

// cancel ends a job and waits until the machine is quiet.
func (e *earlyBench) cancel(ctx context.Context, id string) error {
	var over struct{}
	if err := e.server.Call(ctx, "mediaconvert", "DELETE", jobsPath+"/"+id, nil, &over); err != nil && !strings.Contains(err.Error(), "409") {
		return err
	}
	work := filepath.Join(e.server.Data, "work", id)
	return harness.Poll(ctx, 20*time.Millisecond, 30*time.Second, "the job leaves nothing behind", func() (bool, error) {
		_, err := os.Stat(work)
		return errors.Is(err, os.ErrNotExist), nil
	})
}

// watched is when what a viewer sees was there.
type watched struct{ playlist, firstByte, segment, jump time.Duration }

// watch submits a job and watches it as a player does.
func (e *earlyBench) watch(ctx context.Context, src earlySource, seconds int) (w watched, err error) {
	began := time.Now()
	id, playlist, err := e.create(ctx, src, seconds)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, e.cancel(ctx, id)) }()
	top, err := e.planned(ctx, playlist)
	if err != nil {
		return w, err
	}
	w.playlist = time.Since(began)
	lists := linesOf(playlist, top)
	if len(lists) == 0 {
		return w, fmt.Errorf("no variants in\n%s", top)
	}
	media, _, err := e.get(ctx, lists[0])
	if err != nil {
		return w, err
	}
	segments := linesOf(lists[0], media)
	if len(segments) == 0 {
		return w, fmt.Errorf("no segments in\n%s", media)
	}
	_, first, err := e.get(ctx, segments[0])
	if err != nil {
		return w, err
	}
	w.firstByte, w.segment = first.Sub(began), time.Since(began)
	if src.jump {
		at := time.Now()
		_, _, err = e.get(ctx, segments[len(segments)*3/5])
		w.jump = time.Since(at)
	}
	return w, err
}

// planned asks for a job's playlist until it is there.
func (e *earlyBench) planned(ctx context.Context, url string) (text []byte, err error) {
	err = harness.Poll(ctx, 5*time.Millisecond, time.Minute, "the job is planned", func() (bool, error) {
		var failed error
		text, _, failed = e.get(ctx, url)
		return failed == nil, nil
	})
	return text, err
}

// get fetches a URL, and tells when the first byte of its body came.
func (e *earlyBench) get(ctx context.Context, url string) (body []byte, first time.Time, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, first, err
	}
	answer, err := e.viewer.Do(request)
	if err != nil {
		return nil, first, err
	}
	defer answer.Body.Close()
	var one [1]byte
	n, err := io.ReadFull(answer.Body, one[:])
	first = time.Now()
	if err == nil {
		body, err = io.ReadAll(answer.Body)
	}
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	return append(one[:n:n], body...), first, err
}

// linesOf lists the lines of a playlist that are no tags, as URLs.
func linesOf(playlist string, text []byte) (out []string) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, playlist[:strings.LastIndex(playlist, "/")+1]+line)
		}
	}
	return out
}

// show submits a job and has the browser play it, and returns when it shows a frame.
func (e *earlyBench) show(ctx context.Context, tab context.Context, src earlySource) (took time.Duration, err error) {
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		return 0, err
	}
	began := time.Now()
	id, playlist, err := e.create(ctx, src, 2)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.cancel(ctx, id)) }()
	if _, err := e.planned(ctx, playlist); err != nil {
		return 0, err
	}
	if err := chromedp.Do(tab, chromedp.Navigate(e.server.HTTP+"/_/player?src="+playlist)); err != nil {
		return 0, err
	}
	err = harness.Poll(ctx, 10*time.Millisecond, time.Minute, "a frame is shown", func() (bool, error) {
		return chromedp.Run(tab, chromedp.Evaluate[bool](`(v => !!v && v.getVideoPlaybackQuality().totalVideoFrames > 0)(document.querySelector('video'))`))
	})
	return time.Since(began), err
}
