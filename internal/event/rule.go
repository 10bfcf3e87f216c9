package event

import (
	"strings"
	"time"
)

// Rule says which events go where. Names are unique: there is one bus.
type Rule struct {
	Name        string
	Description string
	Pattern     string // as given, see package pattern
	RoleARN     string // kept and shown; each target has its own
	Disabled    bool
	Created     time.Time
	Targets     []Target // in the order of their IDs
}

// Target is one place that a rule's events go to. At most one of Input,
// InputPath and Transformer is set; with none the whole event goes.
type Target struct {
	ID            string
	ARN           string
	RoleARN       string       `json:",omitempty"`
	Input         string       `json:",omitempty"` // a JSON document that is sent instead of the event
	InputPath     string       `json:",omitempty"` // which part of the event is sent
	Transformer   *Transformer `json:",omitempty"`
	Retry         RetryPolicy
	DeadLetterARN string    `json:",omitempty"` // where an event goes that cannot be delivered; empty: nowhere
	HTTP          *HTTPPart `json:",omitempty"` // of an API destination
}

// RetryPolicy bounds the attempts after the first.
type RetryPolicy struct {
	MaxAttempts *int           `json:",omitempty"` // nil is 185, as the service has it
	MaxAge      *time.Duration `json:",omitempty"` // of the event; nil is 24 h
}

// HTTPPart is what a target adds to the requests of an API destination.
type HTTPPart struct {
	Path   []string          `json:",omitempty"` // for the stars of the endpoint, in order
	Header map[string]string `json:",omitempty"`
	Query  map[string]string `json:",omitempty"`
}

// Kind is what a target is, by its ARN.
type Kind string

// The kinds of targets.
const (
	Function       Kind = "function"
	APIDestination Kind = "api-destination"
	JobTemplate    Kind = "job template" // ours: an object that was created becomes a job
	Bucket         Kind = "bucket"       // of dead letters
)

// KindOf tells the kind of an ARN; empty when nothing of the kind can be a target.
func KindOf(arn string) Kind {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[5] == "" {
		return ""
	}
	switch {
	case parts[2] == "lambda" && strings.HasPrefix(parts[5], "function:"):
		return Function
	case parts[2] == "events" && strings.HasPrefix(parts[5], "api-destination/"):
		return APIDestination
	case parts[2] == "mediaconvert" && strings.HasPrefix(parts[5], "jobTemplates/"):
		return JobTemplate
	case parts[2] == "s3":
		return Bucket
	}
	return ""
}

// Connection is how requests of API destinations are authenticated. Its secrets
// are for the sender alone: no list, log or message shows them.
type Connection struct {
	Name         string
	ID           string // of the ARN, a UUID
	Description  string
	Auth         string // API_KEY or BASIC
	KeyName, Key string // of API_KEY: header and its value
	User         string // of BASIC
	Password     string
	Header       []Parameter // added to every request
	Query        []Parameter
	Body         []Parameter // members added to a JSON object
	Deauthorized bool
	Created      time.Time
	Updated      time.Time
	Authorized   time.Time // last
}

// Parameter is one addition of a connection.
type Parameter struct {
	Key, Value string
	Secret     bool `json:",omitempty"`
}

// DefaultRate is how often a second a destination is invoked that says nothing of it.
const DefaultRate = 300

// Destination is an API destination: a webhook.
type Destination struct {
	Name        string
	ID          string // of the ARN, a UUID
	Description string
	Connection  string // name
	Endpoint    string // URL
	Method      string
	Rate        int // invocations a second; 0 is 300, as the service has it
	Created     time.Time
	Updated     time.Time
}
