package policy

import (
	"regexp"
	"slices"
	"strings"
)

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

// principals reads a Principal element.
func (r *reader) principals(where string) (principals, error) {
	var p principals
	s, delim, err := r.token()
	switch {
	case err != nil:
		return p, err
	case delim == 0 && s == "*":
		p.everyone = true
		return p, nil
	case delim != '{':
		return p, at(where, "Invalid principal in policy.")
	}
	n := 0
	err = r.members(where, func(name string) error {
		values, err := r.strings(where + "." + name)
		if err != nil {
			return err
		}
		for _, v := range values {
			if n++; !p.add(name, v) {
				return at(where, "Invalid principal in policy: %q:%q", name, v)
			}
		}
		return nil
	})
	if err == nil && n == 0 {
		err = at(where, "Invalid principal in policy: there is none.")
	}
	return p, err
}

var (
	accountPattern   = regexp.MustCompile(`^(?:arn:aws[a-z-]*:iam::)?([0-9]{12})(?::root)?$`)
	principalPattern = regexp.MustCompile(`^arn:aws[a-z-]*:(?:iam::[0-9]{12}:(?:user|role)/|sts::[0-9]{12}:(?:assumed-role/[^/]+|federated-user)/)[^*?\s]+$|^arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity [A-Z0-9]+$`)
	servicePattern   = regexp.MustCompile(`^[a-z0-9.-]+\.(?:amazonaws\.com|aws|internal)$`)
)

// add puts a principal where it belongs; false when it is not one.
func (p *principals) add(kind, name string) bool {
	switch kind {
	case "AWS":
		account := accountPattern.FindStringSubmatch(name)
		switch {
		case name == "*":
			p.everyone = true
		case account != nil && strings.HasPrefix(name, "arn:") == strings.HasSuffix(name, ":root"):
			p.accounts = append(p.accounts, account[1])
		case principalPattern.MatchString(name):
			p.arns = append(p.arns, name)
		default:
			return false
		}
	case "Service":
		p.services = append(p.services, name)
		return servicePattern.MatchString(name)
	case "Federated":
		p.federated = append(p.federated, name)
		return name != ""
	case "CanonicalUser":
		p.canonical = append(p.canonical, name)
		return name != ""
	default:
		return false
	}
	return true
}
