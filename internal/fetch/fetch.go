// Package fetch downloads remote inputs with our own code, so that no media
// program ever sees a URL: a URL flows in, a complete local file flows out, or a
// fault with the service's code.
//
// The URL and the server behind it are untrusted. Only http and https are
// spoken; addresses are checked at the moment of each connection, after the name
// is resolved, so that neither a redirect nor a name that changes its address
// reaches the machine's own networks; size, redirects, and the time without
// enough bytes are bounded. A broken connection is resumed where it broke, if the
// server still has the same file. Proxies of the environment are not used: the
// check would look at the proxy's address.
//
// Messages name the host and path of a URL, never its user, password or query.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Config bounds what is fetched. A zero field is its default.
type Config struct {
	AllowPrivate bool           // addresses of this machine and of private networks may be fetched from
	MaxBytes     int64          // largest file; 100 GiB
	Timeout      time.Duration  // to connect, and again for the headers of a response; 15 s
	Stall        time.Duration  // in which less than 64 KiB is a broken connection; 30 s
	RootCAs      *x509.CertPool // nil is the system's
	Logger       *slog.Logger   // nil discards
}

// Info is what was fetched.
type Info struct {
	Size        int64  // bytes
	ContentType string // as the server says; "" is none
	ETag        string // as the server says, quotes included; "" is none
	Resumed     int    // times the download went on over a new connection
}

// Fetcher downloads inputs. It is safe for concurrent use.
type Fetcher struct {
	client   *http.Client
	maxBytes int64
	stall    time.Duration
	pause    time.Duration // before the second new connection in a row, doubled before each after it
	log      *slog.Logger
}

const (
	maxRedirects = 3
	// stallBytes must come within Config.Stall: 2 KiB a second over the default.
	stallBytes = 64 << 10
	// A download is given up after maxFailures broken connections in a row that
	// brought less than worthBytes each, and after maxConnections in all.
	maxFailures    = 5
	worthBytes     = 1 << 20
	maxConnections = 1000
)

// New returns a Fetcher. It connects to nothing.
func New(cfg Config) *Fetcher {
	allowed := public
	if cfg.AllowPrivate {
		allowed = func(netip.AddrPort) bool { return true }
	}
	return newFetcher(cfg, allowed)
}

func newFetcher(cfg Config, allowed func(netip.AddrPort) bool) *Fetcher {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 100 << 30
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.Stall <= 0 {
		cfg.Stall = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{
		Timeout: cfg.Timeout,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !allowed(to) {
				return errPolicy
			}
			return nil
		},
	}
	return &Fetcher{
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:            dialer.DialContext,
				TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout:    cfg.Timeout,
				ResponseHeaderTimeout:  cfg.Timeout,
				IdleConnTimeout:        cfg.Timeout,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true, // the bytes of the file are wanted, and their number
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: checkRedirect,
		},
		maxBytes: cfg.MaxBytes,
		stall:    cfg.Stall,
		pause:    400 * time.Millisecond,
		log:      cfg.Logger,
	}
}

var (
	errPolicy    = errors.New("the address is not allowed")
	errRedirects = errors.New("too many redirects")
	errStalled   = errors.New("the server sends too slowly")
)

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	if err := checkURL(req.URL); err != nil {
		return err
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fault.New(fault.Denied, codePolicy, "a redirect leads from https to %s", req.URL.Scheme)
	}
	return nil
}

func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Invalid, codePolicy, "the scheme %q of the URL is not http or https", u.Scheme)
	}
	if u.Hostname() == "" {
		return fault.New(fault.Invalid, codePolicy, "the URL has no host")
	}
	return nil
}

// Fetch downloads the file at rawURL into the file dst, which it makes or
// replaces. progress may be nil; it is called from the calling goroutine with the
// bytes that are there and the size, -1 while that is unknown. When an error is
// returned, dst is gone.
//
// When ctx ends, the error is context.Cause(ctx). Every other is a *fault.Error
// with a code of the service: 3401, 3403, 3404, 3408 and 3450 for what the server
// answers, 3451 when no connection comes about, 3457 for what is not allowed here,
// 1010 for an empty file, 1050 for a full disk, 3999 for the rest.
func (f *Fetcher) Fetch(ctx context.Context, rawURL, dst string, progress func(done, total int64)) (Info, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Info{}, fault.New(fault.Invalid, codePolicy, "the URL cannot be parsed") // the error would show the query
	}
	if err := checkURL(u); err != nil {
		return Info{}, err
	}
	file, err := os.OpenFile(dst, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Info{}, fmt.Errorf("create the input's file: %w", err)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	d := &download{Fetcher: f, url: u, file: file, total: -1, progress: progress}
	err = d.run(ctx)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = d.writeFault(closeErr)
	}
	if err != nil {
		_ = os.Remove(dst)
		return Info{}, err
	}
	return Info{Size: d.done, ContentType: d.contentType, ETag: d.etag, Resumed: d.resumed}, nil
}

