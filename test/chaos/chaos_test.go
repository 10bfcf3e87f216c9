// Package chaos does to a server and its workers what happens to machines: kill -9 of
// each at any moment, links that are cut, slow or false, databases and brokers that go
// away. After each round the job has ended once, complete and exact or with its true
// error, and nothing is left of it.
//
//	make chaos                                        100 rounds
//	go test ./test/chaos -rounds 20 -seed 7 -v        some, as they were
package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

var (
	rounds = flag.Int("rounds", 1, "how many rounds")
	fault  = flag.String("fault", "", "only faults whose names have this in them")
	seed   = flag.Uint64("seed", 0, "of the faults; 0 is the time")

	programPath string
)

func TestMain(m *testing.M) { flag.Parse(); os.Exit(harness.Main(m, &programPath)) }

const (
	workers = 2
	// patience is how long a job may take once all is well again.
	patience = 3 * time.Minute
)

// world is a server with workers, which a round may hurt.
type world struct {
	t       *testing.T
	random  *rand.Rand
	server  *harness.Server
	beside  *harness.Server   // another, on the same records, work and objects; nil with files
	records *harness.Postgres // nil with a file
	nats    *harness.NATS     // nil with the embedded one
	bytes   *harness.Server   // the external S3; nil with a folder
	toBytes *link             // the server's way there
	workers [workers]*member
	spec    clip.Spec
	clip    string
}

// member is a worker and its links.
type member struct {
	name, work string
	disk       bool // its work folder is a small disk of its own, which goes with it
	args       []string
	links      []*link
	cmd        *exec.Cmd
	said       *harness.Log
}

