package fetch

import "net/netip"

// special are the blocks that netip has no predicate for and that no public
// server is in (IANA's special-purpose address registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared address space of carriers
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("fec0::/10"),       // site-local
	netip.MustParsePrefix("64:ff9b:1::/48"),  // local translation
}

// The blocks whose addresses carry an IPv4 address, and where in them.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // the last 4 bytes
	sixToFour = netip.MustParsePrefix("2002::/16")    // bytes 2 to 5
	v4Compat  = netip.MustParsePrefix("::/96")        // the last 4 bytes
)

// Public reports whether an address is one that strangers may make us connect
// to: of the public Internet, not of this machine or a private network.
func Public(to netip.AddrPort) bool { return public(to) }

// public says whether an address is one of the public Internet: not of this
// machine, a private network, a link, or a block with a special purpose.
func public(to netip.AddrPort) bool {
	addr := to.Addr().Unmap().WithZone("")
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsPrivate() || addr.IsMulticast() ||
		addr.IsLinkLocalUnicast() || to.Addr().Zone() != "" {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	if addr.Is6() {
		b := addr.As16()
		switch {
		case nat64.Contains(addr), v4Compat.Contains(addr):
			return public(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), to.Port()))
		case sixToFour.Contains(addr):
			return public(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[2:6])), to.Port()))
		}
	}
	return true
}
