package eventbridge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/event"
	api "vodwright.dev/vodwright/internal/eventbridge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/store"
)

const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "secret/with+odd=characters"
	role   = "arn:aws:iam::000000000000:role/r"
)

// functions records what functions are invoked with.
type functions struct {
	mu       sync.Mutex
	payloads []string
}

func (f *functions) InvokeAsync(_ context.Context, arn string, payload []byte, _, _, _, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.payloads = append(f.payloads, arn+" "+string(payload))
	return nil
}

func (f *functions) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.payloads...)
}

// world is the API over the real records and bus.
type world struct {
	url       string
	functions *functions
	asked     map[string]bool // actions and resources that rights were asked on
	passed    []string
}

func serve(t *testing.T) *world {
	t.Helper()
	records, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{functions: &functions{}, asked: map[string]bool{}}
	bus, err := event.NewBus(event.Config{Store: records, Functions: w.functions})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- bus.Run(ctx) }()
	var mu sync.Mutex
	web := httptest.NewServer(api.NewHandler(api.Config{
		Records: records, Bus: bus,
		Authenticate: func(r *http.Request, _ string) (sigv4.Identity, error) {
			return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
				return sigv4.Credential{Secret: secret, Account: "000000000000"}, id == keyID
			})
		},
		Authorize: func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
			mu.Lock()
			defer mu.Unlock()
			w.asked[a.Action+" "+a.Resource] = true
			return nil
		},
		PassRole: func(_ context.Context, _ sigv4.Identity, arn, service string) error {
			w.passed = append(w.passed, arn+" to "+service)
			if strings.HasSuffix(arn, "/no") {
				return fault.New(fault.Denied, "AccessDeniedException", "no")
			}
			return nil
		},
	}))
	w.url = web.URL
	t.Cleanup(func() {
		web.Close()
		stop()
		if err := errors.Join(<-ended, records.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) client() *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{
		BaseEndpoint: &w.url, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}),
	})
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:f"

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRulesAndTargets(t *testing.T) {
	w := serve(t)
	c, ctx := w.client(), t.Context()
	pattern := `{"source":["my.app"],"detail":{"n":[{"numeric":[">",1]}]}}`
	put := must[*eventbridge.PutRuleOutput](t)(c.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String("r"), EventPattern: &pattern, Description: aws.String("d"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}))
	if *put.RuleArn != "arn:aws:events:us-east-1:000000000000:rule/r" {
		t.Errorf("ARN %s", *put.RuleArn)
	}
	must[*eventbridge.PutTargetsOutput](t)(c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{
		{Id: aws.String("f"), Arn: aws.String(functionARN), RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(3), MaximumEventAgeInSeconds: aws.Int32(60)}, DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String("arn:aws:s3:::letters")}},
		{Id: aws.String("g"), Arn: aws.String(functionARN), InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"n": "$.detail.n"}, InputTemplate: aws.String(`"n is <n>"`)}},
	}}))
	got := must[*eventbridge.DescribeRuleOutput](t)(c.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("r")}))
	if *got.EventPattern != pattern || *got.Description != "d" || got.State != "ENABLED" || *got.EventBusName != "default" {
		t.Errorf("%+v", got)
	}
	targets := must[*eventbridge.ListTargetsByRuleOutput](t)(c.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r")})).Targets
	if len(targets) != 2 || *targets[0].RetryPolicy.MaximumRetryAttempts != 3 || *targets[0].DeadLetterConfig.Arn != "arn:aws:s3:::letters" || *targets[1].InputTransformer.InputTemplate != `"n is <n>"` {
		t.Errorf("%+v", targets)
	}
	names := must[*eventbridge.ListRuleNamesByTargetOutput](t)(c.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: aws.String(functionARN)}))
	if fmt.Sprint(names.RuleNames) != "[r]" {
		t.Errorf("rules of the target: %v", names.RuleNames)
	}

	out := must[*eventbridge.PutEventsOutput](t)(c.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{Source: aws.String("my.app"), DetailType: aws.String("t"), Detail: aws.String(`{"n":2}`), Resources: []string{"x"}},
		{Source: aws.String("my.app"), DetailType: aws.String("t"), Detail: aws.String(`{"n":1}`)},
		{Source: aws.String("aws.s3"), DetailType: aws.String("t"), Detail: aws.String(`{}`)},
		{Source: aws.String("my.app"), DetailType: aws.String("t"), Detail: aws.String(`[]`)},
		{DetailType: aws.String("t"), Detail: aws.String(`{}`)},
		{Source: aws.String("my.app"), DetailType: aws.String("t"), Detail: aws.String(`{}`), EventBusName: aws.String("other")},
	}}))
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
	}
	if out.FailedEntryCount != 4 || fmt.Sprint(codes) != "[  NotAuthorizedForSourceException MalformedDetail InvalidArgument ResourceNotFoundException]" {
		t.Errorf("%d failed: %v", out.FailedEntryCount, codes)
	}
	deadline := time.Now().Add(10 * time.Second)
	for len(w.functions.got()) < 2 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	all := strings.Join(w.functions.got(), "\n")
	if len(w.functions.got()) != 2 || !strings.Contains(all, functionARN+` "n is 2"`) ||
		!strings.Contains(all, `{"version":"0","id":"`+*out.Entries[0].EventId+`","detail-type":"t","source":"my.app","account":"000000000000","time":"`) {
		t.Errorf("the function got %s", all)
	}

	must[*eventbridge.DisableRuleOutput](t)(c.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("r")}))
	list := must[*eventbridge.ListRulesOutput](t)(c.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: aws.String("r")}))
	if len(list.Rules) != 1 || list.Rules[0].State != "DISABLED" {
		t.Errorf("%+v", list.Rules)
	}
	must[*eventbridge.EnableRuleOutput](t)(c.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: aws.String("r")}))
	if _, err := c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String("r")}); code(err) != "ValidationException" || !strings.Contains(err.Error(), "Rule can't be deleted since it has targets.") {
		t.Errorf("a rule with targets: %v", err)
	}
	must[*eventbridge.TagResourceOutput](t)(c.TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: put.RuleArn, Tags: []types.Tag{{Key: aws.String("c"), Value: aws.String("d")}}}))
	must[*eventbridge.UntagResourceOutput](t)(c.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: put.RuleArn, TagKeys: []string{"a"}}))
	tags := must[*eventbridge.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: put.RuleArn})).Tags
	if len(tags) != 1 || *tags[0].Key != "c" || *tags[0].Value != "d" {
		t.Errorf("tags %+v", tags)
	}
	must[*eventbridge.RemoveTargetsOutput](t)(c.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: aws.String("r"), Ids: []string{"f", "g"}}))
	must[*eventbridge.DeleteRuleOutput](t)(c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String("r")}))
	must[*eventbridge.DeleteRuleOutput](t)(c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String("r")})) // as in AWS
	if _, err := c.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("r")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("a rule that is gone: %v", err)
	}
	for _, want := range []string{
		"events:PutRule arn:aws:events:us-east-1:000000000000:rule/r", "events:PutTargets arn:aws:events:us-east-1:000000000000:rule/r",
		"events:TagResource arn:aws:events:us-east-1:000000000000:rule/r", "events:PutEvents arn:aws:events:us-east-1:000000000000:event-bus/default", "events:ListRules *",
	} {
		if !w.asked[want] {
			t.Errorf("no right to %s was asked for: %v", want, w.asked)
		}
	}
}

