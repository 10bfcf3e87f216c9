package viewersign

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"
)

// document is a custom policy as it is signed (Developer Guide, "Create a policy
// statement for a signed URL that uses a custom policy").
type document struct {
	Version, ID string
	Statement   []statement
}

type statement struct {
	Sid       string
	Resource  string
	Condition struct {
		DateLessThan, DateGreaterThan *struct {
			EpochTime *int64 `json:"AWS:EpochTime"`
		}
		IPAddress *struct {
			SourceIP string `json:"AWS:SourceIp"`
		} `json:"IpAddress"`
	}
}

// read takes a verified policy's statement into g.
func (g *Grant) read(text []byte) error {
	var d document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return malformedPolicy("the policy is not of the form {\"Statement\":[{\"Resource\":…,\"Condition\":{…}}]}: %s", err)
	}
	if decoder.More() {
		return malformedPolicy("there is something after the policy's end")
	}
	if len(d.Statement) != 1 {
		return malformedPolicy("a policy has one statement, not %d", len(d.Statement))
	}
	s := d.Statement[0]
	c := s.Condition
	if c.DateLessThan == nil || c.DateLessThan.EpochTime == nil {
		return malformedPolicy("a policy says until when it holds: Condition.DateLessThan.AWS:EpochTime")
	}
	g.Resource, g.Expires = s.Resource, time.Unix(*c.DateLessThan.EpochTime, 0)
	if after := c.DateGreaterThan; after != nil {
		if after.EpochTime == nil {
			return malformedPolicy("Condition.DateGreaterThan has no AWS:EpochTime")
		}
		g.notBefore = *after.EpochTime
	}
	if c.IPAddress != nil {
		prefix, err := readPrefix(c.IPAddress.SourceIP)
		if err != nil {
			return malformedPolicy("Condition.IpAddress.AWS:SourceIp is an address or a CIDR block: %s", err)
		}
		if c.IPAddress.SourceIP != "0.0.0.0/0" { // everybody, those with IPv6 too
			g.IP = prefix
		}
	}
	return nil
}

func readPrefix(s string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix.Masked(), nil
	}
	address, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
}

// Covers reports whether a custom policy's Resource covers one of the forms of r's URL.
func (g *Grant) Covers(r *Request) bool {
	if g.Kind != Custom {
		return false
	}
	if g.Resource == "" {
		return true
	}
	for _, u := range urls(r) {
		if matches(g.Resource, u) {
			return true
		}
	}
	return false
}

// matches matches s against a pattern in which "*" stands for any characters,
// none included, and "?" for exactly one (a literal "?" is one).
func matches(pattern, s string) bool {
	p, at, star, mark := 0, 0, -1, 0
	for at < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, at
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[at]):
			p, at = p+1, at+1
		case star >= 0:
			mark++
			p, at = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
