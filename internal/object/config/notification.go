package config

import (
	"encoding/xml"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/event"
)

// NotificationConfiguration says who is told of what happens in a bucket.
type NotificationConfiguration struct {
	XMLName     xml.Name                `xml:"NotificationConfiguration" json:"-"`
	Xmlns       string                  `xml:"xmlns,attr,omitempty" json:"-"`
	Topics      []otherDestination      `xml:"TopicConfiguration" json:"-"`
	Queues      []otherDestination      `xml:"QueueConfiguration" json:"-"`
	Functions   []FunctionConfiguration `xml:"CloudFunctionConfiguration"`
	EventBridge *struct{}               `xml:"EventBridgeConfiguration"`
}

type otherDestination struct {
	Topic string `xml:"Topic"`
	Queue string `xml:"Queue"`
}

// FunctionConfiguration calls a function for events that a filter selects.
type FunctionConfiguration struct {
	ID       string   `xml:"Id"`
	Function string   `xml:"CloudFunction"` // its ARN
	Events   []string `xml:"Event"`         // with their s3: prefix
	Filter   *Filter  `xml:"Filter"`
}

// Filter selects keys.
type Filter struct {
	Rules []FilterRule `xml:"S3Key>FilterRule"`
}

// FilterRule is one condition on keys; Name is Prefix or Suffix.
type FilterRule struct {
	Name  string
	Value string
}

const maxFilterBytes = 1024 // of a filter rule's value

// ParseNotification reads and checks a NotificationConfiguration. newID names
// entries that came without an id.
func ParseNotification(doc []byte, newID func() string) (NotificationConfiguration, error) {
	var c NotificationConfiguration
	if err := parse(doc, "NotificationConfiguration", &c); err != nil {
		return c, err
	}
	c.XMLName, c.Xmlns = xml.Name{}, ""
	switch {
	case len(c.Topics) > 0:
		return c, notImplemented("a notification to the SNS topic %q is", c.Topics[0].Topic).
			WithHint("notify a Lambda function, or turn EventBridge on and make a rule")
	case len(c.Queues) > 0:
		return c, notImplemented("a notification to the SQS queue %q is", c.Queues[0].Queue).
			WithHint("notify a Lambda function, or turn EventBridge on and make a rule")
	}
	ids := map[string]bool{}
	for i := range c.Functions {
		f := &c.Functions[i]
		if err := f.check(); err != nil {
			return c, err
		}
		if f.ID == "" {
			f.ID = newID()
		}
		if ids[f.ID] {
			return c, invalid("Same ID used for multiple configurations. IDs must be unique")
		}
		ids[f.ID] = true
		for _, other := range c.Functions[:i] {
			if f.overlaps(other) {
				return c, invalid("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
			}
		}
	}
	return c, complete(doc, c)
}

func (f *FunctionConfiguration) check() error {
	if len(f.ID) > 255 {
		return invalid("The ID of a configuration may have 255 characters")
	}
	if len(f.Events) == 0 {
		return malformed(nil)
	}
	for _, e := range f.Events {
		if err := checkEvent(e); err != nil {
			return err
		}
	}
	if p := strings.SplitN(f.Function, ":", 7); len(p) != 7 || p[0] != "arn" || p[2] != "lambda" || p[5] != "function" || p[6] == "" {
		return invalid("The ARN is not well formed: %q", f.Function)
	}
	if f.Filter == nil {
		return nil
	}
	seen := map[string]bool{}
	for i, r := range f.Filter.Rules {
		name := ""
		for _, n := range []string{"Prefix", "Suffix"} {
			if strings.EqualFold(r.Name, n) {
				name = n
			}
		}
		switch {
		case name == "":
			return invalid("filter rule name must be either prefix or suffix")
		case seen[name]:
			return invalid("Cannot specify more than one %s rule in a filter.", strings.ToLower(name))
		case len(r.Value) > maxFilterBytes:
			return invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 encoding.")
		}
		seen[name] = true
		f.Filter.Rules[i].Name = name
	}
	return nil
}

// checkEvent returns the error of an event that never happens here.
func checkEvent(name string) error {
	short, ok := strings.CutPrefix(name, "s3:")
	switch {
	case ok && slices.Contains(happens(), short):
		return nil
	case ok && slices.Contains([]string{
		"ReducedRedundancyLostObject", "ObjectRestore:*", "ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete",
		"Replication:*", "Replication:OperationFailedReplication", "Replication:OperationNotTracked",
		"Replication:OperationMissedThreshold", "Replication:OperationReplicatedAfterThreshold",
		"LifecycleTransition", "IntelligentTiering", "ObjectAcl:Put", "ObjectTagging:*", "ObjectTagging:Put", "ObjectTagging:Delete",
	}, short):
		return notImplemented("the event %s is", name).WithHint("events here are s3:ObjectCreated, s3:ObjectRemoved and s3:LifecycleExpiration, with their kinds")
	}
	return invalid("The event '%s' is not supported for notifications", name)
}

func happens() []string {
	return []string{
		"ObjectCreated:*", string(event.ObjectCreatedPut), string(event.ObjectCreatedPost), string(event.ObjectCreatedCopy),
		string(event.ObjectCreatedCompleteMultipartUpload),
		"ObjectRemoved:*", string(event.ObjectRemovedDelete), string(event.ObjectRemovedDeleteMarkerCreated),
		"LifecycleExpiration:*", string(event.LifecycleExpirationDelete), string(event.LifecycleExpirationDeleteMarkerCreated),
	}
}

func (f *FunctionConfiguration) affixes() (prefix, suffix string) {
	if f.Filter != nil {
		for _, r := range f.Filter.Rules {
			if r.Name == "Prefix" {
				prefix = r.Value
			} else {
				suffix = r.Value
			}
		}
	}
	return prefix, suffix
}

// overlaps reports whether one event of one key could belong to both.
func (f *FunctionConfiguration) overlaps(o FunctionConfiguration) bool {
	covers := func(a, b string) bool {
		kind, all := strings.CutSuffix(a, "*")
		return a == b || all && strings.HasPrefix(b, kind)
	}
	common := slices.ContainsFunc(f.Events, func(a string) bool {
		return slices.ContainsFunc(o.Events, func(b string) bool { return covers(a, b) || covers(b, a) })
	})
	p, s := f.affixes()
	op, os := o.affixes()
	return common && (strings.HasPrefix(p, op) || strings.HasPrefix(op, p)) && (strings.HasSuffix(s, os) || strings.HasSuffix(os, s))
}

// Notifications returns the configuration in the words of events.
func (c *NotificationConfiguration) Notifications() []event.Notification {
	var out []event.Notification
	for _, f := range c.Functions {
		n := event.Notification{ID: f.ID, FunctionARN: f.Function}
		n.Prefix, n.Suffix = f.affixes()
		for _, e := range f.Events {
			n.Events = append(n.Events, strings.TrimPrefix(e, "s3:"))
		}
		out = append(out, n)
	}
	if c.EventBridge != nil {
		out = append(out, event.Notification{EventBridge: true})
	}
	return out
}

// Answer returns the document as S3 answers it.
func (c NotificationConfiguration) Answer() any {
	c.Xmlns = namespace
	return c
}