func (m *member) start(t *testing.T) {
	t.Helper()
	m.cmd = exec.Command(programPath, m.args...)
	if m.disk {
		if err := os.MkdirAll(m.work, 0o755); err != nil {
			t.Fatal(err)
		}
		m.cmd = exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=64m tmpfs "$0" && exec "$@"`, m.work, programPath}, m.args...)...)
	}
	m.cmd.Stdout, m.cmd.Stderr = m.said, m.said
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (m *member) end(signal syscall.Signal) {
	_ = m.cmd.Process.Signal(signal)
	_ = m.cmd.Wait()
}

// sees returns where a path of the worker's is for others.
func (m *member) sees(path string) string {
	if !m.disk {
		return path
	}
	return fmt.Sprintf("/proc/%d/root%s", m.cmd.Process.Pid, path)
}

// fill leaves no room on the worker's disk until it is healed.
func (m *member) fill(t *testing.T) (heal func()) {
	t.Helper()
	filler := m.sees(filepath.Join(m.work, "filler"))
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

func newWorld(t *testing.T, random *rand.Rand, elsewhere bool) *world {
	w := &world{t: t, random: random, spec: clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 8}}
	w.clip = harness.Clip(t, w.spec, "clip.mp4")
	http, queue := harness.FreeAddress(t), harness.FreeAddress(t)
	args := []string{"--workers", "1", "--join-listen", queue, "--join-token", "t", "--wait", "60s"}
	if elsewhere {
		w.records, w.nats = harness.StartPostgres(t), harness.StartNATS(t, 3)
		w.bytes = harness.Serve(t, programPath, "--workers", "1")
		if _, err := w.bytes.S3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bytes")}); err != nil {
			t.Fatal(err)
		}
		key, err := w.bytes.Key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w.toBytes, err = newLink(strings.TrimPrefix(w.bytes.HTTP, "http://")); err != nil {
			t.Fatal(err)
		}
		args = []string{
			"--workers", "1", "--postgres", w.records.URL, "--nats", strings.Join(w.nats.URLs, ","), "--wait", "60s",
			"--s3", "http://" + w.toBytes.address() + "/bytes/vod", "--s3-access-key", key.AccessKeyID, "--s3-secret-key", key.SecretAccessKey,
		}
	}
	w.server = harness.NewServer(programPath, t.TempDir(), args...)
	w.server.Listen = http
	if elsewhere {
		w.beside = harness.Serve(t, programPath, args...)
	}
	t.Cleanup(func() {
		w.server.Kill()
		for _, m := range w.workers {
			if m != nil {
				m.end(syscall.SIGKILL)
			}
			if m != nil && t.Failed() {
				t.Logf("worker %s:\n%s", m.name, m.said.Tail(6000))
			}
		}
		if t.Failed() {
			t.Logf("server:\n%s", w.server.Said.Tail(8000))
		}
	})
	if err := w.server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range w.workers {
		to := func(address string) *link {
			k, err := newLink(address)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		m := &member{name: fmt.Sprintf("w%d", i), work: filepath.Join(t.TempDir(), "work"), said: new(harness.Log), disk: i > 0}
		m.links = []*link{to(http)}
		join := ""
		if elsewhere {
			join = strings.Join(w.nats.URLs, ",")
		} else {
			m.links = append(m.links, to(queue))
			join = "nats://t@" + m.links[1].address()
		}
		m.args = []string{"worker", "--join", join, "--server", "http://" + m.links[0].address(), "--work", m.work, "--name", m.name, "--concurrency", "1"}
		m.start(t)
		w.workers[i] = m
	}
	return w
}

// faults are what a round may do, by name: each hurts and returns how it is made good.
func (w *world) faults() map[string]func() func() {
	m := w.workers[w.random.IntN(workers)]
	k := m.links[w.random.IntN(len(m.links))]
	all := map[string]func() func(){
		"kill -9 the server": func() func() {
			w.server.Kill()
			return func() {
				if err := w.server.Start(context.Background()); err != nil {
					w.t.Fatal(err)
				}
			}
		},
		"kill -9 worker " + m.name: func() func() { m.end(syscall.SIGKILL); return func() { m.start(w.t) } },
		"stop worker " + m.name:    func() func() { m.end(syscall.SIGTERM); return func() { m.start(w.t) } },
		"cut a link of " + m.name:  func() func() { k.set(true); return k.heal },
		"slow link of " + m.name:   func() func() { k.slow.Store(true); return k.heal },
		"lies of " + m.name:        func() func() { m.links[0].lies.Store(true); return m.links[0].heal },
	}
	for _, m := range w.workers {
		if m.disk {
			all["full disk of "+m.name] = func() func() { return m.fill(w.t) }
		}
	}
	if w.nats != nil {
		node := w.random.IntN(3)
		all["kill -9 NATS node "+strconv.Itoa(node)] = func() func() { w.nats.Kill(node); return func() { w.nats.Start(w.t, node) } }
		all["kill -9 the other server"] = func() func() {
			w.beside.Kill()
			return func() {
				if err := w.beside.Start(context.Background()); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		all["kill -9 the external S3"] = func() func() {
			w.bytes.Kill()
			return func() {
				if err := w.bytes.Start(context.Background()); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		all["cut the link to the external S3"] = func() func() { w.toBytes.set(true); return w.toBytes.heal }
		all["slow link to the external S3"] = func() func() { w.toBytes.slow.Store(true); return w.toBytes.heal }
		all["lies to the external S3"] = func() func() { w.toBytes.lies.Store(true); return w.toBytes.heal }
		all["crash PostgreSQL"] = func() func() { w.records.Crash(w.t); return func() { w.records.Start(w.t) } }
	}
	return all
}

// hurt does one fault for a while.
func (w *world) hurt() {
	all := w.faults()
	if *fault != "" {
		for name := range all {
			if !strings.Contains(name, *fault) {
				delete(all, name)
			}
		}
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	// Map order is not the seed's.
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			if names[j] < names[i] {
				names[i], names[j] = names[j], names[i]
			}
		}
	}
	name := names[w.random.IntN(len(names))]
	after, lasts := time.Duration(w.random.IntN(3000))*time.Millisecond, time.Duration(200+w.random.IntN(5000))*time.Millisecond
	<-time.After(after)
	w.t.Logf("  after %s: %s, for %s", after, name, lasts)
	heal := all[name]()
	<-time.After(lasts)
	heal()
}

// kinds of jobs, by what they come to.
const (
	works = iota
	fails
	isCanceled
)

func (w *world) round(n int) {
	kind := works
	if n%5 == 3 {
		kind = fails
	}
	if n%5 == 4 {
		kind = isCanceled
	}
	source := w.clip
	if kind == fails {
		source = filepath.Join(w.t.TempDir(), "garbage.mp4")
		if err := os.WriteFile(source, []byte(strings.Repeat("no video. ", 5000)), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	p := w.server.Publish(w.t, "--detach", source)
	prefix := strings.Split(strings.TrimPrefix(p.StreamURL[strings.Index(p.StreamURL, "://")+3:], ""), "/")[1]
	for range 1 + w.random.IntN(3) {
		w.hurt()
	}
	jobs := w.server.Jobs()
	if kind == isCanceled {
		if _, err := jobs.CancelJob(w.t.Context(), &mediaconvert.CancelJobInput{Id: &p.JobID}); err != nil && !strings.Contains(err.Error(), "Conflict") {
			harness.Eventually(w.t, time.Minute, "the job is canceled", func() bool {
				_, err := jobs.CancelJob(w.t.Context(), &mediaconvert.CancelJobInput{Id: &p.JobID})
				return err == nil || strings.Contains(err.Error(), "Conflict")
			})
		}
	}
	var job *types.Job
	harness.Eventually(w.t, patience, "job "+p.JobID+" ends", func() bool {
		got, err := jobs.GetJob(w.t.Context(), &mediaconvert.GetJobInput{Id: &p.JobID})
		if err != nil {
			return false // a database may be on its way back
		}
		job = got.Job
		return job.Status != types.JobStatusSubmitted && job.Status != types.JobStatusProgressing
	})
	switch {
	case kind == fails && (job.Status != types.JobStatusError || aws.ToInt32(job.ErrorCode) != 1010 && aws.ToInt32(job.ErrorCode) != 1030):
		w.t.Errorf("garbage: %s %d %s", job.Status, aws.ToInt32(job.ErrorCode), aws.ToString(job.ErrorMessage))
	case kind == works && job.Status != types.JobStatusComplete:
		w.t.Errorf("job %s: %s %d %s", p.JobID, job.Status, aws.ToInt32(job.ErrorCode), aws.ToString(job.ErrorMessage))
	}
	if job.Status == types.JobStatusComplete {
		w.exact(p.StreamURL)
	}
	// Nothing is left: of files, of processes, and of objects where there is no stream.
	var left []string
	harness.Eventually(w.t, 90*time.Second, "nothing is left of job "+p.JobID, func() bool {
		left = w.left()
		if job.Status != types.JobStatusComplete {
			left = append(left, w.server.Keys(w.t, "vod-streams", prefix+"/")...)
		}
		if w.bytes != nil {
			left = append(left, w.bytes.Keys(w.t, "bytes", "vod/files/depot/"+p.JobID+"/")...)
		}
		return len(left) == 0
	})
}

// left lists what is left of jobs anywhere.
func (w *world) left() []string {
	var left []string
	dirs := []string{filepath.Join(w.server.Data, "work"), filepath.Join(w.server.Data, "depot")}
	for _, m := range w.workers {
		dirs = append(dirs, m.sees(filepath.Join(m.work, "jobs")))
	}
	if w.beside != nil {
		dirs = append(dirs, filepath.Join(w.beside.Data, "work"))
	}
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*"))
		left = append(left, found...)
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range lines {
			if line, err := os.ReadFile(f); err == nil && strings.Contains(string(line), own(dir)) && strings.Contains(string(line), "ffmpeg") {
				left = append(left, f)
			}
		}
	}
	return left
}

// own is a path as the process that has it says it.
func own(path string) string {
	if _, inside, ok := strings.Cut(path, "/root/"); ok && strings.HasPrefix(path, "/proc/") {
		return "/" + inside
	}
	return path
}

// exact holds a stream against its source: every variant has its frames.
func (w *world) exact(url string) {
	w.t.Helper()
	viewer := harness.Viewer()
	base := url[:strings.LastIndex(url, "/")+1]
	lines := func(url string) []string {
		var out []string
		for _, l := range strings.Split(string(harness.Download(w.t, viewer, url)), "\n") {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
				out = append(out, l)
			}
		}
		return out
	}
	for _, variant := range lines(url) {
		whole := filepath.Join(w.t.TempDir(), "whole.ts")
		f, err := os.Create(whole)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, segment := range lines(base + variant) {
			if _, err := f.Write(harness.Download(w.t, viewer, base+segment)); err != nil {
				w.t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			w.t.Fatal(err)
		}
		out, _ := harness.Tool(w.t, "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", whole)
		text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if n, err := strconv.ParseInt(strings.Trim(text, ", \r"), 10, 64); err != nil || n != w.spec.Frames() {
			w.t.Errorf("%s: %d frames, the source has %d, %v", variant, n, w.spec.Frames(), err)
		}
	}
}

func TestChaos(t *testing.T) {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	random := rand.New(rand.NewPCG(s, 0))
	worlds := map[bool]*world{}
	for n := range *rounds {
		elsewhere := n%2 == 1
		if worlds[elsewhere] == nil {
			worlds[elsewhere] = newWorld(t, random, elsewhere)
		}
		t.Logf("round %d, records, work and objects elsewhere: %v", n, elsewhere)
		worlds[elsewhere].round(n)
		if t.Failed() {
			t.Fatalf("round %d of -seed %d", n, s)
		}
	}
}
