package eventbridge

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

// Records are rules and what belongs to them; *store.Store is it. What is not
// there is a fault.NotFound, a name that is taken a fault.Conflict. It is wider
// than an interface should be: three subjects of one API.
type Records interface {
	Rules(ctx context.Context) ([]event.Rule, error)
	Rule(ctx context.Context, name string) (event.Rule, error)
	PutRule(ctx context.Context, r event.Rule, tags map[string]string) error
	ChangeRule(ctx context.Context, name string, change func(*event.Rule) error) error
	DeleteRule(ctx context.Context, name string, may func(event.Rule) error) error

	Connections(ctx context.Context) ([]event.Connection, error)
	Connection(ctx context.Context, name string) (event.Connection, error)
	CreateConnection(ctx context.Context, c event.Connection) error
	ChangeConnection(ctx context.Context, name string, change func(*event.Connection) error) (event.Connection, error)
	DeleteConnection(ctx context.Context, name string) (event.Connection, error)

	Destinations(ctx context.Context) ([]event.Destination, error)
	Destination(ctx context.Context, name string) (event.Destination, error)
	CreateDestination(ctx context.Context, d event.Destination) error
	ChangeDestination(ctx context.Context, name string, change func(*event.Destination) error) (event.Destination, error)
	DeleteDestination(ctx context.Context, name string) error

	// Tags, SetTags and RemoveTags name a resource by the last part of its ARN: rule/NAME.
	Tags(ctx context.Context, resource string) (map[string]string, error)
	SetTags(ctx context.Context, resource string, tags map[string]string) error
	RemoveTags(ctx context.Context, resource string, names []string) error
}

// Bus takes events of callers; *event.Bus is it.
type Bus interface {
	Put(ctx context.Context, events []event.Event, lineage string) error
}

// PassRole says whether a caller may pass a role to a service that the role trusts.
type PassRole func(ctx context.Context, who sigv4.Identity, roleARN, service string) error

// Config is what the API is made of. Records, Bus and Authenticate are needed.
type Config struct {
	Records      Records
	Bus          Bus
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	PassRole     PassRole            // nil allows everything
	// CheckEndpoint refuses a webhook's URL that will never be called; nil refuses none.
	CheckEndpoint func(url string) error
	Account       string // of ARNs; default 000000000000
	Region        string // of ARNs; default us-east-1
	Logger        *slog.Logger
	Now           func() time.Time // default time.Now
}

// NewHandler returns the handler of the EventBridge API, safe for concurrent use.
func NewHandler(cfg Config) http.Handler {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &server{cfg: cfg, records: cfg.Records}
	return apiserver.NewServer(apiserver.Config{
		API:          wire.API(),
		Authenticate: cfg.Authenticate,
		Authorize:    cfg.Authorize,
		Access:       s.access,
		Describe:     describe,
		Code:         errorCode,
		Logger:       cfg.Logger,
		Handlers: map[string]apiserver.Handler{
			"PutRule":      apiserver.Handle(s.putRule),
			"DescribeRule": apiserver.Handle(s.describeRule),
			"ListRules":    apiserver.Handle(s.listRules),
			"EnableRule":   apiserver.Handle(s.enableRule),
			"DisableRule":  apiserver.Handle(s.disableRule),
			"DeleteRule":   apiserver.Handle(s.deleteRule),

			"PutTargets":            apiserver.Handle(s.putTargets),
			"ListTargetsByRule":     apiserver.Handle(s.listTargetsByRule),
			"RemoveTargets":         apiserver.Handle(s.removeTargets),
			"ListRuleNamesByTarget": apiserver.Handle(s.listRuleNamesByTarget),

			"TestEventPattern": apiserver.Handle(s.testEventPattern),
			"PutEvents":        apiserver.Handle(s.putEvents),
			"DescribeEventBus": apiserver.Handle(s.describeEventBus),
			"ListEventBuses":   apiserver.Handle(s.listEventBuses),

			"TagResource":         apiserver.Handle(s.tagResource),
			"UntagResource":       apiserver.Handle(s.untagResource),
			"ListTagsForResource": apiserver.Handle(s.listTagsForResource),

			"CreateConnection":      apiserver.Handle(s.createConnection),
			"DescribeConnection":    apiserver.Handle(s.describeConnection),
			"ListConnections":       apiserver.Handle(s.listConnections),
			"UpdateConnection":      apiserver.Handle(s.updateConnection),
			"DeleteConnection":      apiserver.Handle(s.deleteConnection),
			"DeauthorizeConnection": apiserver.Handle(s.deauthorizeConnection),

			"CreateApiDestination":   apiserver.Handle(s.createDestination),
			"DescribeApiDestination": apiserver.Handle(s.describeDestination),
			"ListApiDestinations":    apiserver.Handle(s.listDestinations),
			"UpdateApiDestination":   apiserver.Handle(s.updateDestination),
			"DeleteApiDestination":   apiserver.Handle(s.deleteDestination),
		},
	})
}

type server struct {
	cfg     Config
	records Records
}

// The names of the service's errors.
const (
	codeValidation = "ValidationException"
	codeNotFound   = "ResourceNotFoundException"
	codeLimit      = "LimitExceededException"
	busName        = "default"
)

// errorCode names an error as the service's model does, with its status.
func errorCode(f *fault.Error) (string, int) {
	code, status := "InternalException", http.StatusInternalServerError
	switch f.Kind {
	case fault.Invalid:
		code, status = codeValidation, http.StatusBadRequest
	case fault.NotFound:
		code, status = codeNotFound, http.StatusBadRequest
	case fault.Conflict:
		code, status = "ResourceAlreadyExistsException", http.StatusBadRequest
	case fault.Denied:
		code, status = "AccessDeniedException", http.StatusBadRequest
	case fault.Limit:
		code, status = codeLimit, http.StatusBadRequest
	case fault.Unavailable, fault.Canceled:
		code, status = "ThrottlingException", http.StatusBadRequest
	}
	if f.Code != "" && f.Kind != fault.Internal {
		code = f.Code
	}
	return code, status
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, codeValidation, format, args...)
}

// describe words violations of the model as the service does.
func describe(violations []awsapi.Violation) *fault.Error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		lines[i] = "Value at '" + strings.TrimPrefix(v.Path, "/") + "' failed to satisfy constraint: " + v.Message
	}
	return fault.New(fault.Invalid, codeValidation, "%d validation error(s) detected: %s", len(lines), strings.Join(lines, "; "))
}

func (s *server) arn(resource string) string {
	return "arn:aws:events:" + s.cfg.Region + ":" + s.cfg.Account + ":" + resource
}

// onBus refuses every bus but the one there is.
func (s *server) onBus(name *string) error {
	if name == nil || *name == busName || *name == s.arn("event-bus/"+busName) {
		return nil
	}
	return fault.New(fault.NotFound, codeNotFound, "Event bus %s does not exist.", *name)
}

// now returns the instant in the precision of the records.
func (s *server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// value returns what p points to, or its type's zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional returns nil for "": an absent member.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// page cuts one page out of a list that is ordered by name. Its token is the
// name of the last item; empty on the last page.
func page[T any](list []T, name func(T) string, token *string, limit *int32) ([]T, *string) {
	if token != nil {
		for len(list) > 0 && name(list[0]) <= *token {
			list = list[1:]
		}
	}
	most := 100
	if limit != nil {
		most = int(*limit)
	}
	if len(list) <= most {
		return list, nil
	}
	return list[:most], new(name(list[most-1]))
}
