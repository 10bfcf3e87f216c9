package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

func TestColdObjectIsOpenedOnce(t *testing.T) {
	const viewers = 200
	for _, streams := range []bool{false, true} {
		for _, size := range []int{2048, 1 << 20} {
			t.Run(fmt.Sprintf("streams=%v/%d", streams, size), func(t *testing.T) {
				s := newSite(t, nil)
				s.origin.streams = streams
				data := pattern(size)
				s.origin.put(t, "v.ts", data)
				clients := map[string]*http.Client{"http": s.client("http"), "https": s.client("h2")}
				begin := make(chan struct{})
				results := make(chan error, viewers)
				for i := range viewers {
					go func() {
						scheme := []string{"http", "https"}[i%2]
						<-begin
						res, err := clients[scheme].Get(scheme + "://e1.cdn.localhost/v.ts")
						if err == nil {
							var body []byte
							body, err = io.ReadAll(res.Body)
							res.Body.Close()
							if err == nil && !bytes.Equal(body, data) {
								err = fmt.Errorf("%d bytes of %d, or others", len(body), size)
							}
						}
						results <- err
					}()
				}
				close(begin)
				for range viewers {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				if n := s.origin.opens.Load(); n != 1 {
					t.Errorf("the origin was opened %d times", n)
				}
			})
		}
	}
}

// gate lets a stream's bytes through as a test allows.
type gate struct {
	r      io.Reader
	allow  chan int // how many bytes more
	have   int
	broken error // what comes instead of bytes once allow is closed
}

func (g *gate) Read(p []byte) (int, error) {
	if g.have == 0 {
		n, ok := <-g.allow
		if !ok {
			if g.broken != nil {
				return 0, g.broken
			}
			return g.r.Read(p)
		}
		g.have = n
	}
	n, err := g.r.Read(p[:min(len(p), g.have)])
	g.have -= n
	return n, err
}

func TestFollowersReadAsBytesArrive(t *testing.T) {
	s := newSite(t, nil)
	allow := make(chan int, 10)
	s.origin.streams = true
	s.origin.wrap = func(r io.Reader) io.Reader { return &gate{r: r, allow: allow} }
	data := pattern(1 << 20)
	s.origin.put(t, "v.ts", data)
	client := s.client("http")

	// The leader comes, gets its first bytes and leaves.
	leaving, leave := context.WithCancel(context.Background())
	request := func(ctx context.Context) *http.Response {
		r, err := http.NewRequestWithContext(ctx, "GET", "http://e1.cdn.localhost/v.ts", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	allow <- 100_000
	leader := request(leaving)
	follower := request(context.Background())
	defer follower.Body.Close()
	first := make([]byte, 100_000)
	for name, res := range map[string]*http.Response{"leader": leader, "follower": follower} {
		if _, err := io.ReadFull(res.Body, first); err != nil || !bytes.Equal(first, data[:len(first)]) {
			t.Fatalf("%s: the first bytes do not come before the last: %v", name, err)
		}
	}
	leave()
	leader.Body.Close()
	close(allow)
	rest, err := io.ReadAll(follower.Body)
	if err != nil || !bytes.Equal(rest, data[len(first):]) {
		t.Fatalf("the follower got %d more bytes and %v after the leader left", len(rest), err)
	}
	s.get("/v.ts").want(t, 200, "X-Cache", "Hit from cloudfront")
	if n := s.origin.opens.Load(); n != 1 {
		t.Errorf("the origin was opened %d times", n)
	}
}

// slowOpen holds Open until it is released.
type slowOpen struct {
	*folderOrigin
	entered chan struct{}
	release chan struct{}
	opened  chan struct{} // if set: told after the opening, and waited for once more
}

func (o *slowOpen) Open(ctx context.Context, from OriginRef, key string) (Info, io.ReadSeekCloser, error) {
	o.entered <- struct{}{}
	select {
	case <-o.release:
	case <-ctx.Done():
		return Info{}, nil, ctx.Err()
	}
	info, body, err := o.folderOrigin.Open(ctx, from, key)
	if o.opened != nil {
		o.opened <- struct{}{}
		<-o.opened
	}
	return info, body, err
}

func TestLeaderWhoLeavesBeforeTheOriginAnswers(t *testing.T) {
	slow := &slowOpen{entered: make(chan struct{}, 10), release: make(chan struct{})}
	s := newSite(t, func(c *Config) {
		slow.folderOrigin = c.Origin.(*folderOrigin)
		c.Origin = slow
	})
	s.origin.put(t, "v.ts", pattern(100_000))
	client := s.client("http")
	leaving, leave := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		r, _ := http.NewRequestWithContext(leaving, "GET", "http://e1.cdn.localhost/v.ts", nil)
		_, err := client.Do(r)
		left <- err
	}()
	<-slow.entered
	served := make(chan error)
	go func() {
		res, err := client.Get("http://e1.cdn.localhost/v.ts")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		served <- err
	}()
	eventually(t, "the second viewer waits", func() bool {
		s.edge.mu.Lock()
		defer s.edge.mu.Unlock()
		for _, f := range s.edge.flights {
			return f.waiters == 2
		}
		return false
	})
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("leader: %v", err)
	}
	close(slow.release)
	if err := <-served; err != nil {
		t.Errorf("follower: %v", err)
	}
	if n := s.origin.opens.Load(); n != 1 {
		t.Errorf("the origin was opened %d times", n)
	}
}

func TestTruncatedOriginIsNeverServedAsWhole(t *testing.T) {
	for _, kind := range []string{"http", "https", "h2"} {
		for name, broken := range map[string]error{"ends early": io.EOF, "breaks": errors.New("cable pulled")} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				s := newSite(t, nil)
				s.origin.streams = true
				s.origin.wrap = func(r io.Reader) io.Reader {
					allow := make(chan int, 1)
					allow <- 150_000
					close(allow)
					return &gate{r: r, allow: allow, broken: broken}
				}
				s.origin.put(t, "v.ts", pattern(1<<20))
				scheme := "https"
				if kind == "http" {
					scheme = "http"
				}
				res, err := s.client(kind).Get(scheme + "://e1.cdn.localhost/v.ts")
				if err != nil {
					return // cut before the header: as good
				}
				defer res.Body.Close()
				if body, err := io.ReadAll(res.Body); err == nil {
					t.Fatalf("%d bytes arrive without an error", len(body))
				}
				s.origin.wrap = nil
				eventually(t, "the next viewer gets the whole object", func() bool {
					return len(s.get("/v.ts").body) == 1<<20
				})
			})
		}
	}
}

