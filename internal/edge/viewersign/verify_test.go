package viewersign

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/cloudfront/sign"

	"vodwright.dev/vodwright/internal/fault"
)

func vectorKeys(t testing.TB) map[string]crypto.PublicKey {
	t.Helper()
	keys := map[string]crypto.PublicKey{}
	for id, name := range map[string]string{"KRSA": "rsapub.pem", "KRSA2": "rsapub2.pem", "KEC": "ecpub.pem"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if keys[id], err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

var now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// request is what the edge makes of a URL.
func request(t testing.TB, url, cookie string) *Request {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := &Request{
		Distribution: "E1", Scheme: r.URL.Scheme, Host: r.Host, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery,
		Client: netip.MustParseAddr("::ffff:10.1.2.3"), Now: now,
	}
	if cookie != "" {
		out.Cookie = []string{cookie}
	}
	return out
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	f := fault.Of(err)
	if f.Kind != fault.Denied || f.Hint == "" {
		return "not a denial with a hint: " + err.Error()
	}
	return f.Code
}

// TestVectors are signatures made by others: see the file's head.
func TestVectors(t *testing.T) {
	f, err := os.Open("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys, v, n := vectorKeys(t), New([]byte("secret")), 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		part := strings.Split(lines.Text(), "\t")
		n++
		t.Run(part[1], func(t *testing.T) {
			r := request(t, part[2], part[3])
			for _, pass := range []string{"first", "remembered"} {
				g, err := v.Admit(r, keys, true)
				if got := outcome(err); got != part[0] {
					t.Fatalf("%s: %s, want %s; hint %q", pass, got, part[0], fault.Of(err).Hint)
				}
				if err == nil && (g.Cookies != (part[3] != "") || keys[g.KeyPairID] == nil || !g.Expires.After(now)) {
					t.Errorf("%s: %+v", pass, g)
				}
			}
		})
	}
	if n < 70 {
		t.Errorf("only %d vectors", n)
	}
}

func TestMessagesAreCloudFronts(t *testing.T) {
	v := New(nil)
	_, err := v.Admit(request(t, "https://e1.cdn.localhost/a.ts", ""), vectorKeys(t), false)
	if got := err.Error(); got != "Missing Key-Pair-Id query parameter or cookie value" {
		t.Error(got)
	}
	_, err = v.Admit(request(t, "https://e1.cdn.localhost/a.ts?Key-Pair-Id=K", ""), vectorKeys(t), false)
	if got := err.Error(); got != "Unknown Key" {
		t.Error(got)
	}
}

// TestGoSDK signs with the AWS SDK for Go.
func TestGoSDK(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := New(nil)
	for name, signer := range map[string]crypto.Signer{"rsa": rsaKey, "ecdsa": ecKey} {
		keys := map[string]crypto.PublicKey{"K": signer.Public()}
		s := sign.NewURLSigner("K", signer)
		canned, err := s.Sign("https://e1.cdn.localhost/a/b.m3u8?x=y", now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		policy := sign.NewCannedPolicy("https://*/a/*", now.Add(time.Hour))
		policy.Statements[0].Condition.IPAddress = &sign.IPAddress{SourceIP: "10.1.2.0/24"}
		custom, err := s.SignWithPolicy("https://e1.cdn.localhost/a/c.ts", policy)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []string{canned, custom} {
			r := request(t, u, "")
			if _, err := v.Admit(r, keys, false); err != nil {
				t.Errorf("%s %s: %v (%s)", name, u, err, fault.Of(err).Hint)
			}
			// What was verified once does not outlive its date, nor its key.
			r.Now = now.Add(time.Hour)
			if _, err := v.Admit(r, keys, false); outcome(err) != "AccessDenied" {
				t.Errorf("%s: expired: %v", name, err)
			}
			r.Now = now
			other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Admit(r, map[string]crypto.PublicKey{"K": other.Public()}, false); outcome(err) != "AccessDenied" {
				t.Errorf("%s: with another key of the same id: %v", name, err)
			}
		}
		if name != "rsa" { // the SDK signs cookies with RSA alone; vectors.tsv has the others
			continue
		}
		cookies, err := sign.NewCookieSigner("K", rsaKey).SignWithPolicy(policy, func(*sign.CookieOptions) {})
		if err != nil {
			t.Fatal(err)
		}
		r := request(t, "https://e1.cdn.localhost/a/d.ts", "")
		for _, c := range cookies {
			r.Cookie = append(r.Cookie, c.Name+"="+c.Value)
		}
		if g, err := v.Admit(r, keys, false); err != nil || !g.Cookies {
			t.Errorf("%s: cookies: %v", name, err)
		}
	}
}

func TestStrip(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"a=b&c=%20d":                         "a=b&c=%20d",
		"a=b&Expires=1&c&Signature=x&&e=":    "a=b&c&&e=",
		"Policy=x&Key-Pair-Id=y&Signature=z": "",
		"Vodwright-Token=x&v=1":              "v=1",
		"Hash-Algorithm=SHA256":              "",
		"expires=1&MyPolicy=2":               "expires=1&MyPolicy=2",
	} {
		if got := Strip(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v, keys := New(nil), map[string]crypto.PublicKey{"K": signer.Public()}
	u, err := sign.NewURLSigner("K", signer).SignWithPolicy("https://e1.cdn.localhost/a.ts", sign.NewCannedPolicy("*", now.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, u, "")
	for i := range maxVerified + 100 {
		at := uint64(i)
		if v.known == nil {
			v.known = map[uint64]*verified{}
		}
		v.known[at<<32] = &verified{grant: &Grant{Expires: now.Add(time.Minute)}}
	}
	if _, err := v.Admit(r, keys, false); err != nil || len(v.known) > maxVerified {
		t.Errorf("%d remembered, %v", len(v.known), err)
	}
}

func BenchmarkAdmit(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	u, err := sign.NewURLSigner("K", key).SignWithPolicy("https://e1.cdn.localhost/a/c.ts", sign.NewCannedPolicy("https://e1.cdn.localhost/*", now.Add(time.Hour)))
	if err != nil {
		b.Fatal(err)
	}
	v, keys, r := New(nil), map[string]crypto.PublicKey{"K": key.Public()}, request(b, u, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Admit(r, keys, false); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzAdmit says that nobody is admitted whose signature is not the signer's: a
// request is admitted only if its policy is the one that was signed, and covers it.
func FuzzAdmit(f *testing.F) {
	keys := vectorKeys(f)
	text, err := os.ReadFile("testdata/vectors.tsv")
	if err != nil {
		f.Fatal(err)
	}
	signed := map[string]bool{} // every decoded signature that a key of ours made
	for line := range strings.SplitSeq(string(text), "\n") {
		part := strings.Split(line, "\t")
		if len(part) != 4 {
			continue
		}
		r := request(f, part[2], part[3])
		s, _ := parameters(r)
		if b, err := decode(s.signature); err == nil {
			signed[string(b)] = true
		}
		f.Add(r.Scheme, r.Host, r.Path, r.RawQuery, part[3])
	}
	token := New([]byte("secret")).tokens.mint("E1", "/films/", true, &Grant{KeyPairID: "KEC", Expires: now.Add(time.Hour), IP: netip.MustParsePrefix("10.0.0.0/8")})
	f.Add("https", "e1.cdn.localhost", "/films/a.ts", ParamToken+"="+token, "")
	v := New([]byte("secret"))
	f.Fuzz(func(t *testing.T, scheme, host, path, query, cookie string) {
		r := &Request{Distribution: "E1", Scheme: scheme, Host: host, Path: path, RawQuery: query, Cookie: []string{cookie}, Client: netip.MustParseAddr("10.1.2.3"), Now: now}
		g, err := v.Admit(r, keys, true)
		if rest := Strip(query); Strip(rest) != rest {
			t.Fatalf("stripping twice strips more: %q", query)
		}
		if err != nil {
			if f := fault.Of(err); f.Kind != fault.Denied || f.Code == "" {
				t.Fatalf("not a denial: %v", err)
			}
			return
		}
		if g.Kind == Token {
			s, _ := parameters(r)
			if strings.TrimRight(s.token, "\r\n") != token || !strings.HasPrefix(unescape(path), "/films/") {
				t.Fatalf("forged token admitted: %q at %q", s.token, path)
			}
			return
		}
		s, _ := parameters(r)
		b, err := decode(s.signature)
		if err != nil || !signed[string(b)] || !r.Now.Before(g.Expires) {
			t.Fatalf("admitted %+v by %+v", r, s)
		}
	})
}
