package policy

import (
	"fmt"
	"slices"
	"strings"
)

// conditions reads a Condition element.
func (r *reader) conditions(where string) ([]condition, error) {
	var out []condition
	err := r.object(where, func(name string) error {
		c, op, ok := conditionOf(name)
		if !ok {
			return at(where, "Invalid Condition type : %s.", name)
		}
		where := where + "." + name
		return r.object(where, func(key string) error {
			values, err := r.strings(where + "." + key)
			if err != nil {
				return err
			}
			c := c
			if c.key = strings.ToLower(key); !strings.Contains(key, ":") {
				return at(where, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", key)
			}
			for _, v := range values {
				if err := c.compare(op, v, r.variables); err != nil {
					return at(where+"."+key, "%s", err)
				}
			}
			out = append(out, c)
			return nil
		})
	})
	return out, err
}

// conditionOf reads an operator's name: [ForAllValues:|ForAnyValue:]Operator[IfExists].
func conditionOf(name string) (c condition, op operator, ok bool) {
	folded := strings.ToLower(name)
	if before, after, found := strings.Cut(folded, ":"); found {
		folded = after
		switch before {
		case "forallvalues":
			c.quantifier = forAll
		case "foranyvalue":
			c.quantifier = forAny
		default:
			return c, op, false
		}
	}
	folded, c.ifExists = strings.CutSuffix(folded, "ifexists")
	if folded == "null" {
		c.quantifier = existence
		return c, op, true
	}
	op, ok = operatorOf(folded)
	c.negated = op.negated
	return c, op, ok
}

// compare adds a value to what the condition compares with.
func (c *condition) compare(op operator, value string, variables bool) error {
	if c.quantifier == existence {
		absent, ok := parseBool(value)
		if !ok {
			return fmt.Errorf("%q is not true or false", value)
		}
		c.absent = append(c.absent, absent)
		return nil
	}
	o, ok := op.read(value, variables)
	if !ok {
		return fmt.Errorf("%q is not %s", value, op.want)
	}
	c.operands = append(slices.Clip(c.operands), o)
	return nil
}
