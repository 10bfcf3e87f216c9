package execution

import (
	"context"
	"log/slog"
	"time"
)

// Spec is one version of a function, ready to run. It must not be changed once
// it was handed over.
type Spec struct {
	Name    string
	Version string // "$LATEST" or a number
	// Key names this code and configuration: environments are shared by equal
	// keys, and Retire ends those of others.
	Key         string
	Runtime     string // python3.12, nodejs22.x, provided.al2023 …
	Handler     string
	CodeDir     string            // the unpacked package
	Environment map[string]string // the function's own variables
	Timeout     time.Duration
	MemoryMB    int
	StorageMB   int    // of /tmp
	Role        string // ARN; its credentials are the process's
	LogGroup    string
}

// Invocation is one event to be handled.
type Invocation struct {
	RequestID     string // a UUID
	Payload       []byte // JSON, at most MaxPayload
	FunctionARN   string // as it was invoked, with its qualifier
	ClientContext string // JSON; "" is none
	Trace         string // the X-Amzn-Trace-Id that calls of the function carry on
}

// MaxPayload is the limit of requests and responses of synchronous invocations
// (6 MB and Lambda's few bytes more).
const MaxPayload = 6291556

// Result is what came of an invocation.
type Result struct {
	Payload       []byte
	FunctionError string // "" or "Unhandled"
	LogTail       []byte // the last 4 KB of the invocation's log
	Duration      time.Duration
	Init          time.Duration // of a cold start; 0 when the environment was warm
	MaxMemoryMB   int
}

// Credentials are the temporary credentials of a function's role.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time // zero is never
}

// Roles gives credentials of a role that trusts Lambda.
type Roles interface {
	Credentials(ctx context.Context, role, session string) (Credentials, error)
}

// LogEvent is one event of a log stream. A message may have several lines.
type LogEvent struct {
	Time    time.Time
	Message string
}

// Logs keeps log events, making group and stream when they are missing.
type Logs interface {
	Append(ctx context.Context, group, stream string, events []LogEvent) error
}

// Config says how functions run here. Dir, Endpoint, Roles and Logs are required.
type Config struct {
	Dir      string // the package's own folder; what is in it is made again
	Endpoint string // base URL that functions reach the house by
	Region   string // default us-east-1
	Roles    Roles
	Logs     Logs
	// MaxEnvironments bounds the environments that run at once; default 100.
	MaxEnvironments int
	Idle            time.Duration // after which an unused environment ends; default 7 minutes
	InitTimeout     time.Duration // of the first attempt to start; default 10 s, as in AWS

	PythonPath, NodePath, BwrapPath string // "" is looked up in PATH
	// Unsandboxed runs functions without bubblewrap: with the server's rights and files.
	Unsandboxed bool
	Logger      *slog.Logger // nil discards
}
