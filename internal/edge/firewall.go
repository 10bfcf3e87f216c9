package edge

import (
	"net/netip"

	"vodwright.dev/vodwright/internal/edge/viewersign"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/waf"
)

// Firewall looks at requests (waf.Firewall). Neither call keeps the request.
type Firewall interface {
	Count(r *waf.Request)      // must not block
	Block(r *waf.Request) bool // whether to refuse it
}

// inspect refuses what the distribution's firewall blocks. It is called before
// the path is matched with behaviors, when v.dist.Firewall is not FirewallOff.
func (v *viewer) inspect() error {
	if v.edge.cfg.Firewall == nil {
		return fault.New(fault.Internal, "", "distribution %s has a firewall and the edge has none", v.dist.ID)
	}
	r := waf.Request{
		Distribution: v.dist.ID, WebACL: v.dist.WebACL, ID: v.scratch.id[0], Time: v.now, Method: v.r.Method, Path: v.r.URL.EscapedPath(),
		// Signatures look like anything; they are compared and passed to nobody.
		Query:    viewersign.Strip(v.r.URL.RawQuery),
		Protocol: v.r.Proto, Scheme: "http", Host: v.r.Host, Header: v.r.Header,
	}
	if v.r.TLS != nil {
		r.Scheme = "https"
	}
	r.Client, _ = netip.ParseAddrPort(v.r.RemoteAddr)
	if v.dist.Firewall == FirewallCount {
		v.edge.cfg.Firewall.Count(&r)
		return nil
	}
	if v.edge.cfg.Firewall.Block(&r) {
		return fault.New(fault.Denied, "RequestBlocked", "Request blocked").
			WithHint("the distribution's web application firewall takes this request for an attack; the log aws-waf-logs-%s says why, under the RequestId", v.dist.ID)
	}
	return nil
}
