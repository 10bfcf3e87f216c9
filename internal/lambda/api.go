package lambda

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

// Buckets reads a package with the rights of the caller.
type Buckets interface {
	OpenObject(ctx context.Context, who sigv4.Identity, bucket, key, version string) (io.ReadCloser, error)
}

// Config is what the API is made of. Functions and Authenticate are needed.
type Config struct {
	Functions    *function.Functions
	Buckets      Buckets // nil refuses code from buckets
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	// Decide is Authorize for a resource that has a policy, which may allow too. nil
	// leaves the policies of functions to services.
	Decide func(ctx context.Context, who sigv4.Identity, r *http.Request, a apiserver.Access, policy []byte) error
	// PassRole says whether the caller may pass a role to Lambda (fault.Denied)
	// and whether the role can be assumed by it (fault.Invalid, fault.NotFound). nil allows everything.
	PassRole func(ctx context.Context, who sigv4.Identity, roleARN string) error
	Secret   [32]byte // that addresses of packages are signed with; zero is one of this API's own
	Account  string   // of ARNs; default 000000000000
	Region   string   // of ARNs; default us-east-1
	Logger   *slog.Logger
	Now      func() time.Time // default time.Now
}

// API serves Lambda's operations, and the packages of functions at the addresses
// that GetFunction gives. It is safe for concurrent use.
type API struct {
	cfg     Config
	fns     *function.Functions
	server  *apiserver.Server
	handler map[string]apiserver.Handler
}

// New returns the API.
func New(cfg Config) *API {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &API{cfg: cfg, fns: cfg.Functions}
	if a.cfg.Secret == [32]byte{} {
		_, _ = rand.Read(a.cfg.Secret[:])
	}
	a.handler = map[string]apiserver.Handler{
		"CreateFunction":              apiserver.Handle(a.createFunction),
		"GetFunction":                 apiserver.Handle(a.getFunction),
		"GetFunctionConfiguration":    apiserver.Handle(a.getFunctionConfiguration),
		"UpdateFunctionCode":          apiserver.Handle(a.updateFunctionCode),
		"UpdateFunctionConfiguration": apiserver.Handle(a.updateFunctionConfiguration),
		"DeleteFunction":              apiserver.Handle(a.deleteFunction),
		"ListFunctions":               apiserver.Handle(a.listFunctions),
		"ListVersionsByFunction":      apiserver.Handle(a.listVersions),
		"PublishVersion":              apiserver.Handle(a.publishVersion),

		"CreateAlias": apiserver.Handle(a.createAlias),
		"GetAlias":    apiserver.Handle(a.getAlias),
		"UpdateAlias": apiserver.Handle(a.updateAlias),
		"DeleteAlias": apiserver.Handle(a.deleteAlias),
		"ListAliases": apiserver.Handle(a.listAliases),

		"Invoke":      apiserver.Handle(a.invoke),
		"InvokeAsync": apiserver.Handle(a.invokeAsync),

		"AddPermission":    apiserver.Handle(a.addPermission),
		"RemovePermission": apiserver.Handle(a.removePermission),
		"GetPolicy":        apiserver.Handle(a.getPolicy),

		"PutFunctionEventInvokeConfig":    apiserver.Handle(a.putEventInvokeConfig),
		"UpdateFunctionEventInvokeConfig": apiserver.Handle(a.updateEventInvokeConfig),
		"GetFunctionEventInvokeConfig":    apiserver.Handle(a.getEventInvokeConfig),
		"DeleteFunctionEventInvokeConfig": apiserver.Handle(a.deleteEventInvokeConfig),
		"ListFunctionEventInvokeConfigs":  apiserver.Handle(a.listEventInvokeConfigs),

		"PutFunctionConcurrency":       apiserver.Handle(a.putConcurrency),
		"GetFunctionConcurrency":       apiserver.Handle(a.getConcurrency),
		"DeleteFunctionConcurrency":    apiserver.Handle(a.deleteConcurrency),
		"PutFunctionRecursionConfig":   apiserver.Handle(a.putRecursion),
		"GetFunctionRecursionConfig":   apiserver.Handle(a.getRecursion),
		"GetFunctionCodeSigningConfig": apiserver.Handle(a.getCodeSigning),
		"GetRuntimeManagementConfig":   apiserver.Handle(a.getRuntimeManagement),
		"GetAccountSettings":           apiserver.Handle(a.getAccountSettings),
		"ListEventSourceMappings":      apiserver.Handle(a.listEventSourceMappings),
		"ListLayers":                   apiserver.Handle(a.listLayers),

		"ListTags":      apiserver.Handle(a.listTags),
		"TagResource":   apiserver.Handle(a.tagResource),
		"UntagResource": apiserver.Handle(a.untagResource),
	}
	a.server = apiserver.NewServer(apiserver.Config{
		API: withOldPaths(wire.API()), Handlers: a.handler, Authenticate: cfg.Authenticate, Authorize: a.authorizer(), Access: a.access,
		Describe: describe, Code: errorCode, Logger: cfg.Logger,
	})
	return a
}