func TestPagesOfRules(t *testing.T) {
	w := serve(t)
	c, ctx := w.client(), t.Context()
	for i := range 5 {
		must[*eventbridge.PutRuleOutput](t)(c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String(fmt.Sprintf("r%d", i)), EventPattern: aws.String(`{"source":["a"]}`)}))
	}
	var names []string
	for in := (&eventbridge.ListRulesInput{Limit: aws.Int32(2)}); ; {
		out := must[*eventbridge.ListRulesOutput](t)(c.ListRules(ctx, in))
		for _, r := range out.Rules {
			names = append(names, *r.Name)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if fmt.Sprint(names) != "[r0 r1 r2 r3 r4]" {
		t.Errorf("pages hold %v", names)
	}
}

func TestRefusals(t *testing.T) {
	w := serve(t)
	c, ctx := w.client(), t.Context()
	must[*eventbridge.PutRuleOutput](t)(c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["a"]}`)}))
	rule := func(in eventbridge.PutRuleInput) error {
		in.Name = aws.String("x")
		_, err := c.PutRule(ctx, &in)
		return err
	}
	target := func(target types.Target) error {
		if target.Id == nil {
			target.Id = aws.String("t")
		}
		_, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{target}})
		return err
	}
	template := aws.String("arn:aws:mediaconvert:us-east-1:000000000000:jobTemplates/t")
	for _, r := range []struct {
		what, code, says string
		err              error
	}{
		{"no pattern", "ValidationException", "EventPattern or ScheduleExpression must be specified", rule(eventbridge.PutRuleInput{})},
		{"a schedule", "ValidationException", "ScheduleExpression is not supported", rule(eventbridge.PutRuleInput{ScheduleExpression: aws.String("rate(1 minute)")})},
		{"a bad pattern", "InvalidEventPatternException", "Event pattern is not valid", rule(eventbridge.PutRuleInput{EventPattern: aws.String(`{"a":"b"}`)})},
		{"another bus", "ResourceNotFoundException", "Event bus other does not exist", rule(eventbridge.PutRuleInput{EventPattern: aws.String(`{"source":["a"]}`), EventBusName: aws.String("other")})},
		{"a role that may not be passed", "AccessDeniedException", "no", rule(eventbridge.PutRuleInput{EventPattern: aws.String(`{"source":["a"]}`), RoleArn: aws.String("arn:aws:iam::000000000000:role/no")})},
		{"a queue", "ValidationException", "of no kind that Vodwright delivers to", target(types.Target{Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:q")})},
		{"a queue of dead letters", "ValidationException", "SQS queue, which Vodwright has not", target(types.Target{Arn: aws.String(functionARN), DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:q")}})},
		{"tasks", "ValidationException", "EcsParameters of target t is not supported", target(types.Target{Arn: aws.String(functionARN), EcsParameters: &types.EcsParameters{TaskDefinitionArn: aws.String("arn:aws:ecs:::t")}})},
		{"two inputs", "ValidationException", "Only one of", target(types.Target{Arn: aws.String(functionARN), Input: aws.String("{}"), InputPath: aws.String("$")})},
		{"a bad input", "ValidationException", "JSON syntax error in input for target t", target(types.Target{Arn: aws.String(functionARN), Input: aws.String("{")})},
		{"an API destination that is not there", "ValidationException", "is of no API destination", target(types.Target{Arn: aws.String("arn:aws:events:us-east-1:000000000000:api-destination/x/y")})},
		{"a job template without a destination", "ValidationException", `destination "" is not s3://BUCKET`, target(types.Target{Arn: template, Input: aws.String("{}"), RoleArn: aws.String(role)})},
		{"a job template without a role", "ValidationException", "RoleArn is required", target(types.Target{Arn: template, Input: aws.String(`{"destination":"s3://b"}`)})},
		{"a job template with a role that may not be passed", "AccessDeniedException", "no", target(types.Target{Arn: template, Input: aws.String(`{"destination":"s3://b"}`), RoleArn: aws.String("arn:aws:iam::000000000000:role/no")})},
		{"no rule", "ResourceNotFoundException", "Rule none does not exist on EventBus default", func() error {
			_, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("none"), Targets: []types.Target{{Id: aws.String("t"), Arn: aws.String(functionARN)}}})
			return err
		}()},
		{"too many targets", "LimitExceededException", "5 targets", func() error {
			var list []types.Target
			for i := range 6 {
				list = append(list, types.Target{Id: aws.String(fmt.Sprint(i)), Arn: aws.String(functionARN)})
			}
			_, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: list})
			return err
		}()},
		{"OAuth", "ValidationException", "OAUTH_CLIENT_CREDENTIALS is not supported", func() error {
			_, err := c.CreateConnection(ctx, &eventbridge.CreateConnectionInput{Name: aws.String("c"), AuthorizationType: types.ConnectionAuthorizationTypeOauthClientCredentials, AuthParameters: &types.CreateConnectionAuthRequestParameters{}})
			return err
		}()},
	} {
		if code(r.err) != r.code || !strings.Contains(r.err.Error(), r.says) {
			t.Errorf("%s: %v, want %s: %s", r.what, r.err, r.code, r.says)
		}
	}
	list := must[*eventbridge.ListTargetsByRuleOutput](t)(c.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r")}))
	if len(list.Targets) != 0 {
		t.Errorf("a refusal left %+v", list.Targets)
	}
	if err := target(types.Target{Arn: template, Input: aws.String(`{"destination":"s3://b"}`), RoleArn: aws.String(role)}); err != nil {
		t.Error(err)
	}
	if w.passed[len(w.passed)-1] != role+" to events.amazonaws.com" {
		t.Errorf("passed %v", w.passed)
	}
}

