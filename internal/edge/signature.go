package edge

import (
	"net/http"
	"net/netip"

	"vodwright.dev/vodwright/internal/edge/viewersign"
	"vodwright.dev/vodwright/internal/fault"
)

// admit refuses a viewer without a valid signed URL or cookie where b has trusted
// keys. Nothing has been written yet; the error is shown to the viewer.
func (v *viewer) admit(b *knownBehavior) error {
	if b.TrustedKeys == nil {
		return nil
	}
	if len(b.TrustedKeys) == 0 {
		return fault.New(fault.Denied, "AccessDenied", "Access denied").
			WithHint("this behavior trusts key groups without a key in them")
	}
	v.signed = v.signedRequest()
	grant, err := v.edge.signatures.Admit(v.signed, b.TrustedKeys, b.SignPlaylists)
	if err != nil {
		return err
	}
	v.grant = grant
	return nil
}

// signedRequest is what a signature speaks about of this request.
func (v *viewer) signedRequest() *viewersign.Request {
	r := &viewersign.Request{
		Distribution: v.dist.ID,
		Scheme:       "http",
		Host:         v.r.Host,
		Path:         v.r.URL.EscapedPath(),
		RawQuery:     v.r.URL.RawQuery,
		Cookie:       v.r.Header["Cookie"],
		Client:       clientAddress(v.r),
		Now:          v.now,
	}
	if v.r.TLS != nil {
		r.Scheme = "https"
	}
	return r
}

// clientAddress is the viewer's address; not valid if net/http has none.
func clientAddress(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// rewritesPlaylists reports whether the playlists this viewer gets are signed for
// it: where the behavior says so, unless the viewer came with cookies, which it
// will send again without our help.
func (v *viewer) rewritesPlaylists(b *knownBehavior) bool {
	return b.SignPlaylists && v.grant != nil && !v.grant.Cookies
}
