// Package viewersign decides whether a viewer may have what it asks for: signed
// URLs and signed cookies as CloudFront knows them, canned and custom policies,
// RSA and ECDSA keys, and the tokens by which a player that keeps no cookies gets
// from a signed playlist to its segments.
//
// In flow the parts of a request that a signature speaks about ([Request]), the
// trusted public keys by their id and the time; out flows a [Grant] or a
// *fault.Error of kind Denied with CloudFront's code and message, and a hint that
// says what is really wrong. It touches nothing but its arguments and, in a
// [Verifier], a bounded memory of signatures that it has verified.
//
// Source: CloudFront Developer Guide, "Serve private content with signed URLs and
// signed cookies". Differences, all on the lenient side of what is signed:
//
//   - A URL may be signed with or without the port that the viewer uses, because
//     CloudFront knows no ports and a server on :8443 does.
//   - Addresses of IPv6 work in IpAddress conditions.
//   - Percent-encoded signatures and policies are decoded once.
//
// A policy with a condition or member that is not known is refused, not ignored:
// what somebody restricted must not be open by a misspelling.
package viewersign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1"   // the algorithms of signatures
	_ "crypto/sha256" // likewise
	"encoding/base64"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Request is what a signature can speak about.
type Request struct {
	Distribution string // id, to which tokens are bound
	Scheme       string // "http" or "https"
	Host         string // as the viewer sent it, with its port if any
	Path         string // escaped, as the viewer sent it, "/" first
	RawQuery     string // as the viewer sent it
	// Cookie are the values of the Cookie headers, unparsed; read only if the
	// query holds no signature.
	Cookie []string
	Client netip.Addr // the viewer's address
	Now    time.Time
}

// Kind is by what a viewer was admitted.
type Kind uint8

// The kinds of grants.
const (
	Canned Kind = iota // a canned policy: one URL and a date
	Custom             // a custom policy
	Token              // a token of ours, from a playlist
)

// Grant says that a request is admitted, and by what.
type Grant struct {
	Kind      Kind
	Cookies   bool // admitted by cookies, which the viewer will send again by itself
	KeyPairID string
	Expires   time.Time    // the first moment at which it is admitted no more
	IP        netip.Prefix // of the viewers it is for; invalid for any
	Resource  string       // a custom policy's, with wildcards; "" is everything
	// Query repeats a custom policy's parameters, to be sent along with other URLs
	// that its Resource covers; "" otherwise.
	Query string

	notBefore int64 // Unix seconds: admitted only after; 0 for always
}

// The query parameters of signed URLs; a cookie's name is "CloudFront-" and one of the first five.
const (
	paramExpires   = "Expires"
	paramPolicy    = "Policy"
	paramSignature = "Signature"
	paramKeyPairID = "Key-Pair-Id"
	paramHash      = "Hash-Algorithm"
	// ParamToken names our own token in a URL.
	ParamToken = "Vodwright-Token"
)

// signed holds the parameters of a signature, as the viewer sent them.
type signed struct{ expires, policy, signature, keyPairID, hash, token string }

func (s *signed) field(name string) *string {
	switch name {
	case paramExpires:
		return &s.expires
	case paramPolicy:
		return &s.policy
	case paramSignature:
		return &s.signature
	case paramKeyPairID:
		return &s.keyPairID
	case paramHash:
		return &s.hash
	case ParamToken:
		return &s.token
	}
	return nil
}

// Strip removes the parameters of signatures and tokens from a raw query and
// keeps the rest byte for byte and in order: it is what a canned policy signs,
// what belongs in a cache key and what an origin may see.
func Strip(rawQuery string) string {
	if rawQuery == "" || !mayBeSigned(rawQuery) {
		return rawQuery
	}
	var s signed
	kept := make([]byte, 0, len(rawQuery))
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if s.field(name) != nil {
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, '&')
		}
		kept = append(kept, pair...)
	}
	return string(kept)
}

// mayBeSigned is a quick look: without one of these there is nothing to strip.
func mayBeSigned(query string) bool {
	return strings.Contains(query, paramKeyPairID) || strings.Contains(query, paramSignature) || strings.Contains(query, paramPolicy) ||
		strings.Contains(query, paramExpires) || strings.Contains(query, paramHash) || strings.Contains(query, ParamToken)
}

// parameters returns the signature of a request. A query that holds any part of
// one wins over cookies (Developer Guide, "Decide to use signed URLs or signed cookies").
func parameters(r *Request) (s signed, cookies bool) {
	if mayBeSigned(r.RawQuery) {
		for pair := range strings.SplitSeq(r.RawQuery, "&") {
			name, value, _ := strings.Cut(pair, "=")
			if at := s.field(name); at != nil && *at == "" {
				*at = unescape(value)
			}
		}
		if s.signature != "" || s.policy != "" || s.keyPairID != "" || s.token != "" {
			return s, false
		}
	}
	s = signed{}
	for _, header := range r.Cookie {
		for pair := range strings.SplitSeq(header, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			name, ours := strings.CutPrefix(name, "CloudFront-")
			if !ours {
				continue
			}
			if at := s.field(name); at != nil && *at == "" {
				*at = unescape(strings.Trim(value, `"`))
			}
		}
	}
	return s, true
}