// place names the URL in messages.
func place(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// download is one Fetch.
type download struct {
	*Fetcher
	url      *url.URL
	file     *os.File
	progress func(done, total int64)

	done, total  int64 // total -1 is unknown
	etag         string
	modified     string
	contentType  string
	answered     bool // the fields above are from a response
	resumed      int
	restartLimit int
}

// run makes connections until the file is complete, each going on where the last broke.
func (d *download) run(ctx context.Context) error {
	failures := 0
	for connection := 1; ; connection++ {
		before := d.done
		err := d.connect(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !fault.KindOf(err).Retryable() {
			return err
		}
		if failures++; d.done-before >= worthBytes {
			failures = 0
		}
		if failures >= maxFailures || connection >= maxConnections {
			return err
		}
		d.log.InfoContext(ctx, "fetching goes on over a new connection", "url", place(d.url), "bytes", d.done, "err", err.Error())
		if failures > 1 {
			wait := time.NewTimer(d.pause << (failures - 2))
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
				return context.Cause(ctx)
			}
		}
		if d.done > 0 {
			d.resumed++
		}
	}
}

// connect asks for what is missing and writes it. A nil error means that the file is complete.
func (d *download) connect(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), nil)
	if err != nil {
		return fault.New(fault.Invalid, codePolicy, "the URL cannot be asked for")
	}
	req.Header.Set("User-Agent", "Vodwright")
	if d.done > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.done))
		switch {
		case strings.HasPrefix(d.etag, `"`): // a weak one may not be used, RFC 9110 section 13.1.5
			req.Header.Set("If-Range", d.etag)
		case d.modified != "":
			req.Header.Set("If-Range", d.modified)
		}
	}
	res, err := d.client.Do(req)
	if err != nil {
		return d.connectFault(err)
	}
	defer res.Body.Close()
	if complete, err := d.accept(res); complete || err != nil {
		return err
	}
	return d.copy(ctx, stop, res.Body)
}

// accept checks a response against what is known and makes the file ready for its
// body. complete says that there is nothing left to read.
func (d *download) accept(res *http.Response) (complete bool, err error) {
	if res.Header.Get("Content-Encoding") != "" {
		return false, fault.New(fault.Invalid, codeOther, "%s is sent with an encoding that was not asked for", place(d.url))
	}
	switch {
	case res.StatusCode == http.StatusOK:
		if d.done > 0 { // no ranges here, or another file by now
			if d.restartLimit++; d.restartLimit > maxFailures {
				return false, fault.New(fault.Invalid, codeOther, "%s broke off %d times and cannot be resumed", place(d.url), d.restartLimit)
			}
			if err := d.file.Truncate(0); err != nil {
				return false, d.writeFault(err)
			}
			if _, err := d.file.Seek(0, io.SeekStart); err != nil {
				return false, d.writeFault(err)
			}
			d.done = 0
		}
		d.total = res.ContentLength
	case res.StatusCode == http.StatusPartialContent && d.done > 0:
		from, total, ok := contentRange(res.Header.Get("Content-Range"))
		if !ok || from != d.done || d.total >= 0 && total != d.total ||
			d.etag != "" && res.Header.Get("ETag") != "" && res.Header.Get("ETag") != d.etag {
			return false, fault.New(fault.Invalid, codeOther, "%s changed while it was fetched", place(d.url))
		}
		d.total = total
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.done > 0 && d.total < 0:
		return true, nil // its size was never told
	default:
		return false, statusFault(d.url, res.StatusCode)
	}
	if d.total > d.maxBytes {
		return false, fault.New(fault.Limit, codePolicy, "%s has %d bytes, more than the %d that are allowed", place(d.url), d.total, d.maxBytes)
	}
	if !d.answered || d.done == 0 {
		d.etag, d.modified = res.Header.Get("ETag"), res.Header.Get("Last-Modified")
		d.contentType, d.answered = res.Header.Get("Content-Type"), true
	}
	return false, nil
}

// contentRange reads "bytes 100-199/200" and "bytes 100-199/*", whose total is -1.
func contentRange(s string) (from, total int64, ok bool) {
	var to int64
	if _, err := fmt.Sscanf(s, "bytes %d-%d/%d", &from, &to, &total); err == nil {
		return from, total, from >= 0 && to >= from && total > to
	}
	if _, err := fmt.Sscanf(s, "bytes %d-%d/*", &from, &to); err == nil {
		return from, -1, from >= 0 && to >= from
	}
	return 0, 0, false
}

// copy writes a body to the file until it ends, and checks that the file is complete.
func (d *download) copy(ctx context.Context, stop context.CancelCauseFunc, body io.Reader) error {
	stall := time.AfterFunc(d.stall, func() { stop(errStalled) })
	defer stall.Stop()
	buffer := make([]byte, 256<<10)
	var since int64 // bytes since the stall timer was set
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if d.done+int64(n) > d.maxBytes {
				return fault.New(fault.Limit, codePolicy, "%s has more than the %d bytes that are allowed", place(d.url), d.maxBytes)
			}
			if _, err := d.file.Write(buffer[:n]); err != nil {
				return d.writeFault(err)
			}
			d.done += int64(n)
			d.progress(d.done, d.total)
			if since += int64(n); since >= stallBytes {
				since = 0
				stall.Reset(d.stall)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if d.total >= 0 && d.done != d.total {
				return fault.New(fault.Unavailable, codeOther, "%s ended after %d of %d bytes", place(d.url), d.done, d.total)
			}
			if d.done == 0 {
				return fault.New(fault.Invalid, "1010", "%s is empty", place(d.url))
			}
			return nil
		case errors.Is(context.Cause(ctx), errStalled):
			return fault.New(fault.Unavailable, codeTimeout, "%s sends less than %d bytes in %v", place(d.url), stallBytes, d.stall)
		case err != nil:
			return fault.New(fault.Unavailable, codeOther, "%s broke off after %d bytes: %w", place(d.url), d.done, err)
		}
	}
}
