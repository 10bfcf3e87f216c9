package function

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function/execution"
)

// Latest is the version that updates change.
const Latest = "$LATEST"

// Function is everything that is kept of one function.
type Function struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Latest  Version   `json:"latest"`
	// Published versions never change; their numbers are not used again.
	Published  []Version               `json:"published,omitempty"`
	NextNumber int                     `json:"nextNumber"`
	Aliases    []Alias                 `json:"aliases,omitempty"`
	Policies   map[string][]Permission `json:"policies,omitempty"`    // by qualifier; "" without one
	PolicyIDs  map[string]string       `json:"policyIds,omitempty"`   // revision ids, likewise
	Async      map[string]Async        `json:"eventInvoke,omitempty"` // by qualifier; "$LATEST" without one
	Reserved   *int                    `json:"reservedConcurrency,omitempty"`
	// AllowRecursion turns off the guard against calling itself without end.
	AllowRecursion bool              `json:"allowRecursion,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
}

// Version is one version's code and configuration.
type Version struct {
	Number string `json:"number"` // "$LATEST", "1", "2" …
	// Key changes whenever code or configuration do: environments of another key are not used.
	Key            string            `json:"key"`
	Source         string            `json:"source,omitempty"` // of a published version: the key that it was made from
	Runtime        string            `json:"runtime"`
	Handler        string            `json:"handler"`
	Role           string            `json:"role"` // ARN
	Description    string            `json:"description,omitempty"`
	Architecture   string            `json:"architecture"`
	TimeoutSeconds int               `json:"timeoutSeconds"`
	MemoryMB       int               `json:"memoryMb"`
	StorageMB      int               `json:"storageMb"`             // of /tmp
	Environment    map[string]string `json:"environment,omitempty"` // nil is none
	SHA256         string            `json:"codeSha256"`            // of the package, in base64
	CodeSize       int64             `json:"codeSize"`              // bytes
	DeadLetter     string            `json:"deadLetter,omitempty"`  // ARN of a target
	LogGroup       string            `json:"logGroup,omitempty"`    // "" is /aws/lambda/NAME
	Tracing        string            `json:"tracing,omitempty"`     // kept and shown
	Revision       string            `json:"revision"`
	Modified       time.Time         `json:"modified"`
}

// Alias is a name for a version, or for two of them with weights.
type Alias struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"` // of other versions
	Revision    string             `json:"revision"`
}

// Async is how asynchronous invocations are handled. nil numbers are the defaults.
type Async struct {
	MaxRetries *int      `json:"maxRetries,omitempty"`    // 0 to 2
	MaxAge     *int      `json:"maxAgeSeconds,omitempty"` // 60 to 21600
	OnSuccess  string    `json:"onSuccess,omitempty"`     // ARNs of targets
	OnFailure  string    `json:"onFailure,omitempty"`
	Modified   time.Time `json:"modified"`
}

// Bounds of a version, Lambda's.
const (
	maxTimeout     = 900
	minMemory      = 128
	maxMemory      = 10240
	minStorage     = 512
	maxStorage     = 10240
	maxEnvironment = 4096 // bytes, of names and values
)

// MaxCode bounds the packages of all functions, in bytes, as in AWS.
const MaxCode = 75 << 30

// Codes of errors, as the Lambda API has them.
const (
	CodeInvalid      = "InvalidParameterValueException"
	CodeNotFound     = "ResourceNotFoundException"
	CodeConflict     = "ResourceConflictException"
	CodePrecondition = "PreconditionFailedException"
	CodeThrottled    = execution.CodeThrottled
	CodeRecursive    = "RecursiveInvocationException"
)

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, CodeInvalid, format, args...)
}

// identifier returns a random UUID.
func identifier() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// runnable lists the runtimes that run here; the others are refused by name.
func runnable(runtime string) error {
	switch {
	case strings.HasPrefix(runtime, "python3."), runtime == "provided.al2", runtime == "provided.al2023":
		return nil
	case strings.HasPrefix(runtime, "nodejs"):
		if major, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(runtime, "nodejs"), ".x")); err == nil && major >= 16 {
			return nil
		}
	case runtime != "python2.7" && runtime != "provided" && runtime != "go1.x":
		return invalid("The runtime %s does not run on Vodwright", runtime).
			WithHint("it runs python3.x, nodejs16.x and later, provided.al2 and provided.al2023")
	}
	return invalid("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions.", runtime).
		WithHint("use python3.x, nodejs16.x or later, provided.al2 or provided.al2023")
}

// variableNames are those that an environment variable may have. AWS asks for
// two characters, for which there is no reason.
var variableNames = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// check says what is wrong with a version's configuration.
func (v *Version) check() error {
	if v.Runtime == "" || v.Handler == "" {
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if err := runnable(v.Runtime); err != nil {
		return err
	}
	for _, r := range []struct {
		name         string
		is, min, max int
	}{
		{"timeout", v.TimeoutSeconds, 1, maxTimeout}, {"memorySize", v.MemoryMB, minMemory, maxMemory}, {"ephemeralStorage.size", v.StorageMB, minStorage, maxStorage},
	} {
		if r.is < r.min || r.is > r.max {
			return invalid("'%s' value %d failed to satisfy constraint: Member must have value between %d and %d", r.name, r.is, r.min, r.max)
		}
	}
	size := 0
	var reserved []string
	for name, value := range v.Environment {
		size += len(name) + len(value)
		if execution.Reserved(name) {
			reserved = append(reserved, name)
		}
		if strings.Contains(value, "\x00") {
			return invalid("the environment variable %q has a value that no process can have", name)
		}
		if !variableNames.MatchString(name) && !execution.Reserved(name) {
			return fault.New(fault.Invalid, "ValidationException", "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: "+
				"Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]: %q does not", name)
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if size > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.")
	}
	if v.DeadLetter != "" {
		return CheckTarget(v.DeadLetter)
	}
	return nil
}

// sum returns the package's digest.
func (v *Version) sum() (sum [32]byte) {
	b, _ := base64.StdEncoding.DecodeString(v.SHA256)
	copy(sum[:], b)
	return sum
}

// Find returns the version that a qualifier names: "" and "$LATEST", a number,
// or an alias, with draw (from 0 to 1) choosing between its weights.
func (f *Function) Find(qualifier string, draw float64) (Version, bool) {
	if qualifier == "" || qualifier == Latest {
		return f.Latest, true
	}
	if a := f.alias(qualifier); a != nil {
		qualifier = a.Version
		for _, number := range sortedNames(a.Weights) {
			if draw < a.Weights[number] {
				qualifier = number
				break
			}
			draw -= a.Weights[number]
		}
		if qualifier == Latest {
			return f.Latest, true
		}
	}
	for _, v := range f.Published {
		if v.Number == qualifier {
			return v, true
		}
	}
	return Version{}, false
}

func (f *Function) alias(name string) *Alias {
	for i := range f.Aliases {
		if f.Aliases[i].Name == name {
			return &f.Aliases[i]
		}
	}
	return nil
}

// AsyncOf returns how events for a qualifier are handled, and whether that was configured.
func (f *Function) AsyncOf(qualifier string) (Async, bool) {
	if qualifier == "" {
		qualifier = Latest
	}
	a, ok := f.Async[qualifier]
	return a, ok
}

// AsyncQualifiers lists the qualifiers with a configuration for events.
func (f *Function) AsyncQualifiers() []string { return sortedNames(f.Async) }

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
