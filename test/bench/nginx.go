package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/test/harness"
)

// nginx is a running nginx with a configuration of our own.
type nginx struct {
	http, https string // host:port
	pids        []int  // master and workers
	roots       *x509.CertPool

	cmd  *exec.Cmd
	done chan struct{}
	said *harness.Log
}

const nginxWorkers = 2

// nginxConfig is how people tune nginx for files.
// Its arguments: the line about the user, folder, addresses for HTTP and HTTPS, files.
const nginxConfig = `%[1]s
daemon off;
worker_processes 2;
pid %[2]s/pid;
error_log %[2]s/error.log warn;
events { worker_connections 1024; }
http {
	types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
	access_log %[2]s/access.log combined buffer=256k flush=1s;
	sendfile on;
	tcp_nopush on;
	keepalive_timeout 75s;
	keepalive_requests 10000000;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	server {
		listen %[3]s;
		listen %[4]s ssl;
		root %[5]s;
		ssl_certificate %[2]s/cert.pem;
		ssl_certificate_key %[2]s/key.pem;
		ssl_protocols TLSv1.3;
	}
}
`

// startNginx serves the files below root. The caller stops it.
func (b *bench) startNginx(ctx context.Context, root string) (*nginx, error) {
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := &nginx{done: make(chan struct{}), said: new(harness.Log)}
	var err error
	if n.http, err = freeAddress(); err != nil {
		return nil, err
	}
	if n.https, err = freeAddress(); err != nil {
		return nil, err
	}
	if n.roots, err = selfSigned(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // workers have to get into our scratch folder
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, user, dir, n.http, n.https, root), 0o600); err != nil {
		return nil, err
	}
	_, program, err := nginxVersion(ctx)
	if err != nil {
		return nil, err
	}
	n.cmd = command(ctx, program, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	go func() {
		_ = n.cmd.Wait()
		close(n.done)
	}()
	err = harness.Poll(ctx, 10*time.Millisecond, readyTime, "nginx answers", func() (bool, error) {
		select {
		case <-n.done:
			return false, fmt.Errorf("nginx ended: %v\n%s%s", n.cmd.ProcessState, n.said.Tail(saidBytes), readFile(filepath.Join(dir, "error.log")))
		default:
		}
		workers, err := children(n.cmd.Process.Pid)
		if err != nil || len(workers) < nginxWorkers {
			return false, err
		}
		n.pids = append([]int{n.cmd.Process.Pid}, workers...)
		conn, err := net.Dial("tcp", n.https)
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

// stop ends nginx and its workers.
func (n *nginx) stop() error {
	_ = n.cmd.Cancel()
	select {
	case <-n.done:
		return nil
	case <-time.After(10 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.done
		return fmt.Errorf("nginx did not end within 10 s of SIGTERM\n%s", n.said.Tail(saidBytes))
	}
}

// nginxVersion returns what nginx calls itself, and where it is.
func nginxVersion(ctx context.Context) (version, program string, err error) {
	program, err = exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx") // not in every user's PATH
	}
	if err != nil {
		return "", "", fmt.Errorf("find nginx: %w (scripts/install.sh bench installs it)", err)
	}
	line, err := firstLine(ctx, program, "-v")
	return strings.TrimPrefix(line, "nginx version: "), program, err
}

// selfSigned writes a certificate for localhost of the kind that Vodwright's own
// authority issues: ECDSA P-256.
func selfSigned(certPath, keyPath string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return poolOf(certPath)
}