func unescape(v string) string {
	if strings.IndexByte(v, '%') < 0 {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// decode reads CloudFront's variant of base64: "-", "_" and "~" for "+", "=" and "/".
func decode(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(standard.Replace(s), "="))
}

var standard = strings.NewReplacer("-", "+", "_", "=", "~", "/")

// The faults of signed requests: CloudFront's codes and messages, our hints.

func denied(hint string, args ...any) error {
	return fault.New(fault.Denied, "AccessDenied", "Access denied").WithHint(hint, args...)
}

func malformedPolicy(hint string, args ...any) error {
	return fault.New(fault.Denied, "MalformedPolicy", "Malformed Policy").WithHint(hint, args...)
}

// check verifies the signature of r, and returns the grant it makes. Dates and
// addresses are left to admit, which has to look at them each time.
func check(r *Request, s *signed, cookies bool, key crypto.PublicKey) (*Grant, error) {
	document, err := decode(s.policy)
	if err != nil {
		return nil, malformedPolicy("Policy is not CloudFront's base64: + = / are written - _ ~")
	}
	signature, err := decode(s.signature)
	if err != nil || len(signature) == 0 {
		return nil, fault.New(fault.Denied, "MalformedSignature", "Could not unencode Signature").
			WithHint("Signature is missing or not CloudFront's base64: + = / are written - _ ~")
	}
	hash := crypto.SHA1
	switch strings.ToUpper(s.hash) {
	case "", "SHA1":
	case "SHA256":
		hash = crypto.SHA256
	default:
		return nil, denied("Hash-Algorithm is SHA1 or SHA256")
	}

	grant := &Grant{Kind: Custom, Cookies: cookies, KeyPairID: s.keyPairID}
	if s.policy == "" {
		seconds, err := strconv.ParseInt(s.expires, 10, 64)
		if err != nil || seconds < 0 {
			return nil, malformedPolicy("a signed URL carries Policy, or Expires in seconds since 1970")
		}
		grant.Kind, grant.Expires = Canned, time.Unix(seconds, 0)
		for _, u := range urls(r) {
			if verifies(key, hash, cannedPolicy(u, s.expires), signature) {
				return grant, nil
			}
		}
		return nil, denied("the signature does not fit this URL and its Expires; what was signed must be exactly %s", urls(r)[0])
	}
	if !verifies(key, hash, document, signature) {
		return nil, denied("the signature does not fit the policy: it was altered, or signed with another key or hash algorithm")
	}
	if err := grant.read(document); err != nil {
		return nil, err
	}
	var q strings.Builder
	q.WriteString(paramPolicy + "=" + s.policy + "&" + paramSignature + "=" + s.signature + "&" + paramKeyPairID + "=" + s.keyPairID)
	if s.hash != "" {
		q.WriteString("&" + paramHash + "=" + s.hash)
	}
	if grant.Query = q.String(); !plain(grant.Query) {
		grant.Query = "" // decoded from something odd: not to be repeated
	}
	return grant, nil
}

// cannedPolicy is the document that a canned policy signs, to the byte.
func cannedPolicy(resource, expires string) []byte {
	return []byte(`{"Statement":[{"Resource":"` + resource + `","Condition":{"DateLessThan":{"AWS:EpochTime":` + expires + `}}}]}`)
}

func verifies(key crypto.PublicKey, hash crypto.Hash, document, signature []byte) bool {
	h := hash.New()
	h.Write(document)
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, hash, h.Sum(nil), signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, h.Sum(nil), signature)
	}
	return false
}

// plain reports whether a query needs no escaping in a playlist or a header.
func plain(query string) bool {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>' || c == '%' {
			return false
		}
	}
	return true
}

// urls returns the forms under which r's URL may have been signed: as the viewer
// sent it, and without a port.
func urls(r *Request) []string {
	rest := r.Path
	if q := Strip(r.RawQuery); q != "" {
		rest += "?" + q
	}
	out := []string{r.Scheme + "://" + r.Host + rest}
	if name, port, ok := cutPort(r.Host); ok && port != "" {
		out = append(out, r.Scheme+"://"+name+rest)
	}
	return out
}

func cutPort(host string) (name, port string, ok bool) {
	at := strings.LastIndexByte(host, ':')
	if at < 0 || strings.HasSuffix(host, "]") {
		return host, "", false
	}
	return host[:at], host[at+1:], true
}

// admit applies a grant's conditions to a request.
func (g *Grant) admit(r *Request) error {
	if !r.Now.Before(g.Expires) {
		return denied("this was valid until %s and it is %s now", g.Expires.UTC().Format(time.RFC3339), r.Now.UTC().Format(time.RFC3339))
	}
	if g.notBefore != 0 && r.Now.Unix() <= g.notBefore {
		return denied("this is valid after %s and it is %s now", time.Unix(g.notBefore, 0).UTC().Format(time.RFC3339), r.Now.UTC().Format(time.RFC3339))
	}
	if g.IP.IsValid() && !g.IP.Contains(r.Client.Unmap().WithZone("")) {
		return denied("this is valid for viewers in %s alone", g.IP)
	}
	return nil
}
