// Package tlsca is the private certificate authority that gives the server HTTPS
// names nobody else can vouch for: localhost, loopback addresses, *.localhost.
//
// A folder goes in; out come ca.pem (the certificate, for clients to trust) and
// ca.key (mode 0600), made once and kept, and a *tls.Config that issues a leaf
// certificate for each name a client asks for. Leaves live in memory only, for a
// week, and are renewed long before; they share one key, made at start. All keys
// are ECDSA P-256, so that starting takes a millisecond or two.
//
// Files appear whole or not at all, synced before they have their names; two
// processes that start at once in one folder end up with the same authority.
package tlsca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	certFile = "ca.pem"
	keyFile  = "ca.key"
	// authorityLife is how long clients that were told to trust ca.pem can go on.
	authorityLife = 10 * 365 * 24 * time.Hour
	// backdate forgives clients whose clocks are behind.
	backdate = time.Hour
)

// CA is a private certificate authority. It is immutable and safe for concurrent use.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	leaf *ecdsa.PrivateKey // of every certificate issued by this process
}

// Open loads the authority in dir, or makes it, and dir too, if there is none.
// Files that are there but unusable (expired, damaged, of two authorities) are an
// Internal fault that says which to remove; they are never overwritten, since
// clients may trust what they once held.
func Open(dir string) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make certificate folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find certificate folder %q: %w", dir, err)
	}
	ca := &CA{dir: dir}
	// The key is made first: a crash in between leaves a key, and the next start
	// makes its certificate.
	if ca.key, err = loadKey(filepath.Join(dir, keyFile)); err != nil {
		return nil, err
	}
	if ca.cert, err = loadCert(filepath.Join(dir, certFile), ca.key); err != nil {
		return nil, err
	}
	if ca.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make leaf key: %w", err)
	}
	return ca, nil
}

// exported is an authority with its key.
type exported struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Export returns the authority with its key, for Import.
func (ca *CA) Export() ([]byte, error) {
	cert, err := os.ReadFile(filepath.Join(ca.dir, certFile))
	if err != nil {
		return nil, fmt.Errorf("export authority: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(ca.dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("export authority: %w", err)
	}
	return json.Marshal(exported{string(cert), string(key)})
}

// Import makes what Export returned, here or elsewhere, the authority of dir, and opens
// it: another one that dir has is gone.
func Import(dir string, doc []byte) (*CA, error) {
	var of exported
	if err := json.Unmarshal(doc, &of); err != nil {
		return nil, fmt.Errorf("import authority: %w", err)
	}
	for name, text := range map[string]string{keyFile: of.Key, certFile: of.Cert} {
		mode := os.FileMode(0o644)
		if name == keyFile {
			mode = 0o600
		}
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == text {
			continue
		}
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), mode), os.Rename(path+".new", path)); err != nil {
			return nil, fmt.Errorf("import authority: %w", err)
		}
	}
	return Open(dir)
}

// CertPEMPath returns the absolute path of the authority's certificate, for
// clients to trust: AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS, curl --cacert.
func (ca *CA) CertPEMPath() string { return filepath.Join(ca.dir, certFile) }

// Pool returns a pool with this authority alone, for Go clients.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// LeafSPKI returns the SHA-256 of the public key that all of this process's
// leaf certificates carry (Chromium's --ignore-certificate-errors-spki-list takes it in base64).
func (ca *CA) LeafSPKI() [sha256.Size]byte {
	der, err := x509.MarshalPKIXPublicKey(ca.leaf.Public())
	if err != nil { // an ECDSA P-256 key always marshals
		panic(err)
	}
	return sha256.Sum256(der)
}

func loadKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make authority key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encode authority key: %w", err)
		}
		data, err = create(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("read authority key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, damaged(path, errors.New("no PEM block"))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, damaged(path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damaged(path, fmt.Errorf("a %T, not an ECDSA key", parsed))
	}
	return key, nil
}

func loadCert(path string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		der, err := selfSign(key, time.Now())
		if err != nil {
			return nil, err
		}
		data, err = create(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("read authority certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, damaged(path, errors.New("no PEM block"))
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
	case !key.PublicKey.Equal(cert.PublicKey):
		err = fmt.Errorf("it belongs to another key than %s", keyFile)
	case !cert.IsCA:
		err = errors.New("it is not an authority's")
	case time.Now().After(cert.NotAfter):
		err = fmt.Errorf("it expired on %s", cert.NotAfter.Format(time.DateOnly))
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	return cert, nil
}

func selfSign(key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// Clients list authorities by name: the number tells two machines' apart.
		Subject:               pkix.Name{Organization: []string{"Vodwright"}, CommonName: fmt.Sprintf("Vodwright private CA %08X", serial.Uint64()&0xffffffff)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority certificate: %w", err)
	}
	return der, nil
}

// serialNumber returns a positive random number of at most 127 bits (RFC 5280 §4.1.2.2).
func serialNumber() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func damaged(path string, cause error) error {
	return fault.New(fault.Internal, "", "cannot use the certificate authority's file %s: %w", path, cause).
		WithHint("remove %s and %s from %s to have a new authority made; clients must then trust the new %s", certFile, keyFile, filepath.Dir(path), certFile)
}

// create puts data under path, whole and synced, unless something is there
// already, and returns what is there in the end.
func create(path string, data []byte, mode fs.FileMode) ([]byte, error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, fmt.Errorf("create %q: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", path, err)
	}
	// A link, not a rename: it does not replace what another process has put there.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	} else if err != nil {
		return nil, fmt.Errorf("create %q: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("sync folder of %q: %w", path, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return nil, fmt.Errorf("sync folder of %q: %w", path, err)
	}
	return bytes.Clone(data), nil
}
