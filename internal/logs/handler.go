package logs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/logs"
	"vodwright.dev/vodwright/internal/fault"
)

// APIConfig is what the API is made of. Logs and Authenticate are needed.
type APIConfig struct {
	Logs         *Logs
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	Account      string              // of ARNs; default 000000000000
	Region       string              // of ARNs; default us-east-1
	Logger       *slog.Logger
}

// NewHandler returns the handler of the CloudWatch Logs API, safe for concurrent use.
func NewHandler(cfg APIConfig) http.Handler {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	s := &server{cfg: cfg, logs: cfg.Logs, store: cfg.Logs.store}
	return apiserver.NewServer(apiserver.Config{
		API:          wire.API(),
		Authenticate: cfg.Authenticate,
		Authorize:    cfg.Authorize,
		Access:       s.access,
		Describe:     describe,
		Code:         errorCode,
		Logger:       cfg.Logger,
		Handlers: map[string]apiserver.Handler{
			"CreateLogGroup":        apiserver.Handle(s.createLogGroup),
			"DeleteLogGroup":        apiserver.Handle(s.deleteLogGroup),
			"DescribeLogGroups":     apiserver.Handle(s.describeLogGroups),
			"PutRetentionPolicy":    apiserver.Handle(s.putRetentionPolicy),
			"DeleteRetentionPolicy": apiserver.Handle(s.deleteRetentionPolicy),

			"CreateLogStream":    apiserver.Handle(s.createLogStream),
			"DeleteLogStream":    apiserver.Handle(s.deleteLogStream),
			"DescribeLogStreams": apiserver.Handle(s.describeLogStreams),

			"PutLogEvents":    apiserver.Handle(s.putLogEvents),
			"GetLogEvents":    apiserver.Handle(s.getLogEvents),
			"FilterLogEvents": apiserver.Handle(s.filterLogEvents),

			"ListTagsForResource": apiserver.Handle(s.listTagsForResource),
			"TagResource":         apiserver.Handle(s.tagResource),
			"UntagResource":       apiserver.Handle(s.untagResource),
			"ListTagsLogGroup":    apiserver.Handle(s.listTagsLogGroup),
			"TagLogGroup":         apiserver.Handle(s.tagLogGroup),
			"UntagLogGroup":       apiserver.Handle(s.untagLogGroup),
		},
	})
}

type server struct {
	cfg   APIConfig
	logs  *Logs
	store Store
}

// errorCode names an error as the service's model does, with its status.
func errorCode(f *fault.Error) (string, int) {
	code, status := "InternalFailure", http.StatusInternalServerError
	switch f.Kind {
	case fault.Invalid, fault.Limit:
		code, status = codeInvalid, http.StatusBadRequest
	case fault.NotFound:
		code, status = codeNotFound, http.StatusBadRequest
	case fault.Conflict:
		code, status = "OperationAbortedException", http.StatusBadRequest
	case fault.Denied:
		code, status = "AccessDeniedException", http.StatusBadRequest
	case fault.Unavailable, fault.Canceled:
		code, status = "ServiceUnavailableException", http.StatusServiceUnavailable
	}
	if f.Code != "" && f.Kind != fault.Internal {
		code = f.Code
	}
	return code, status
}

const (
	codeInvalid  = "InvalidParameterException"
	codeNotFound = "ResourceNotFoundException"
)

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, codeInvalid, format, args...)
}

// describe words violations of the model as the service does.
func describe(violations []awsapi.Violation) *fault.Error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		if v.Path == "/resourceArn" { // such as that of DescribeLogGroups, which ends in :*
			return fault.New(fault.Invalid, "ValidationException", "Invalid resourceArn").WithHint("name the log group as its logGroupArn does, without :* at the end")
		}
		lines[i] = fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", strings.TrimPrefix(v.Path, "/"), v.Message)
	}
	errs := "errors"
	if len(lines) == 1 {
		errs = "error"
	}
	return fault.New(fault.Invalid, codeInvalid, "%d validation %s detected: %s", len(lines), errs, strings.Join(lines, "; "))
}

