package config

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// MaxPolicyBytes is the most that a bucket policy has. Source: S3 user guide,
// "Bucket policies".
const MaxPolicyBytes = 20 << 10

// list is a JSON string or an array of them.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	var many []any
	if err := json.Unmarshal(b, &many); err != nil {
		var other any // a number or a bool: a value like any other
		if err := json.Unmarshal(b, &other); err != nil {
			return err
		}
		many = []any{other}
	}
	for _, v := range many {
		s, ok := v.(string)
		if !ok {
			text, _ := json.Marshal(v)
			s = string(text)
		}
		*l = append(*l, s)
	}
	return nil
}

type principals map[string]list

func (p *principals) UnmarshalJSON(b []byte) error {
	var everyone string
	if json.Unmarshal(b, &everyone) == nil {
		*p = principals{"AWS": {everyone}}
		return nil
	}
	var m map[string]list
	err := json.Unmarshal(b, &m)
	*p = m
	return err
}

type statement struct {
	Effect       string
	Principal    principals
	NotPrincipal principals
	Action       list
	NotAction    list
	Resource     list
	NotResource  list
	Condition    map[string]map[string]list
}

type statements []statement

func (s *statements) UnmarshalJSON(b []byte) error {
	var one statement
	if len(b) > 0 && b[0] == '{' {
		err := json.Unmarshal(b, &one)
		*s = statements{one}
		return err
	}
	var many []statement
	err := json.Unmarshal(b, &many)
	*s = many
	return err
}

func malformedPolicy(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "MalformedPolicy", format, args...)
}

// CheckPolicy returns what S3 has against a policy of that bucket beside its
// grammar, which is the policy room's: actions and resources of something else.
func CheckPolicy(doc []byte, bucket string) error {
	if len(doc) > MaxPolicyBytes {
		return malformedPolicy("Your policy exceeds the maximum allowed document size of %d bytes", MaxPolicyBytes)
	}
	var p struct{ Statement statements }
	if err := json.Unmarshal(doc, &p); err != nil {
		return malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	for _, s := range p.Statement {
		for _, a := range slices.Concat(s.Action, s.NotAction) {
			if service, _, _ := strings.Cut(strings.ToLower(a), ":"); service != "s3" && a != "*" {
				return malformedPolicy("Policy has invalid action: %q is not of S3", a)
			}
		}
		for _, r := range slices.Concat(s.Resource, s.NotResource) {
			own := "arn:aws:s3:::" + bucket
			if r != own && !strings.HasPrefix(r, own+"/") && r != "*" && r != "arn:aws:s3:::*" && r != own+"*" {
				return malformedPolicy("Policy has invalid resource: %q is not in bucket %q", r, bucket)
			}
		}
	}
	return nil
}

// IsPublic reports whether a policy gives anything to everyone. A statement that
// allows a wildcard principal is public unless a condition holds it to fixed
// values of a key that says where the caller belongs. Source: S3 user guide,
// "Blocking public access", the meaning of public.
func IsPublic(doc []byte) bool {
	var p struct{ Statement statements }
	if json.Unmarshal(doc, &p) != nil {
		return true
	}
	return slices.ContainsFunc(p.Statement, statement.public)
}

func (s statement) public() bool {
	if s.Effect != "Allow" {
		return false
	}
	everyone := s.NotPrincipal != nil
	for kind, names := range s.Principal {
		for _, n := range names {
			everyone = everyone || kind != "Service" && strings.ContainsAny(n, "*?")
		}
	}
	if !everyone {
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if fixes(strings.ToLower(operator), strings.ToLower(key), values) {
				return false
			}
		}
	}
	return true
}

// fixes reports whether a condition holds callers to fixed values.
func fixes(operator, key string, values list) bool {
	switch key {
	case "aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
		"aws:sourceorgid", "aws:sourceorgpaths", "aws:principalorgid", "aws:principalorgpaths", "aws:principalarn", "aws:principalaccount",
		"aws:userid", "aws:username", "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn", "s3:dataaccesspointaccount":
	default:
		return false
	}
	switch strings.TrimPrefix(strings.TrimPrefix(operator, "forallvalues:"), "foranyvalue:") {
	case "stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress":
	default:
		return false // negated, or true of a request without the key
	}
	if strings.HasPrefix(operator, "forallvalues:") { // true of a request without the key
		return false
	}
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool {
		if key == "aws:sourceip" {
			return wideAddress(v)
		}
		return strings.ContainsAny(v, "*?") || strings.Contains(v, "${")
	})
}

// wideAddress reports whether a range of addresses is so wide that it is no limit.
func wideAddress(v string) bool {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		_, err := netip.ParseAddr(v)
		return err != nil
	}
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 32
}