func TestConnectionsAndDestinations(t *testing.T) {
	w := serve(t)
	c, ctx := w.client(), t.Context()
	made := must[*eventbridge.CreateConnectionOutput](t)(c.CreateConnection(ctx, &eventbridge.CreateConnectionInput{
		Name: aws.String("c"), AuthorizationType: types.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &types.CreateConnectionAuthRequestParameters{
			ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("s3cret-1")},
			InvocationHttpParameters: &types.ConnectionHttpParameters{HeaderParameters: []types.ConnectionHeaderParameter{
				{Key: aws.String("a"), Value: aws.String("shown")}, {Key: aws.String("b"), Value: aws.String("s3cret-2"), IsValueSecret: true},
			}},
		},
	}))
	if made.ConnectionState != "AUTHORIZED" || !strings.HasPrefix(*made.ConnectionArn, "arn:aws:events:us-east-1:000000000000:connection/c/") {
		t.Errorf("%+v", made)
	}
	shown := must[*eventbridge.DescribeConnectionOutput](t)(c.DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: aws.String("c")}))
	h := shown.AuthParameters.InvocationHttpParameters.HeaderParameters
	if *shown.AuthParameters.ApiKeyAuthParameters.ApiKeyName != "X-Key" || *h[0].Value != "shown" || h[1].Value != nil || shown.SecretArn == nil {
		t.Errorf("%+v", shown)
	}
	d := must[*eventbridge.CreateApiDestinationOutput](t)(c.CreateApiDestination(ctx, &eventbridge.CreateApiDestinationInput{
		Name: aws.String("d"), ConnectionArn: made.ConnectionArn, HttpMethod: "POST", InvocationEndpoint: aws.String("https://example.com/hook"),
	}))
	must[*eventbridge.UpdateApiDestinationOutput](t)(c.UpdateApiDestination(ctx, &eventbridge.UpdateApiDestinationInput{Name: aws.String("d"), InvocationRateLimitPerSecond: aws.Int32(7)}))
	seen := must[*eventbridge.DescribeApiDestinationOutput](t)(c.DescribeApiDestination(ctx, &eventbridge.DescribeApiDestinationInput{Name: aws.String("d")}))
	if *seen.ApiDestinationArn != *d.ApiDestinationArn || *seen.InvocationRateLimitPerSecond != 7 || seen.ApiDestinationState != "ACTIVE" || *seen.ConnectionArn != *made.ConnectionArn {
		t.Errorf("%+v", seen)
	}
	must[*eventbridge.DeauthorizeConnectionOutput](t)(c.DeauthorizeConnection(ctx, &eventbridge.DeauthorizeConnectionInput{Name: aws.String("c")}))
	if list := must[*eventbridge.ListApiDestinationsOutput](t)(c.ListApiDestinations(ctx, &eventbridge.ListApiDestinationsInput{})).ApiDestinations; len(list) != 1 || list[0].ApiDestinationState != "INACTIVE" {
		t.Errorf("%+v", list)
	}
	must[*eventbridge.UpdateConnectionOutput](t)(c.UpdateConnection(ctx, &eventbridge.UpdateConnectionInput{
		Name: aws.String("c"), AuthorizationType: types.ConnectionAuthorizationTypeBasic,
		AuthParameters: &types.UpdateConnectionAuthRequestParameters{BasicAuthParameters: &types.UpdateConnectionBasicAuthRequestParameters{Username: aws.String("u"), Password: aws.String("p")}},
	}))
	if list := must[*eventbridge.ListConnectionsOutput](t)(c.ListConnections(ctx, &eventbridge.ListConnectionsInput{ConnectionState: "AUTHORIZED"})).Connections; len(list) != 1 || list[0].AuthorizationType != "BASIC" {
		t.Errorf("%+v", list)
	}
	if _, err := c.CreateConnection(ctx, &eventbridge.CreateConnectionInput{Name: aws.String("c"), AuthorizationType: "BASIC", AuthParameters: &types.CreateConnectionAuthRequestParameters{
		BasicAuthParameters: &types.CreateConnectionBasicAuthRequestParameters{Username: aws.String("u"), Password: aws.String("p")},
	}}); code(err) != "ResourceAlreadyExistsException" {
		t.Errorf("a second of the name: %v", err)
	}
	for _, bad := range []string{"ftp://example.com/", "https://user:pass@example.com/", "nothing"} {
		if _, err := c.CreateApiDestination(ctx, &eventbridge.CreateApiDestinationInput{Name: aws.String("e"), ConnectionArn: made.ConnectionArn, HttpMethod: "POST", InvocationEndpoint: &bad}); code(err) != "ValidationException" {
			t.Errorf("%s: %v", bad, err)
		}
	}
	must[*eventbridge.DeleteApiDestinationOutput](t)(c.DeleteApiDestination(ctx, &eventbridge.DeleteApiDestinationInput{Name: aws.String("d")}))
	must[*eventbridge.DeleteConnectionOutput](t)(c.DeleteConnection(ctx, &eventbridge.DeleteConnectionInput{Name: aws.String("c")}))
	if _, err := c.DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: aws.String("c")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("a connection that is gone: %v", err)
	}
}

func TestPatternsAndBuses(t *testing.T) {
	w := serve(t)
	c, ctx := w.client(), t.Context()
	doc := `{"id":"i","account":"a","source":"s","time":"2026-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"t","detail":{"x":"abc"}}`
	for pattern, want := range map[string]bool{`{"detail":{"x":[{"prefix":"ab"}]}}`: true, `{"detail":{"x":[{"suffix":"ab"}]}}`: false} {
		if got := must[*eventbridge.TestEventPatternOutput](t)(c.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{Event: &doc, EventPattern: &pattern})); got.Result != want {
			t.Errorf("%s: %v", pattern, got.Result)
		}
	}
	if _, err := c.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{Event: aws.String("{}"), EventPattern: aws.String(`{"a":["b"]}`)}); code(err) != "ValidationException" {
		t.Errorf("an event without its members: %v", err)
	}
	if list := must[*eventbridge.ListEventBusesOutput](t)(c.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{})).EventBuses; len(list) != 1 || *list[0].Name != "default" {
		t.Errorf("%+v", list)
	}
	must[*eventbridge.DescribeEventBusOutput](t)(c.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{}))
}