// arn names a log group, without what an ARN may have after it.
func (s *server) arn(group string) string {
	return "arn:aws:logs:" + s.cfg.Region + ":" + s.cfg.Account + ":log-group:" + group
}

// groupName returns the name of the group that a request means: by its name, or
// by an identifier, which is the name or the ARN.
func groupName(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", invalid("LogGroupName and LogGroupIdentifier are mutually exclusive parameters, specify only one of these parameters.")
	case name != nil:
		return *name, nil
	case identifier != nil:
		return groupOfARN(*identifier), nil
	}
	return "", invalid("Either LogGroupName or LogGroupIdentifier should be specified.")
}

// groupOfARN takes a group's ARN, or its name, and returns the name.
func groupOfARN(arn string) string {
	if _, name, ok := strings.Cut(arn, ":log-group:"); ok && strings.HasPrefix(arn, "arn:") {
		return name
	}
	return arn
}

func (s *server) createLogGroup(ctx context.Context, _ *apiserver.Call, in *wire.CreateLogGroupRequest) (*wire.CreateLogGroupOutput, error) {
	if in.KmsKeyId != nil {
		return nil, invalid("Vodwright has no keys to encrypt log groups with (kmsKeyId)")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return &wire.CreateLogGroupOutput{}, s.store.CreateLogGroup(ctx, Group{Name: value(in.LogGroupName), Created: s.now()}, in.Tags)
}

func (s *server) now() time.Time { return s.logs.now().UTC().Truncate(time.Millisecond) }

func (s *server) deleteLogGroup(ctx context.Context, _ *apiserver.Call, in *wire.DeleteLogGroupRequest) (*wire.DeleteLogGroupOutput, error) {
	return &wire.DeleteLogGroupOutput{}, s.store.DeleteLogGroup(ctx, value(in.LogGroupName))
}

// defaultPage and its like are the service's.
const defaultPage = 50

func (s *server) describeLogGroups(ctx context.Context, _ *apiserver.Call, in *wire.DescribeLogGroupsRequest) (*wire.DescribeLogGroupsResponse, error) {
	out := &wire.DescribeLogGroupsResponse{LogGroups: []*wire.LogGroup{}}
	if in.LogGroupNamePattern != nil && in.LogGroupNamePrefix != nil {
		return nil, invalid("LogGroupNamePattern and LogGroupNamePrefix are mutually exclusive parameters.")
	}
	if in.LogGroupClass != "" && in.LogGroupClass != wire.LogGroupClassStandard {
		return out, nil // there are no others
	}
	if len(in.LogGroupIdentifiers) > 0 {
		for _, id := range in.LogGroupIdentifiers {
			g, err := s.store.LogGroup(ctx, groupOfARN(id))
			if err != nil {
				if fault.Is(err, fault.NotFound) {
					continue
				}
				return nil, err
			}
			out.LogGroups = append(out.LogGroups, s.wireGroup(g))
		}
		return out, nil
	}
	limit := pageOf(in.Limit, defaultPage)
	list, err := s.store.LogGroups(ctx, GroupQuery{Prefix: value(in.LogGroupNamePrefix), Contains: value(in.LogGroupNamePattern), After: value(in.NextToken), Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = &list[limit-1].Name
	}
	for _, g := range list {
		out.LogGroups = append(out.LogGroups, s.wireGroup(g))
	}
	return out, nil
}

func (s *server) wireGroup(g Group) *wire.LogGroup {
	out := &wire.LogGroup{
		LogGroupName: &g.Name, Arn: new(s.arn(g.Name) + ":*"), LogGroupArn: new(s.arn(g.Name)), CreationTime: new(g.Created.UnixMilli()),
		MetricFilterCount: new(int32(0)), StoredBytes: &g.StoredBytes, LogGroupClass: wire.LogGroupClassStandard,
	}
	if g.RetentionDays > 0 {
		out.RetentionInDays = new(int32(g.RetentionDays))
	}
	return out
}

// retentions are the days that the service knows.
func retentions() []int32 {
	return []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
}

func (s *server) putRetentionPolicy(ctx context.Context, _ *apiserver.Call, in *wire.PutRetentionPolicyRequest) (*wire.PutRetentionPolicyOutput, error) {
	days := value(in.RetentionInDays)
	if !slices.Contains(retentions(), days) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", days, retentions())
	}
	return &wire.PutRetentionPolicyOutput{}, s.store.SetLogRetention(ctx, value(in.LogGroupName), int(days))
}

func (s *server) deleteRetentionPolicy(ctx context.Context, _ *apiserver.Call, in *wire.DeleteRetentionPolicyRequest) (*wire.DeleteRetentionPolicyOutput, error) {
	return &wire.DeleteRetentionPolicyOutput{}, s.store.SetLogRetention(ctx, value(in.LogGroupName), 0)
}

func (s *server) createLogStream(ctx context.Context, _ *apiserver.Call, in *wire.CreateLogStreamRequest) (*wire.CreateLogStreamOutput, error) {
	if name := value(in.LogStreamName); strings.ContainsAny(name, ":*") {
		return nil, invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", name)
	}
	return &wire.CreateLogStreamOutput{}, s.store.CreateLogStream(ctx, value(in.LogGroupName), value(in.LogStreamName), s.now())
}

func (s *server) deleteLogStream(ctx context.Context, _ *apiserver.Call, in *wire.DeleteLogStreamRequest) (*wire.DeleteLogStreamOutput, error) {
	return &wire.DeleteLogStreamOutput{}, s.store.DeleteLogStream(ctx, value(in.LogGroupName), value(in.LogStreamName))
}

func (s *server) describeLogStreams(ctx context.Context, _ *apiserver.Call, in *wire.DescribeLogStreamsRequest) (*wire.DescribeLogStreamsResponse, error) {
	group, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	limit := pageOf(in.Limit, defaultPage)
	q := StreamQuery{Prefix: value(in.LogStreamNamePrefix), ByLast: in.OrderBy == wire.OrderByLasteventtime, Descending: value(in.Descending), Limit: limit + 1}
	if q.ByLast && q.Prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	if in.NextToken != nil {
		p, err := parseToken(*in.NextToken, "s")
		if err != nil {
			return nil, err
		}
		q.After = &Stream{Name: p.name, Last: p.Time}
	}
	list, err := s.store.LogStreams(ctx, group, q)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeLogStreamsResponse{LogStreams: []*wire.LogStream{}}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		out.NextToken = new(token{Position: Position{Time: last.Last}, name: last.Name}.text("s"))
	}
	for _, t := range list {
		out.LogStreams = append(out.LogStreams, s.wireStream(group, t))
	}
	return out, nil
}

func (s *server) wireStream(group string, t Stream) *wire.LogStream {
	out := &wire.LogStream{
		LogStreamName: &t.Name, Arn: new(s.arn(group) + ":log-stream:" + t.Name), CreationTime: new(t.Created.UnixMilli()),
		StoredBytes: new(int64(0)), // as the service has it since 2019
	}
	if !t.Ingested.IsZero() {
		out.FirstEventTimestamp, out.LastEventTimestamp = new(millis(t.First)), new(millis(t.Last))
		out.LastIngestionTime, out.UploadSequenceToken = new(millis(t.Ingested)), new(sequenceToken)
	}
	return out
}

// sequenceToken is what there is of sequence tokens: the service ignores them.
const sequenceToken = "49000000000000000000000000000000000000000000000000000000"

func pageOf(limit *int32, otherwise int) int {
	if limit == nil {
		return otherwise
	}
	return int(*limit)
}

// millis is an instant on the wire; the zero time is 1970.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// value returns what p points to, or its type's zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
