package event

import (
	"slices"
	"strings"
)

// Notification is one entry of a bucket's notification configuration: which
// changes of which keys are told to whom.
type Notification struct {
	ID string // the configuration's; made when the caller gave none
	// Events are names as the configuration has them, without their s3: prefix:
	// "ObjectCreated:Put", or "ObjectCreated:*" for all of a kind.
	Events []string
	// Prefix and Suffix select decoded keys; empty selects all.
	Prefix, Suffix string
	FunctionARN    string // of the function that is called; empty with EventBridge
	// EventBridge sends every event of the bucket to the event bus; ID, Events,
	// Prefix and Suffix are empty then.
	EventBridge bool
}

// Matches reports whether the entry asks for that event.
func (n Notification) Matches(e ObjectEvent) bool {
	if n.EventBridge {
		return true
	}
	return strings.HasPrefix(e.Key, n.Prefix) && strings.HasSuffix(e.Key, n.Suffix) &&
		slices.ContainsFunc(n.Events, func(pattern string) bool {
			kind, all := strings.CutSuffix(pattern, "*")
			return pattern == string(e.Name) || all && strings.HasPrefix(string(e.Name), kind)
		})
}
