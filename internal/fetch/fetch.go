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
	"bytes"
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

// Config bounds what is fetched. A zero field is its default.
type Config struct {
	AllowPrivate bool           // addresses of this machine and of private networks may be fetched from, on any port
	Limits       limit.Limits   // SourceBytes and Fetch…
	RootCAs      *x509.CertPool // nil is the system's
	Logger       *slog.Logger   // nil discards
}

// Info is what was fetched.
type Info struct {
	Size        int64  // bytes
	ContentType string // as the server says; "" is none
	ETag        string // as the server says, quotes included; "" is none
	Modified    string // the Last-Modified that the server says; "" is none
	Resumed     int    // times the download went on over a new connection
}

// Fetcher downloads inputs. It is safe for concurrent use.
type Fetcher struct {
	client *http.Client
	limits limit.Limits
	pause  time.Duration // before the second new connection in a row, doubled before each after it
	log    *slog.Logger
}

const (
	// stallBytes must come within Limits.FetchStall: 2 KiB a second over the default.
	stallBytes = 64 << 10
	// A download is given up after maxFailures broken connections in a row that
	// brought less than worthBytes each, and after maxConnections in all.
	maxFailures = 5
	// overlapBytes of a file without ETag and Last-Modified are fetched again and
	// compared where a download goes on.
	overlapBytes   = 4096
	worthBytes     = 1 << 20
	maxConnections = 1000
)

// New returns a Fetcher. It connects to nothing.
func New(cfg Config) *Fetcher {
	allowed := func(to netip.AddrPort) bool { return public(to) && !unfit(to.Port()) && !ours(to.Addr()) }
	if cfg.AllowPrivate {
		allowed = func(netip.AddrPort) bool { return true }
	}
	return newFetcher(cfg, allowed)
}

// ours says whether an address is one of this machine, which may be a public one:
// what listens there may trust its neighbours.
func ours(addr netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return true // nobody knows: refused
	}
	addr = addr.Unmap().WithZone("")
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == addr {
				return true
			}
		}
	}
	return false
}

func newFetcher(cfg Config, allowed func(netip.AddrPort) bool) *Fetcher {
	cfg.Limits = cfg.Limits.OrDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{
		Timeout: cfg.Limits.FetchConnect,
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
				TLSHandshakeTimeout:    cfg.Limits.FetchConnect,
				ResponseHeaderTimeout:  cfg.Limits.FetchConnect,
				IdleConnTimeout:        cfg.Limits.FetchConnect,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true, // the bytes of the file are wanted, and their number
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if len(via) > int(cfg.Limits.FetchRedirects) {
					return errRedirects
				}
				return checkRedirect(req, via)
			},
		},
		limits: cfg.Limits,
		pause:  400 * time.Millisecond,
		log:    cfg.Logger,
	}
}

var (
	errPolicy    = errors.New("the address is not allowed")
	errRedirects = errors.New("too many redirects")
	errStalled   = errors.New("the server sends too slowly")
	errTooLong   = errors.New("the download takes too long")
)

func checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer") // it would tell the query, a signature perhaps
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
	file, err := os.OpenFile(dst, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return Info{}, fmt.Errorf("create the input's file: %w", err)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	d := &download{Fetcher: f, url: u, file: file, total: -1, progress: progress}
	bounded, stop := context.WithTimeoutCause(ctx, f.limits.FetchTime, errTooLong)
	defer stop()
	err = d.run(bounded)
	if errors.Is(err, errTooLong) {
		err = limit.Exceeded(limit.FetchTime, codeTimeout, "%s sent %d bytes in the %v that a download is given", place(u), d.done, f.limits.FetchTime)
	}
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = d.writeFault(closeErr)
	}
	if err != nil {
		_ = os.Remove(dst)
		return Info{}, err
	}
	return Info{Size: d.done, ContentType: d.contentType, ETag: d.etag, Modified: d.modified, Resumed: d.resumed}, nil
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
	from         int64 // where the present connection begins: done, or before it to compare
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
	d.from = d.done
	if d.done > 0 {
		if d.etag == "" && d.modified == "" {
			d.from -= min(d.done, overlapBytes) // nothing but its bytes tell that it is the same file
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.from))
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
	// From here on the body must keep coming, the part that is compared too.
	stall := time.AfterFunc(d.limits.FetchStall, func() { stop(errStalled) })
	defer stall.Stop()
	if d.from < d.done {
		if err := d.same(res.Body); err != nil {
			return err
		}
	}
	return d.copy(ctx, stall, res.Body)
}

