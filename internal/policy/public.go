package policy

import "strings"

// fixing are the condition keys that make a statement for everyone one for
// somebody, when they are compared with fixed values; from S3's "The meaning of
// public".
func fixing(key string) bool {
	switch key {
	case "aws:sourceip", "aws:vpcsourceip", "aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce",
		"aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:userid", "s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id":
		return true
	}
	return false
}

// Public reports whether a resource policy lets everybody in, as S3's block of
// public access and its policy status mean it: a statement allows everyone, or
// all but some, and no condition fixes who or from where.
func (d *Document) Public() bool {
	for i := range d.statements {
		s := &d.statements[i]
		if s.deny || !s.principals.everyone && !s.notPrincipal {
			continue
		}
		fixed := false
		for j := range s.conditions {
			fixed = fixed || s.conditions[j].fixes()
		}
		if !fixed {
			return true
		}
	}
	return false
}

// fixes reports whether the condition ties its key to values without wildcards.
func (c *condition) fixes() bool {
	if !fixing(c.key) || c.negated || c.ifExists || c.quantifier != single && c.quantifier != forAny || len(c.operands) == 0 {
		return false
	}
	for _, o := range c.operands {
		if !fixedOperand(o) {
			return false
		}
	}
	return true
}

func fixedOperand(o operand) bool {
	switch o := o.(type) {
	case textOperand:
		return !o.variable
	case template:
		return fixedText(o)
	case *arnOperand:
		for i := range o.arnTemplate {
			if !fixedText(o.arnTemplate[i]) {
				return false
			}
		}
		return true
	case *networkOperand:
		bits := o.network.Bits() // so wide a network is everybody's
		return o.pending == nil && (o.network.Addr().Is4() && bits >= 8 || o.network.Addr().Is6() && bits >= 32)
	}
	return false
}

// fixedText reports whether a template is one text only; a user id may end in a star, as "AROAEXAMPLE:*".
func fixedText(t template) bool {
	for i, k := range t.tokens {
		if k.kind == anyRun && i == 1 && len(t.tokens) == 2 && strings.HasSuffix(t.tokens[0].text, ":") {
			continue
		}
		if k.kind != literal {
			return false
		}
	}
	return true
}