func TestCacheStaysWithinItsBounds(t *testing.T) {
	const maxBytes, maxFiles, objects = 1 << 20, 8, 40
	s := newSite(t, func(c *Config) { c.MaxBytes, c.MaxOpenFiles = maxBytes, maxFiles })
	data := map[string][]byte{}
	for i := range objects {
		key := fmt.Sprintf("v%02d.ts", i)
		data[key] = pattern(1000 + i*4000) // on both sides of the inline limit
		s.origin.put(t, key, data[key])
		s.origin.put(t, "m"+key, data[key])
	}
	clients := map[string]*http.Client{"http": s.client("http"), "https": s.client("https")}
	var wg sync.WaitGroup
	for worker := range 8 {
		scheme := []string{"http", "https"}[worker%2]
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 150 {
				i := random.IntN(objects)
				key := fmt.Sprintf("v%02d.ts", i)
				res, err := clients[scheme].Get(scheme + "://e1.cdn.localhost/" + key)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || !bytes.Equal(body, data[key]) {
					t.Errorf("%s: %d bytes, %v", key, len(body), err)
				}
				// Eight viewers may each hold a file and a handle beyond the bound for a moment.
				if bytes, files := s.held(); bytes > maxBytes || files > maxFiles+2*8 {
					t.Errorf("%d bytes, %d files held", bytes, files)
				}
				if random.IntN(20) == 0 {
					s.edge.Purge("films", key)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "the bounds hold again", func() bool {
		bytes, files := s.held()
		return bytes <= maxBytes && files <= maxFiles
	})
	if n := len(s.edge.cache.objects); n == 0 {
		t.Error("nothing is cached")
	}

	t.Run("recently used objects stay", func(t *testing.T) {
		s.get("/v00.ts")
		for i := range 20 {
			s.get(fmt.Sprintf("/mv%02d.ts", i)) // room enough for these and v00
			s.get("/v00.ts").want(t, 200, "X-Cache", "Hit from cloudfront")
		}
	})
}

func TestWarmCopiesStayWarm(t *testing.T) {
	const size, objects = 100_000, 20
	s := newSite(t, func(c *Config) { c.MaxBytes = 1 << 20 }) // room for nine copies
	data := pattern(size)
	for i := range objects {
		s.origin.put(t, fmt.Sprintf("v%02d.ts", i), data)
	}
	warm := func() (keys []string) {
		s.edge.cache.mu.Lock()
		defer s.edge.cache.mu.Unlock()
		for k, o := range s.edge.cache.objects {
			if o.warm.Load() != nil {
				keys = append(keys, k.path)
			}
		}
		slices.Sort(keys)
		return keys
	}
	client := s.client("h2")
	watch := func(key string) {
		res, err := client.Get("https://e1.cdn.localhost/" + key)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(body, data) {
			t.Fatalf("%s: %d bytes, %v", key, len(body), err)
		}
	}
	round := func() {
		for i := range objects {
			watch(fmt.Sprintf("v%02d.ts", i))
		}
	}
	round()
	if keys := warm(); len(keys) != 0 {
		t.Errorf("watched once, yet copied: %v", keys)
	}
	round()
	first := warm()
	if len(first) < 8 {
		t.Errorf("watched twice, %d copies", len(first))
	}
	round()
	round()
	opens := s.origin.opens.Load()
	round()
	round()
	if n := s.origin.opens.Load() - opens; n != 0 {
		t.Errorf("%d objects were thrown out for copies", n)
	}
	if bytes, _ := s.held(); bytes > 1<<20 {
		t.Errorf("%d bytes held", bytes)
	}
	// What becomes popular gets its copy in the end.
	cold := "v19.ts"
	for n := 0; n < 200 && !slices.Contains(warm(), cold); n++ {
		watch(cold)
	}
	if !slices.Contains(warm(), cold) {
		t.Errorf("watched two hundred times, not among %v", warm())
	}
}

func TestStreamsBeyondTheCacheAreServed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxBytes = 256 << 10 })
	s.origin.streams = true
	data := pattern(3 << 20)
	s.origin.put(t, "long.mp4", data)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			from := i * 1000
			a := s.get("/long.mp4", "Range", fmt.Sprintf("bytes=%d-", from))
			if a.want(t, 206); !bytes.Equal(a.body, data[from:]) {
				t.Errorf("%d bytes from %d on", len(a.body), from)
			}
		})
	}
	wg.Wait()
	if bytes, _ := s.held(); bytes > 256<<10 {
		t.Errorf("%d bytes held", bytes)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := New(Config{MaxBytes: -1, TLSPort: 70000})
	for _, part := range []string{"Distributions", "Origin", "MaxBytes", "TLSPort"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

func TestDistributionOutageKeepsServing(t *testing.T) {
	broken := &flakyDistributions{}
	s := newSite(t, func(c *Config) {
		broken.Distributions = c.Distributions
		c.Distributions = broken
	})
	s.origin.put(t, "v.ts", pattern(10))
	s.get("/v.ts").want(t, 200)
	broken.err = errors.New("database is locked")
	s.clock.Advance(time.Minute)
	s.get("/v.ts").want(t, 200)
	broken.err = fault.New(fault.NotFound, "", "deleted")
	s.get("/v.ts").want(t, 404)
}

type flakyDistributions struct {
	Distributions
	err error
}

func (f *flakyDistributions) ByHost(ctx context.Context, host string) (Distribution, error) {
	if f.err != nil {
		return Distribution{}, f.err
	}
	return f.Distributions.ByHost(ctx, host)
}
