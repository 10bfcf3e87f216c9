package function

import (
	"regexp"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

var (
	nameForm      = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	qualifierForm = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9-_]{1,128})$`)
	numberForm    = regexp.MustCompile(`^[0-9]+$`)
)

// Parse reads how callers name a function: NAME, ACCOUNT:function:NAME or an
// ARN, each with or without :QUALIFIER. A qualifier beside the name must be the
// same as one in it.
func (f *Functions) Parse(given, qualifier string) (name, qual string, err error) {
	rest := given
	if after, ok := strings.CutPrefix(given, "arn:aws:lambda:"); ok {
		region, after, _ := strings.Cut(after, ":")
		account, after, ok := strings.Cut(after, ":")
		if !ok || region != f.cfg.Region || account != f.cfg.Account {
			return "", "", notFound(given)
		}
		if rest, ok = strings.CutPrefix(after, "function:"); !ok {
			return "", "", invalid("the ARN %q is not of a function", given)
		}
	} else if account, after, ok := strings.Cut(given, ":function:"); ok {
		if account != f.cfg.Account && account != f.cfg.Region+":"+f.cfg.Account {
			return "", "", notFound(given)
		}
		rest = after
	} else if after, ok := strings.CutPrefix(given, "function:"); ok {
		rest = after
	}
	name, qual, _ = strings.Cut(rest, ":")
	if !nameForm.MatchString(name) || qual != "" && !qualifierForm.MatchString(qual) {
		return "", "", invalid("%q is not the name or the ARN of a function", given)
	}
	if qualifier != "" {
		if !qualifierForm.MatchString(qualifier) {
			return "", "", invalid("%q is not a version or an alias", qualifier)
		}
		if qual != "" && qual != qualifier {
			return "", "", invalid("The derived qualifier from the function name does not match the specified qualifier.")
		}
		qual = qualifier
	}
	return name, qual, nil
}

// ARN names a function, with a qualifier when there is one.
func (f *Functions) ARN(name, qualifier string) string {
	arn := "arn:aws:lambda:" + f.cfg.Region + ":" + f.cfg.Account + ":function:" + name
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

func notFound(arn string) *fault.Error {
	return fault.New(fault.NotFound, CodeNotFound, "Function not found: %s", arn)
}

// target says what an ARN of a destination is of, and which one.
func target(arn string) (kind, name string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return "", ""
	}
	switch rest := parts[5]; {
	case parts[2] == "lambda" && strings.HasPrefix(rest, "function:"):
		return "lambda", arn
	case parts[2] == "s3" && rest != "" && !strings.ContainsAny(rest, "/:"):
		return "s3", rest
	case parts[2] == "events" && strings.HasPrefix(rest, "event-bus/"):
		return "events", strings.TrimPrefix(rest, "event-bus/")
	default:
		return parts[2], ""
	}
}

// CheckTarget refuses a destination that cannot be delivered to.
func CheckTarget(arn string) error {
	switch kind, name := target(arn); {
	case kind == "sqs" || kind == "sns":
		return invalid("The destination ARN %s is of a service that Vodwright does not have", arn).
			WithHint("use the ARN of a function, a bucket or an event bus")
	case name == "":
		return invalid("The destination ARN %s is invalid.", arn).WithHint("use the ARN of a function, a bucket or an event bus")
	}
	return nil
}
