package policy

import (
	"fmt"
	"strings"
)

// Principal is who asks. The zero Principal is the public: a request that nobody signed.
type Principal struct {
	ARN         string // of a user, a role's session or an account's root
	RoleARN     string // of a session: its role
	Account     string
	CanonicalID string // of the account, as S3 has it
	Service     string // instead of all others: an AWS service, "lambda.amazonaws.com"
}

// Request is one thing that somebody wants to do.
type Request struct {
	Principal
	Action   string // "s3:GetObject"
	Resource string // an ARN, or "*" for an action that is on no resource
	// ResourceAccount owns the resource; "" is the principal's own account.
	ResourceAccount string
	Keys            Keys
}

// Policies are the documents that bear on a request.
type Policies struct {
	Identity []*Document // attached to the user or role
	Boundary *Document   // nil: none
	Session  []*Document // given when the session was made; nil: none
	Resource *Document   // of the resource; nil: none
	// Trust says that Resource is a role's trust policy: it must allow by itself,
	// being in the same account is not enough.
	Trust bool
}

// Layer is a group of policies that can deny by itself.
type Layer uint8

// The layers, in the order in which evaluation asks them.
const (
	NoLayer Layer = iota
	IdentityLayer
	BoundaryLayer
	SessionLayer
	ResourceLayer
	TrustLayer
)

// String names a policy of the layer as AWS's messages do.
func (l Layer) String() string {
	return [...]string{"", "identity-based policy", "permissions boundary", "session policy", "resource-based policy", "role trust policy"}[l]
}

// Decision is the answer to a Request.
type Decision struct {
	Allowed bool
	// Explicit says that a statement denies; else nothing allows.
	Explicit bool
	// Layer is what denied, or where nothing allows; of an allowed request, what allows.
	Layer Layer
	// Document and Statement name what denied or allowed; they are empty when nothing did.
	Document  string
	Statement string // its Sid, or "#2" for the second without one
}

// Reason words a denial as AWS does, to stand behind "User: … is not authorized
// to perform: … on resource: …".
func (d Decision) Reason(action string) string {
	switch {
	case d.Allowed:
		return ""
	case d.Explicit && d.Layer == IdentityLayer:
		return "with an explicit deny in an " + d.Layer.String()
	case d.Explicit:
		return "with an explicit deny in a " + d.Layer.String()
	}
	return fmt.Sprintf("because no %s allows the %s action", d.Layer, action)
}

// Evaluate decides as AWS does. An explicit deny anywhere wins. Within one
// account it is enough that the resource's policy or the identity's policies
// allow; the latter only as far as boundary and session policies do, too.
// Between accounts both must allow. A resource policy that names the user, the
// session or everyone is not held back by boundary and session policies; one
// that names a session's role is.
func Evaluate(r *Request, p Policies) Decision {
	q := r.question()
	resource := ResourceLayer
	if p.Trust {
		resource = TrustLayer
	}
	id := q.ask(IdentityLayer, p.Identity...)
	if id.denies() {
		return id.Decision
	}
	bound, session := verdict{}, verdict{}
	if p.Boundary != nil {
		if bound = q.ask(BoundaryLayer, p.Boundary); bound.denies() {
			return bound.Decision
		}
	}
	if p.Session != nil {
		if session = q.ask(SessionLayer, p.Session...); session.denies() {
			return session.Decision
		}
	}
	rs := verdict{}
	if p.Resource != nil {
		if rs = q.askResource(resource, p.Resource, p.Boundary != nil); rs.denies() {
			return rs.Decision
		}
	}
	within := (p.Boundary == nil || bound.Allowed) && (p.Session == nil || session.Allowed)
	named := rs.Allowed && (rs.by == directly || rs.by == asRole && within)
	same := r.Account != "" && (r.ResourceAccount == "" || r.ResourceAccount == r.Account)
	switch {
	case r.ARN == "": // a service or the public: the resource alone can allow
		if named {
			return rs.Decision
		}
		return Decision{Layer: resource}
	case named && same:
		return rs.Decision
	case id.Allowed && within && (rs.Allowed || same && !p.Trust):
		return id.Decision
	}
	return Decision{Layer: lacking(id.Allowed || rs.Allowed && rs.by == asRole, p, bound, session, same && !p.Trust, rs.Allowed, resource)}
}

// lacking finds the layer where nothing allows, for the message.
func lacking(granted bool, p Policies, bound, session verdict, ownResource, resourceAllows bool, resource Layer) Layer {
	switch {
	case granted && p.Boundary != nil && !bound.Allowed:
		return BoundaryLayer
	case granted && p.Session != nil && !session.Allowed:
		return SessionLayer
	case !ownResource && !resourceAllows:
		return resource
	}
	return IdentityLayer
}

// verdict is what the documents of one layer say.
type verdict struct {
	Decision
	by closeness // of the allowing statement that names the principal most closely
}

func (v verdict) denies() bool { return !v.Allowed && v.Explicit }

func (q *question) ask(layer Layer, documents ...*Document) verdict {
	var out verdict
	for _, d := range documents {
		for i := range d.statements {
			s := &d.statements[i]
			if out.Allowed && !s.deny || !s.covers(q) { // one that allows is enough
				continue
			}
			out.Decision = s.decision(layer, d)
			if s.deny {
				return out
			}
		}
	}
	return out
}

// askResource asks a policy with principals. As AWS documents it, a denial by
// NotPrincipal excepts those alone whom it names themselves: an account excepts
// its root, not its users, and a role none of its sessions. Who has a permissions
// boundary is not excepted at all.
func (q *question) askResource(layer Layer, d *Document, bounded bool) verdict {
	var out verdict
	for i := range d.statements {
		s := &d.statements[i]
		by := s.principals.match(&q.Principal)
		if s.notPrincipal {
			excepted := by != unnamed
			if s.deny {
				excepted = !bounded && (by == directly || by == asAccount && strings.HasSuffix(q.ARN, ":root"))
			}
			if excepted {
				continue
			}
			by = directly
		}
		if by == unnamed || out.Allowed && !s.deny && by <= out.by || !s.covers(q) {
			continue
		}
		if s.deny {
			return verdict{Decision: s.decision(layer, d)}
		}
		out = verdict{s.decision(layer, d), by}
	}
	return out
}

func (s *statement) decision(layer Layer, d *Document) Decision {
	return Decision{Allowed: !s.deny, Explicit: s.deny, Layer: layer, Document: d.Name, Statement: s.label}
}