// withOldPaths adds the paths of older clients' models (boto3 1.26, CLI 2.9), which
// end some operations with a slash.
func withOldPaths(api awsapi.API) awsapi.API {
	for _, op := range slices.Clone(api.Operations) {
		switch op.Name {
		case "CreateCodeSigningConfig", "CreateEventSourceMapping", "GetAccountSettings", "InvokeAsync", "ListCodeSigningConfigs", "ListEventSourceMappings", "ListFunctions":
			op.URI += "/"
			api.Operations = append(api.Operations, op)
		}
	}
	return api
}

// authorizer is Authorize, and Decide where a function has a policy.
func (a *API) authorizer() apiserver.Authorize {
	if a.cfg.Decide == nil || a.cfg.Authorize == nil {
		return a.cfg.Authorize
	}
	return func(ctx context.Context, who sigv4.Identity, r *http.Request, want apiserver.Access) error {
		if name, qualifier, err := a.fns.Parse(want.Resource, ""); err == nil {
			fn, _, err := a.fns.Get(ctx, name, qualifier)
			if policy := a.fns.Policy(fn, qualifier); err == nil && policy != nil {
				return a.cfg.Decide(ctx, who, r, want, policy)
			}
		}
		return a.cfg.Authorize(ctx, who, r, want)
	}
}

// ServeHTTP implements http.Handler for the API's operations.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// codeValidation is the code of what the model refuses.
const codeValidation = "ValidationException"

// errorCode names an error as the service's model does, with its status.
func errorCode(f *fault.Error) (string, int) {
	code, status := "ServiceException", http.StatusInternalServerError
	switch f.Kind {
	case fault.Invalid:
		code, status = function.CodeInvalid, http.StatusBadRequest
	case fault.NotFound:
		code, status = function.CodeNotFound, http.StatusNotFound
	case fault.Conflict:
		code, status = function.CodeConflict, http.StatusConflict
	case fault.Denied:
		code, status = "AccessDeniedException", http.StatusForbidden
	case fault.Limit:
		code, status = "RequestTooLargeException", http.StatusRequestEntityTooLarge
	}
	if f.Code != "" && f.Kind != fault.Internal && f.Kind != fault.Canceled {
		code = f.Code
	}
	switch code {
	case function.CodeThrottled:
		status = http.StatusTooManyRequests
	case function.CodePrecondition:
		status = http.StatusPreconditionFailed
	case "PolicyLengthExceededException", "CodeStorageExceededException":
		status = http.StatusBadRequest
	}
	return code, status
}

// describe words violations of the model as the service does.
func describe(violations []awsapi.Violation) *fault.Error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		path := strings.ReplaceAll(strings.TrimPrefix(v.Path, "/"), "/", ".")
		if path != "" {
			path = strings.ToLower(path[:1]) + path[1:]
		}
		lines[i] = fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", path, v.Message)
	}
	errs := "errors"
	if len(lines) == 1 {
		errs = "error"
	}
	return fault.New(fault.Invalid, codeValidation, "%d validation %s detected: %s", len(lines), errs, strings.Join(lines, "; "))
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, function.CodeInvalid, format, args...)
}

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

// parse reads the name of a function and its qualifier from a request.
func (a *API) parse(name, qualifier *string) (string, string, error) {
	return a.fns.Parse(value(name), value(qualifier))
}

// pageOf returns a page of a list that is in memory, and where the next begins.
// A marker is the name of the last item of the page before.
func pageOf[T any](all []T, marker *string, limit *int32, most int, name func(T) string) ([]T, *string) {
	if m := value(marker); m != "" {
		for i, x := range all {
			if name(x) == m {
				all = all[i+1:]
				break
			}
		}
	}
	n := most
	if limit != nil && int(*limit) < most {
		n = int(*limit)
	}
	if len(all) <= n {
		return all, nil
	}
	return all[:n], new(name(all[n-1]))
}
