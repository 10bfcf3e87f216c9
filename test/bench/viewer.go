package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// contender is one side of a comparison of web servers.
type contender struct {
	name        string
	host        string // in requests; connections go to the addresses below
	http, https string // host:port
	roots       *x509.CertPool
	pids        []int // of all its processes
}

// round is what a contender needed for a load.
type round struct {
	cpu, wall time.Duration
	suite     string // of TLS
}

// round sends a load over several connections at once. Each connection's first
// body is compared with the file, all others by their length.
func (c contender) round(ctx context.Context, l load, secure bool, files map[string][]byte) (round, error) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	viewers := make([]*viewer, edgeConnections)
	var out round
	for i := range viewers {
		conn, suite, err := c.dial(ctx, secure)
		if err != nil {
			return out, err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		viewers[i], out.suite = newViewer(conn, c.host), suite
	}
	before, err := cpuTime(c.pids...)
	if err != nil {
		return out, err
	}
	began := time.Now()
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make([]error, len(viewers))
	for i, v := range viewers {
		group.Go(func() {
			for first := true; ; first = false {
				n := int(next.Add(1)) - 1
				if n >= l.count {
					return
				}
				path := l.paths[n%len(l.paths)]
				body, err := v.get(path, first)
				switch {
				case err != nil:
					failed[i] = fmt.Errorf("get %s: %w", path, err)
				case first && !bytes.Equal(body, files[path]):
					failed[i] = fmt.Errorf("get %s: not the file's bytes", path)
				case v.length != l.size:
					failed[i] = fmt.Errorf("get %s: %d bytes, want %d", path, v.length, l.size)
				}
				if failed[i] != nil {
					next.Store(int64(l.count)) // the others need not go on
					return
				}
			}
		})
	}
	group.Wait()
	out.wall = time.Since(began)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err := errors.Join(failed...); err != nil {
		return out, err
	}
	after, err := cpuTime(c.pids...)
	out.cpu = after - before
	return out, err
}

// dial connects; TLS is 1.3 with HTTP/1.1 on top, which both sides speak.
func (c contender) dial(ctx context.Context, secure bool) (conn net.Conn, suite string, err error) {
	address := c.http
	if secure {
		address = c.https
	}
	conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil || !secure {
		return conn, "", err
	}
	session := tls.Client(conn, &tls.Config{RootCAs: c.roots, ServerName: c.host, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}})
	if err := session.HandshakeContext(ctx); err != nil {
		return nil, "", errors.Join(fmt.Errorf("TLS with %s: %w", c.name, err), conn.Close())
	}
	return session, tls.CipherSuiteName(session.ConnectionState().CipherSuite), nil
}

// viewer sends one request after the other over a connection. It does as little
// as it can: it shares the cores with the server that is measured.
type viewer struct {
	conn    net.Conn
	in      *bufio.Reader
	host    string
	request []byte
	buffer  []byte
	length  int // of the last body
}

func newViewer(conn net.Conn, host string) *viewer {
	return &viewer{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), host: host, buffer: make([]byte, 256<<10)}
}

// get asks for a path and reads the answer, which must be 200. Only if keep is
// set is the body returned.
func (v *viewer) get(path string, keep bool) ([]byte, error) {
	v.request = fmt.Appendf(v.request[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", path, v.host)
	if _, err := v.conn.Write(v.request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(v.in, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	if keep {
		body, err := io.ReadAll(resp.Body)
		v.length = len(body)
		return body, err
	}
	for v.length = 0; ; {
		n, err := resp.Body.Read(v.buffer)
		v.length += n
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// poolOf reads the certificates that are to be trusted.
func poolOf(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %q", path)
	}
	return pool, nil
}
