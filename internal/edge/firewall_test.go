package edge

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/waf"
)

func TestFirewallModes(t *testing.T) {
	for _, mode := range []FirewallMode{FirewallOff, FirewallCount, FirewallBlock} {
		firewall := waf.New(waf.Config{})
		s := newSite(t, func(c *Config) { c.Firewall = firewall })
		s.dist.d.Firewall = mode
		s.origin.put(t, "a.ts", pattern(100))
		for _, kind := range []string{"http", "https", "h2"} {
			s.do(kind, "GET", "/a.ts", "User-Agent", "curl/7.88.1").want(t, 200)
			// What only looks like an attack because it is a signature.
			s.do(kind, "GET", "/a.ts?Policy=1'or'1'='1&Signature=--~&Key-Pair-Id=K", "User-Agent", "curl/7.88.1").want(t, 200)
			got := s.do(kind, "GET", "/a.ts?q=<script>alert(1)</script>", "User-Agent", "curl/7.88.1")
			if mode != FirewallBlock {
				got.want(t, 200)
				continue
			}
			got.want(t, 403, "X-Vodwright-Why", "firewall", "X-Cache", "Error from cloudfront", "Access-Control-Allow-Origin", "*")
			if !strings.Contains(string(got.body), "<Code>RequestBlocked</Code>") {
				t.Errorf("%s", got.body)
			}
		}
		if n := firewall.Stats()["E1"]; (n.Requests == 9) != (mode != FirewallOff) || (n.Blocked == 3) != (mode == FirewallBlock) {
			t.Errorf("%s: %+v", mode, n)
		}
	}
}
