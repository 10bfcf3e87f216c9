package fetch

import (
	"net/netip"
	"slices"
)

// special are the blocks that netip has no predicate for and that no public
// server is in (IANA's special-purpose address registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // shared address space of carriers
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, and broadcast
	netip.MustParsePrefix("192.88.99.0/24"),   // relays of 6to4, given up
	netip.MustParsePrefix("168.63.129.16/32"), // the metadata of a cloud, at an address that looks public
	netip.MustParsePrefix("100::/64"),         // discard
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("3fff::/20"),        // documentation
	netip.MustParsePrefix("5f00::/16"),        // segment routing
	netip.MustParsePrefix("fec0::/10"),        // site-local
	netip.MustParsePrefix("64:ff9b:1::/48"),   // local translation
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

// unfitPorts are those that browsers refuse (Fetch standard, "bad port"): servers
// of other protocols, which may take an HTTP request for commands of their own.
var unfitPorts = []uint16{
	0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123,
	135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995,
	1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
}

func unfit(port uint16) bool {
	_, found := slices.BinarySearch(unfitPorts, port)
	return found
}
