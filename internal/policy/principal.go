package policy

import "slices"

// principals is the Principal or NotPrincipal element of a statement.
type principals struct {
	everyone  bool     // "*" or {"AWS": "*"}: services and the public too
	arns      []string // of users, roles and sessions
	accounts  []string // ids, also of arn:aws:iam::ID:root
	services  []string
	federated []string
	canonical []string
}

// closeness says how closely a statement names who asks.
type closeness uint8

const (
	unnamed   closeness = iota
	asAccount           // the caller's account: it is left to the account's own policies
	asRole              // the role of a session: within boundary and session policy
	directly            // the user, the session, the service, everyone
)

// match returns how closely the principals name who asks.
func (p *principals) match(who *Principal) closeness {
	switch {
	case p.everyone:
		return directly
	case who.Service != "":
		if slices.Contains(p.services, who.Service) {
			return directly
		}
		return unnamed
	case who.ARN == "":
		return unnamed
	case slices.Contains(p.arns, who.ARN):
		return directly
	case who.RoleARN != "" && slices.Contains(p.arns, who.RoleARN):
		return asRole
	case slices.Contains(p.accounts, who.Account),
		who.CanonicalID != "" && slices.Contains(p.canonical, who.CanonicalID):
		return asAccount
	}
	return unnamed
}
