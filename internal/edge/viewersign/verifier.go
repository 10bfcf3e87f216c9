package viewersign

import (
	"crypto"
	"hash/maphash"
	"strings"
	"sync"

	"vodwright.dev/vodwright/internal/fault"
)

// Verifier admits requests. It remembers which signatures it has verified, for a
// player sends the same one with hundreds of segments and RSA costs 25 µs each
// time; dates, addresses and URLs are compared with every request. It is safe for
// concurrent use; the zero Verifier works, without tokens.
type Verifier struct {
	tokens *tokens

	mu    sync.RWMutex
	seed  maphash.Seed
	known map[uint64]*verified
}

// New returns a Verifier whose tokens are made with secret, which must be the
// same on every server that answers for a distribution, and across restarts;
// without a secret there are no tokens.
func New(secret []byte) *Verifier {
	return &Verifier{tokens: newTokens(secret)}
}

// verified is a signature that was found to be right, and by which key.
type verified struct {
	signed signed
	url    string // of a canned policy; "" for a custom one, which names what it covers
	key    crypto.PublicKey
	grant  *Grant
}

// maxVerified bounds the memory of signatures: some 2 KiB each.
const maxVerified = 4096

// Admit returns why r may have what it asks for, or the fault to answer with.
// keys are the trusted public keys by id. tokens says whether a token from a
// playlist is as good as a signature here.
func (v *Verifier) Admit(r *Request, keys map[string]crypto.PublicKey, tokens bool) (*Grant, error) {
	s, cookies := parameters(r)
	if s.token != "" && tokens && v.tokens != nil {
		return v.tokens.admit(r, s.token, keys)
	}
	if s.keyPairID == "" {
		return nil, fault.New(fault.Denied, "MissingKey", "Missing Key-Pair-Id query parameter or cookie value").
			WithHint("this needs a signed URL or signed cookies (aws cloudfront sign)")
	}
	key := keys[s.keyPairID]
	if key == nil {
		return nil, fault.New(fault.Denied, "InvalidKey", "Unknown Key").
			WithHint("Key-Pair-Id %.40q is the id of no public key in the key groups of this behavior", s.keyPairID)
	}
	grant, err := v.verify(r, &s, cookies, key)
	if err != nil {
		return nil, err
	}
	if err := grant.admit(r); err != nil {
		return nil, err
	}
	if grant.Kind == Custom && !grant.Covers(r) {
		return nil, denied("the policy is for %.300q, not for this URL", grant.Resource)
	}
	return grant, nil
}

func (v *Verifier) verify(r *Request, s *signed, cookies bool, key crypto.PublicKey) (*Grant, error) {
	url := ""
	if s.policy == "" {
		url = urls(r)[0]
	}
	at := v.hash(s, url, cookies)
	v.mu.RLock()
	known := v.known[at]
	v.mu.RUnlock()
	if known != nil && known.signed == *s && known.url == url && known.grant.Cookies == cookies && equal(known.key, key) {
		return known.grant, nil
	}
	grant, err := check(r, s, cookies, key)
	if err != nil {
		return nil, err
	}
	if !r.Now.Before(grant.Expires) {
		return grant, nil // will not be asked for again with another answer
	}
	own := *s
	for _, part := range []*string{&own.expires, &own.policy, &own.signature, &own.keyPairID, &own.hash, &own.token} {
		*part = strings.Clone(*part) // not the whole request with it
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[uint64]*verified{}
	}
	if len(v.known) >= maxVerified { // an eighth goes; what is in use is back after one verification
		for k := range v.known {
			if delete(v.known, k); len(v.known) <= maxVerified-maxVerified/8 {
				break
			}
		}
	}
	v.known[at] = &verified{signed: own, url: strings.Clone(url), key: key, grant: grant}
	return grant, nil
}

func (v *Verifier) hash(s *signed, url string, cookies bool) uint64 {
	v.mu.RLock()
	seed := v.seed
	v.mu.RUnlock()
	if seed == (maphash.Seed{}) {
		v.mu.Lock()
		if v.seed == (maphash.Seed{}) {
			v.seed = maphash.MakeSeed()
		}
		seed = v.seed
		v.mu.Unlock()
	}
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range []string{s.expires, s.policy, s.signature, s.keyPairID, s.hash, url} {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	if cookies {
		_ = h.WriteByte(1)
	}
	return h.Sum64()
}

// equal reports whether two keys are the same: an id may be given another key.
func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