// accept checks a response against what is known and makes the file ready for its
// body. complete says that there is nothing left to read.
func (d *download) accept(res *http.Response) (complete bool, err error) {
	if enc := res.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
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
			d.done, d.from = 0, 0
		}
		d.total = res.ContentLength
	case res.StatusCode == http.StatusPartialContent && d.done > 0:
		from, total, ok := contentRange(res.Header.Get("Content-Range"))
		if !ok || from != d.from || d.total >= 0 && total != d.total ||
			d.changed(res.Header) {
			return false, fault.New(fault.Invalid, codeOther, "%s changed while it was fetched", place(d.url))
		}
		d.total = total
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.done > 0 && d.total < 0:
		// Its size was never told: nothing comes after what is there, unless it shrank.
		if size, told := strings.CutPrefix(res.Header.Get("Content-Range"), "bytes */"); told && size != strconv.FormatInt(d.done, 10) {
			return false, fault.New(fault.Invalid, codeOther, "%s changed while it was fetched", place(d.url))
		}
		return true, nil
	default:
		return false, statusFault(d.url, res.StatusCode)
	}
	if d.total > int64(d.limits.SourceBytes) {
		return false, limit.Exceeded(limit.SourceBytes, codePolicy, "%s has %d bytes, more than the %d that are allowed", place(d.url), d.total, int64(d.limits.SourceBytes))
	}
	if !d.answered || d.done == 0 {
		d.etag, d.modified = res.Header.Get("ETag"), res.Header.Get("Last-Modified")
		d.contentType, d.answered = res.Header.Get("Content-Type"), true
	}
	return false, nil
}

// changed says whether an answer is about another file than the first one was, as
// far as its validators tell.
func (d *download) changed(h http.Header) bool {
	if etag := h.Get("ETag"); d.etag != "" && etag != "" {
		return etag != d.etag
	}
	modified := h.Get("Last-Modified")
	return d.modified != "" && modified != "" && modified != d.modified
}

// same compares what a resumed body begins with to the end of what is there.
func (d *download) same(body io.Reader) error {
	have, again := make([]byte, d.done-d.from), make([]byte, d.done-d.from)
	if _, err := d.file.ReadAt(have, d.from); err != nil {
		return d.writeFault(err)
	}
	if _, err := io.ReadFull(body, again); err != nil {
		return fault.New(fault.Unavailable, codeOther, "%s broke off after %d bytes: %w", place(d.url), d.done, err)
	}
	if !bytes.Equal(have, again) {
		return fault.New(fault.Invalid, codeOther, "%s changed while it was fetched", place(d.url))
	}
	return nil
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
func (d *download) copy(ctx context.Context, stall *time.Timer, body io.Reader) error {
	buffer := make([]byte, 256<<10)
	var since int64 // bytes since the stall timer was set
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if d.done+int64(n) > int64(d.limits.SourceBytes) {
				return limit.Exceeded(limit.SourceBytes, codePolicy, "%s has more than the %d bytes that are allowed", place(d.url), int64(d.limits.SourceBytes))
			}
			if d.total >= 0 && d.done+int64(n) > d.total {
				return fault.New(fault.Invalid, codeOther, "%s sends more than the %d bytes it told", place(d.url), d.total)
			}
			if _, err := d.file.Write(buffer[:n]); err != nil {
				return d.writeFault(err)
			}
			d.done += int64(n)
			d.progress(d.done, d.total)
			if since += int64(n); since >= stallBytes {
				since = 0
				stall.Reset(d.limits.FetchStall)
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
			return fault.New(fault.Unavailable, codeTimeout, "%s sends less than %d bytes in %v", place(d.url), stallBytes, d.limits.FetchStall)
		case err != nil:
			return fault.New(fault.Unavailable, codeOther, "%s broke off after %d bytes: %w", place(d.url), d.done, err)
		}
	}
}
