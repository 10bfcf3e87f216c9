package mediaconvert

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
)

// Jobs is what the API asks of the room job; *job.Coordinator is it.
type Jobs interface {
	Create(ctx context.Context, j job.Job) (job.Job, error)
	Get(ctx context.Context, id string) (job.Job, error)
	List(ctx context.Context, f job.Filter) ([]job.Job, error)
	Cancel(ctx context.Context, id string) error
	Record(ctx context.Context, id string) (job.Job, error) // Get with what the job took
	QueuesChanged()                                         // a queue may admit jobs that it did not
}

// Records are the plain records beside jobs; *store.Store is it. What is not
// there is a fault.NotFound, a name that is taken a fault.Conflict. It is wider
// than an interface should be: five small subjects, one implementation.
type Records interface {
	Queue(ctx context.Context, name string) (job.Queue, error)
	Queues(ctx context.Context) ([]job.Queue, error)
	EnsureQueue(ctx context.Context, q job.Queue) error
	CreateQueue(ctx context.Context, q job.Queue, tags map[string]string) error
	ChangeQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error)
	DeleteQueue(ctx context.Context, name string) error
	CountJobs(ctx context.Context, queue string, status job.Status) (int, error)

	CreateTemplate(ctx context.Context, t job.Template, tags map[string]string) error
	Template(ctx context.Context, name string) (job.Template, error)
	Templates(ctx context.Context, f job.TemplateFilter) ([]job.Template, error)
	ChangeTemplate(ctx context.Context, name string, change func(*job.Template) error) (job.Template, error)
	DeleteTemplate(ctx context.Context, name string) error

	CreatePreset(ctx context.Context, p job.Preset, tags map[string]string) error
	Preset(ctx context.Context, name string) (job.Preset, error)
	Presets(ctx context.Context, f job.TemplateFilter) ([]job.Preset, error)
	ChangePreset(ctx context.Context, name string, change func(*job.Preset) error) (job.Preset, error)
	DeletePreset(ctx context.Context, name string) error

	// PutQuery keeps a query under an ID until it is older than job queries get, see
	// Query, which answers a fault.NotFound for one that is not there.
	PutQuery(ctx context.Context, id string, created time.Time, doc json.RawMessage) error
	Query(ctx context.Context, id string, now time.Time) (json.RawMessage, error)

	// Setting returns a document of which there is one, nil when it was never set;
	// PutSetting with nil removes it.
	Setting(ctx context.Context, name string) (json.RawMessage, error)
	PutSetting(ctx context.Context, name string, doc json.RawMessage) error

	// Tags, SetTags and RemoveTags name a resource by the last part of its ARN: jobs/ID.
	Tags(ctx context.Context, resource string) (map[string]string, error)
	SetTags(ctx context.Context, resource string, tags map[string]string) error
	RemoveTags(ctx context.Context, resource string, names []string) error
}

// Prober looks at the files that Probe is asked about. *probe.Prober and who gets
// files for it are it, together.
type Prober interface {
	// Probe looks at the file of an s3://, http:// or https:// URL, with the rights
	// of who asks. What is not there is a fault.NotFound, what they may not read a
	// fault.Denied; every other fault is of the file.
	Probe(ctx context.Context, who sigv4.Identity, url string) (Probed, error)
}

// Probed is what a Prober found.
type Probed struct {
	Source   media.Source
	WebM     bool // a Matroska file says that it is WebM
	ETag     string
	MimeType string
	Modified time.Time // zero is unknown
}

// Config is what the API is made of. Jobs, Records and Authenticate are needed.
type Config struct {
	Jobs         Jobs
	Records      Records
	Prober       Prober // nil leaves Probe unimplemented
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	Account      string              // of ARNs; default 000000000000
	Region       string              // of ARNs; default us-east-1
	Endpoint     string              // base URL that DescribeEndpoints answers; default: how the client reached us
	Logger       *slog.Logger
	Now          func() time.Time // default time.Now
}

