package viewersign

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"path"
	"strings"
	"time"
)

// tokens makes and checks tokens: what a playlist that was admitted by a signed
// URL hands its player for the URLs in it, where the signature itself does not
// cover them (a canned policy covers one URL). The server vouches for what the
// signer opened the door to, no longer than the signer said and no further than
// the playlist leads. Paths are compared percent-decoded, for players write what
// they find in a playlist in several ways.
//
// On the wire a token is base64url of
//
//	byte     version, 1
//	byte     scope: 0 the exact path, 1 every path below a folder
//	uint16   length of the path, or of the folder with its final "/"
//	uint40   expiry, Unix seconds
//	byte     bits of the viewer's prefix and byte, its length in bytes: 0, 4 or 16
//	bytes    the prefix
//	bytes    the key pair's id: a token is worth no more than the key that opened the door
//	16 bytes of HMAC-SHA256 over distribution, path and all of the above
type tokens struct{ secret []byte }

const (
	tokenVersion = 1
	tokenHead    = 1 + 1 + 2 + 5 + 2
	tokenMAC     = 16
	maxToken     = 256 // characters
)

func newTokens(secret []byte) *tokens {
	if len(secret) == 0 {
		return nil
	}
	return &tokens{secret: secret}
}

// mint returns a token for one decoded path, or for all below a folder that ends with "/".
func (t *tokens) mint(distribution, scope string, below bool, g *Grant) string {
	b := make([]byte, tokenHead, 128)
	b[0] = tokenVersion
	if below {
		b[1] = 1
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(scope)))
	expires := uint64(min(max(g.Expires.Unix(), 0), 1<<40-1))
	b[4] = byte(expires >> 32)
	binary.BigEndian.PutUint32(b[5:], uint32(expires))
	if g.IP.IsValid() {
		b[9] = byte(g.IP.Bits())
		b[10] = byte(g.IP.Addr().BitLen() / 8)
		b = append(b, g.IP.Addr().AsSlice()...)
	}
	b = append(b, g.KeyPairID...)
	b = append(b, t.mac(distribution, scope, b)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (t *tokens) mac(distribution, scope string, head []byte) []byte {
	h := hmac.New(sha256.New, t.secret)
	_, _ = h.Write([]byte(distribution + "\x00" + scope + "\x00"))
	_, _ = h.Write(head)
	return h.Sum(nil)[:tokenMAC]
}

func (t *tokens) admit(r *Request, token string, keys map[string]crypto.PublicKey) (*Grant, error) {
	const forged = "the Vodwright-Token was altered, or made for another path; begin with the signed URL of the playlist"
	if len(token) > maxToken {
		return nil, denied(forged)
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < tokenHead+tokenMAC || b[0] != tokenVersion {
		return nil, denied(forged)
	}
	head, mac := b[:len(b)-tokenMAC], b[len(b)-tokenMAC:]
	length, path := int(binary.BigEndian.Uint16(b[2:])), unescape(r.Path)
	if length > len(path) || head[1] == 0 && length != len(path) || head[1] == 1 && !strings.HasSuffix(path[:length], "/") || head[1] > 1 {
		return nil, denied(forged)
	}
	if !hmac.Equal(mac, t.mac(r.Distribution, path[:length], head)) || hasDots(path) {
		return nil, denied(forged)
	}
	// From here on it is what mint wrote.
	g := &Grant{Kind: Token, Expires: time.Unix(int64(b[4])<<32|int64(binary.BigEndian.Uint32(b[5:])), 0)}
	rest := head[tokenHead:]
	if n := int(head[10]); n > 0 {
		address, ok := netip.AddrFromSlice(rest[:min(n, len(rest))])
		if !ok {
			return nil, denied(forged)
		}
		g.IP = netip.PrefixFrom(address, int(head[9]))
		rest = rest[n:]
	}
	g.KeyPairID = string(rest)
	if keys[g.KeyPairID] == nil {
		return nil, denied("the key by which this was signed is trusted no more")
	}
	if err := g.admit(r); err != nil {
		return nil, err
	}
	return g, nil
}

// hasDots reports whether a decoded path has a dot segment: such a path is not
// below the folder that it begins with.
func hasDots(p string) bool {
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// folder returns the folder of a path, with its final "/".
func folder(p string) string {
	dir, _ := path.Split(p)
	return dir
}
