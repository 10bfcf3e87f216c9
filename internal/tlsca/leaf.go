package tlsca

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	leafLife    = 7 * 24 * time.Hour
	renewBefore = 2 * 24 * time.Hour // a process that runs for years never serves an expired leaf
	// maxLeaves bounds what clients who make up names can make us keep.
	maxLeaves = 1024
)

// Config returns a TLS configuration for HTTPS servers (h2 and http/1.1, TLS 1.2
// and later, session tickets) that answers to localhost, *.localhost, the
// addresses the server is reached at, and every other name for which hosts says
// true; nil allows none. Names come to hosts in lower case without a final dot.
// A client that asks for another name gets the TLS alert internal_error.
func (ca *CA) Config(hosts func(string) bool) *tls.Config {
	i := &issuer{ca: ca, hosts: hosts, leaves: map[string]*tls.Certificate{}, clock: time.Now}
	return i.config()
}

// issuer issues and keeps leaf certificates.
type issuer struct {
	ca    *CA
	hosts func(string) bool
	clock func() time.Time

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func (i *issuer) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: i.certificate,
		// Segments are large and players fetch them whole: small first records
		// cost CPU and gain nothing.
		DynamicRecordSizingDisabled: true,
	}
}

func (i *issuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		// A client that connects to an address sends no name (RFC 6066 §3).
		name = localAddress(hello.Conn)
	} else if !i.allowed(name) {
		return nil, fault.New(fault.NotFound, "", "no certificate for %q", name).
			WithHint("use a name under localhost, or configure this one")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.clock()
	if leaf := i.leaves[name]; leaf != nil && now.Before(leaf.Leaf.NotAfter.Add(-renewBefore)) {
		return leaf, nil
	}
	leaf, err := i.issue(name, now)
	if err != nil {
		return nil, err
	}
	if len(i.leaves) >= maxLeaves {
		for victim := range i.leaves { // any one: all are as cheap to make again
			delete(i.leaves, victim)
			break
		}
	}
	i.leaves[name] = leaf
	return leaf, nil
}

func (i *issuer) allowed(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return i.hosts != nil && i.hosts(name)
}

// localAddress returns the address of ours that the client connected to.
func localAddress(conn net.Conn) string {
	if conn != nil {
		if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() {
			return tcp.IP.String()
		}
	}
	return "127.0.0.1"
}

// issue signs a certificate for name. One for an address names localhost and the
// loopback addresses as well.
func (i *issuer) issue(name string, now time.Time) (*tls.Certificate, error) {
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) <= 64 { // the limit of a common name, RFC 5280 appendix A
		template.Subject = pkix.Name{CommonName: name}
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
		if !ip.IsLoopback() || !(ip.Equal(template.IPAddresses[0]) || ip.Equal(net.IPv6loopback)) {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.ca.cert, i.ca.leaf.Public(), i.ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate for %q: %w", name, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate for %q: %w", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, i.ca.cert.Raw}, PrivateKey: i.ca.leaf, Leaf: leaf}, nil
}