// NewHandler returns the handler of the MediaConvert API, safe for concurrent use.
func NewHandler(cfg Config) http.Handler {
	if cfg.Account == "" {
		cfg.Account = defaultAccount
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	schema := &awsapi.Schema{}
	s := &server{cfg: cfg, schema: schema, checker: newChecker(schema), answers: newAnswers(schema)}
	handlers := map[string]apiserver.Handler{}
	if cfg.Prober != nil {
		handlers["Probe"] = apiserver.Handle(s.probe)
	}
	maps.Copy(handlers, s.handlers())
	return apiserver.NewServer(apiserver.Config{
		API:          api(),
		Authenticate: cfg.Authenticate,
		Authorize:    cfg.Authorize,
		Access:       s.access,
		Describe:     describe,
		Code:         errorCode,
		Schema:       schema,
		Logger:       cfg.Logger,
		Handlers:     handlers,
	})
}

// handlers are those of the operations that need nothing but jobs and records.
func (s *server) handlers() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"CreateJob": apiserver.HandleUnchecked(s.createJob),
		"GetJob":    apiserver.Handle(s.getJob),
		"ListJobs":  apiserver.Handle(s.listJobs),
		"CancelJob": apiserver.Handle(s.cancelJob),
		getReceipt:  apiserver.Handle(s.getReceipt),

		"CreateJobTemplate": apiserver.Handle(s.createJobTemplate),
		"GetJobTemplate":    apiserver.Handle(s.getJobTemplate),
		"ListJobTemplates":  apiserver.Handle(s.listJobTemplates),
		"UpdateJobTemplate": apiserver.Handle(s.updateJobTemplate),
		"DeleteJobTemplate": apiserver.Handle(s.deleteJobTemplate),

		"CreatePreset": apiserver.Handle(s.createPreset),
		"GetPreset":    apiserver.Handle(s.getPreset),
		"ListPresets":  apiserver.Handle(s.listPresets),
		"UpdatePreset": apiserver.Handle(s.updatePreset),
		"DeletePreset": apiserver.Handle(s.deletePreset),

		"CreateQueue": apiserver.Handle(s.createQueue),
		"GetQueue":    apiserver.Handle(s.getQueue),
		"ListQueues":  apiserver.Handle(s.listQueues),
		"UpdateQueue": apiserver.Handle(s.updateQueue),
		"DeleteQueue": apiserver.Handle(s.deleteQueue),

		"StartJobsQuery":      apiserver.Handle(s.startJobsQuery),
		"GetJobsQueryResults": apiserver.Handle(s.getJobsQueryResults),

		"SearchJobs":   apiserver.Handle(s.searchJobs),
		"ListVersions": apiserver.Handle(s.listVersions),
		"GetPolicy":    apiserver.Handle(s.getPolicy),
		"PutPolicy":    apiserver.Handle(s.putPolicy),
		"DeletePolicy": apiserver.Handle(s.deletePolicy),

		"TagResource":         apiserver.Handle(s.tagResource),
		"UntagResource":       apiserver.Handle(s.untagResource),
		"ListTagsForResource": apiserver.Handle(s.listTagsForResource),

		"DescribeEndpoints": apiserver.Handle(s.describeEndpoints),
	}
}

type server struct {
	cfg     Config
	schema  *awsapi.Schema
	checker *checker
	answers *answers
}

// errorCode names an error as the service's model does, with its status.
func errorCode(f *fault.Error) (string, int) {
	code, status := "InternalServerErrorException", http.StatusInternalServerError
	switch f.Kind {
	case fault.Invalid:
		code, status = CodeBadRequest, http.StatusBadRequest
	case fault.NotFound:
		code, status = "NotFoundException", http.StatusNotFound
	case fault.Conflict:
		code, status = "ConflictException", http.StatusConflict
	case fault.Denied:
		code, status = "ForbiddenException", http.StatusForbidden
	case fault.Limit:
		code, status = "ServiceQuotaExceededException", http.StatusPaymentRequired
	case fault.Unavailable:
		code, status = "TooManyRequestsException", http.StatusTooManyRequests
	}
	// A code of letters is an exception's name; numbers are of jobs.
	if f.Code != "" && (f.Code[0] < '0' || f.Code[0] > '9') {
		code = f.Code
	}
	return code, status
}

// arn names a resource: jobs/ID, queues/NAME, jobTemplates/NAME.
func (s *server) arn(resource string) string {
	return arnPrefix(s.cfg.Region, s.cfg.Account) + resource
}

// nameOf takes a resource of the given kind by its name or its ARN, and returns the
// name. Documents are exported from other accounts with ARNs of theirs: what is meant
// is what has that name here, see strangers.
func nameOf(kind, nameOrARN string) string {
	// arn:PARTITION:mediaconvert:REGION:ACCOUNT:KIND/NAME
	if parts := strings.SplitN(nameOrARN, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[2] == "mediaconvert" {
		if name, ok := strings.CutPrefix(parts[5], kind+"/"); ok {
			return name
		}
	}
	return nameOrARN
}

// gone words that a resource of a kind is not there as the service does; any
// other error stays as it is.
func (s *server) gone(err error, kind, name string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	one := strings.TrimSuffix(kind, "s") // jobTemplate
	words := strings.ToLower(strings.ReplaceAll(one, "T", " T"))
	return fault.New(fault.NotFound, "", "The specified %s was not found: %sArn=%s", words, one, s.arn(kind+"/"+name))
}

func (s *server) describeEndpoints(_ context.Context, call *apiserver.Call, _ *mc.DescribeEndpointsInput) (*mc.DescribeEndpointsOutput, error) {
	url := s.cfg.Endpoint
	if url == "" {
		url = call.BaseURL
	}
	return &mc.DescribeEndpointsOutput{Endpoints: []*mc.Endpoint{{Url: &url}}}, nil
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
