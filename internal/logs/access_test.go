package logs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
)

// Every operation asks for rights on what it is done to, and what is denied is not done.
func TestWhatOperationsAreDoneTo(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	l := logs.New(logs.Config{Store: records(t)})
	web := httptest.NewServer(logs.NewHandler(logs.APIConfig{Logs: l, Authenticate: authenticate, Authorize: func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.TrimPrefix(a.Action, "logs:")+" "+strings.TrimPrefix(a.Resource, "arn:aws:logs:us-east-1:000000000000:"))
		if strings.HasPrefix(a.Action, "logs:Delete") {
			return fault.New(fault.Denied, "AccessDenied", "User: u is not authorized to perform: %s on resource: %s", a.Action, a.Resource)
		}
		return nil
	}}))
	t.Cleanup(web.Close)
	script := `
import boto3, sys
logs = boto3.client("logs", endpoint_url=__import__("os").environ["AWS_ENDPOINT_URL"])
g, s, arn = "/g", "s", "arn:aws:logs:us-east-1:000000000000:log-group:/g"
logs.create_log_group(logGroupName=g, tags={"a": "b"})
logs.create_log_stream(logGroupName=g, logStreamName=s)
logs.put_log_events(logGroupName=g, logStreamName=s, logEvents=[{"timestamp": __import__("time").time_ns() // 10**6, "message": "m"}])
old = "logGroupName" in logs.meta.service_model.operation_model("GetLogEvents").input_shape.required_members
which = {"logGroupName": g} if old else {"logGroupIdentifier": arn}
logs.get_log_events(logStreamName=s, **which)
logs.filter_log_events(**which)
logs.describe_log_streams(logGroupName=g)
logs.describe_log_groups()
logs.put_retention_policy(logGroupName=g, retentionInDays=1)
logs.list_tags_for_resource(resourceArn=arn)
logs.tag_resource(resourceArn=arn, tags={"c": "d"})
logs.untag_log_group(logGroupName=g, tags=["c"])
try:
    logs.delete_log_group(logGroupName=g)
except Exception as e:
    assert e.response["Error"]["Code"].startswith("AccessDenied"), e
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, e
assert len(logs.describe_log_groups()["logGroups"]) == 1
`
	cmd := exec.Command("python3", "-c", script)
	cmd.Env = environment(web.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		"CreateLogGroup log-group:/g:log-stream:", "TagResource log-group:/g", "CreateLogStream log-group:/g:log-stream:s", "PutLogEvents log-group:/g:log-stream:s",
		"GetLogEvents log-group:/g:log-stream:s", "FilterLogEvents log-group:/g:log-stream:", "DescribeLogStreams log-group:/g:log-stream:", "DescribeLogGroups log-group::log-stream:",
		"PutRetentionPolicy log-group:/g:log-stream:", "ListTagsForResource log-group:/g", "TagResource log-group:/g", "UntagLogGroup log-group:/g",
		"DeleteLogGroup log-group:/g:log-stream:", "DescribeLogGroups log-group::log-stream:",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for\n%s\nwant\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
}
