package tlsca

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

func open(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// serve starts an HTTPS server with ca's certificates.
func serve(t *testing.T, config *tls.Config) net.Listener {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.Config.ErrorLog = nil
	l := tls.NewListener(server.Listener, config)
	s := &http.Server{Handler: server.Config.Handler, ReadHeaderTimeout: time.Minute}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return server.Listener
}

func TestNamesAreTrusted(t *testing.T) {
	ca := open(t, t.TempDir())
	var asked []string
	var mu sync.Mutex
	l := serve(t, ca.Config(func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, name)
		return name == "video.example.com"
	}))
	for _, tt := range []struct {
		name string
		ok   bool
	}{
		{"localhost", true},
		{"127.0.0.1", true}, // no SNI
		{"e1abc.cdn.localhost", true},
		{"bucket.s3.localhost", true},
		{"video.example.com", true},
		{"VIDEO.example.COM", true},
		{"other.example.com", false},
		{"localhost.evil.example", false},
		{"notlocalhost", false},
	} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: tt.name, NextProtos: []string{"h2"}})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			state := conn.ConnectionState()
			if state.NegotiatedProtocol != "h2" {
				t.Errorf("%s: protocol %q", tt.name, state.NegotiatedProtocol)
			}
			if life := time.Until(state.PeerCertificates[0].NotAfter); life > 8*24*time.Hour {
				t.Errorf("%s: a leaf that lives %v", tt.name, life)
			}
			conn.Close()
		}
	}
	for _, name := range asked {
		if strings.HasSuffix(name, "localhost") && name != "notlocalhost" || name != strings.ToLower(name) {
			t.Errorf("asked about %q", name)
		}
	}
	// Nobody else's roots know it.
	if conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}); err == nil {
		conn.Close()
		t.Error("trusted without the authority")
	}
}

func TestIPv6AndLocalAddresses(t *testing.T) {
	ca := open(t, t.TempDir())
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		raw, err := net.Listen("tcp", address)
		if err != nil {
			if strings.HasPrefix(address, "[") {
				t.Logf("no IPv6 on this machine: %v", err)
				continue
			}
			t.Fatal(err)
		}
		l := tls.NewListener(raw, ca.Config(nil))
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { c.(*tls.Conn).Handshake(); c.Close() }()
			}
		}()
		host, _, _ := net.SplitHostPort(raw.Addr().String())
		conn, err := tls.Dial("tcp", raw.Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: host})
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else {
			conn.Close()
		}
		l.Close()
	}
}

func TestSessionsResume(t *testing.T) {
	ca := open(t, t.TempDir())
	l := serve(t, ca.Config(nil))
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 2 {
		conn, err := tls.Dial("tcp", l.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if _, err := io.ReadAll(conn); err != nil { // the ticket comes with the data
			t.Fatal(err)
		}
		if did := conn.ConnectionState().DidResume; did != (i == 1) {
			t.Errorf("connection %d: resumed %v", i, did)
		}
		conn.Close()
	}
}

func TestFilesAreKeptAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "tls")
	first := open(t, dir)
	if !filepath.IsAbs(first.CertPEMPath()) {
		t.Errorf("%s is not absolute", first.CertPEMPath())
	}
	for name, mode := range map[string]fs.FileMode{"ca.key": 0o600, "ca.pem": 0o644} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left in the folder: %v", entries)
	}
	if again := open(t, dir); !again.cert.Equal(first.cert) {
		t.Error("a second start made another authority")
	}
	// A crash between the two files: the key is there, the certificate is made.
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir); !again.key.Equal(first.key) {
		t.Error("the key was replaced")
	}
	// The AWS CLI and curl read the file as it is: OpenSSL must agree.
	out, err := exec.Command("openssl", "verify", "-CAfile", first.CertPEMPath(), first.CertPEMPath()).CombinedOutput()
	if err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}
}

func TestConcurrentStartsAgree(t *testing.T) {
	dir := t.TempDir()
	certs := make(chan *x509.Certificate, 16)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ca, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			certs <- ca.cert
		})
	}
	wg.Wait()
	close(certs)
	first := <-certs
	for c := range certs {
		if !c.Equal(first) {
			t.Fatal("two authorities in one folder")
		}
	}
}

func TestDamagedFilesAreNamedNotReplaced(t *testing.T) {
	foreign := t.TempDir()
	open(t, foreign)
	for _, name := range []string{"ca.key", "ca.pem"} {
		for what, damage := range map[string]func(string) error{
			"empty": func(p string) error { return os.WriteFile(p, nil, 0o600) },
			"cut":   func(p string) error { return os.Truncate(p, 60) },
			"foreign": func(p string) error {
				data, _ := os.ReadFile(filepath.Join(foreign, name))
				return os.WriteFile(p, data, 0o600)
			},
		} {
			dir := t.TempDir()
			open(t, dir)
			path := filepath.Join(dir, name)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			_, err := Open(dir)
			if err == nil || !strings.Contains(err.Error(), dir) || fault.Of(err).Hint == "" {
				t.Errorf("%s %s: %v", what, name, err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("%s %s was overwritten", what, name)
			}
		}
	}
}

func TestLeavesAreReusedRenewedAndBounded(t *testing.T) {
	ca := open(t, t.TempDir())
	now := time.Now()
	i := &issuer{ca: ca, leaves: map[string]*tls.Certificate{}, clock: func() time.Time { return now }}
	get := func(name string) *tls.Certificate {
		leaf, err := i.certificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	first := get("a.cdn.localhost")
	now = now.Add(4 * 24 * time.Hour)
	if get("a.cdn.localhost") != first {
		t.Error("a good leaf was made again")
	}
	now = now.Add(2 * 24 * time.Hour)
	if get("a.cdn.localhost") == first {
		t.Error("a leaf was not renewed before its end")
	}
	for n := range maxLeaves + 10 {
		get(fmt.Sprintf("n%d.localhost", n))
	}
	if n := len(i.leaves); n > maxLeaves {
		t.Errorf("%d leaves are kept", n)
	}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".localhost"
	if leaf := get(long); leaf.Leaf.VerifyHostname(long) != nil {
		t.Error("a name longer than a common name may be is not covered")
	}
}

func BenchmarkOpen(b *testing.B) {
	for range b.N {
		if _, err := Open(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
