package lambda_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
)

const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:"

// letter is a record as it comes to a bucket.
type letter struct {
	Version, Timestamp string
	RequestContext     struct {
		RequestID, FunctionARN, Condition string
		ApproximateInvokeCount            int
	}
	RequestPayload  any
	ResponseContext *struct {
		StatusCode                     int
		ExecutedVersion, FunctionError string
	}
	ResponsePayload any
}

// await waits for an object below a prefix, and reads it.
func (w *world) await(t *testing.T, prefix string) letter {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case name := <-w.put:
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			var l letter
			if err := json.Unmarshal(w.objects[name], &l); err != nil {
				t.Fatalf("%s: %v", w.objects[name], err)
			}
			return l
		case <-deadline:
			t.Fatalf("nothing came to %s", prefix)
		}
	}
}

func (w *world) configure(t *testing.T, name string, in *awslambda.PutFunctionEventInvokeConfigInput) {
	t.Helper()
	in.FunctionName = &name
	if _, err := client(w).PutFunctionEventInvokeConfig(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (w *world) send(t *testing.T, name, payload string) {
	t.Helper()
	if _, err := client(w).Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

func to(failure, success string) *types.DestinationConfig {
	c := &types.DestinationConfig{}
	if failure != "" {
		c.OnFailure = &types.OnFailure{Destination: &failure}
	}
	if success != "" {
		c.OnSuccess = &types.OnSuccess{Destination: &success}
	}
	return c
}

func TestAFailingEventIsRetriedAndThenADeadLetter(t *testing.T) {
	w := serve(t)
	create(t, w, "bad", "def handler(e, c): raise ValueError('no')\n")
	w.configure(t, "bad", &awslambda.PutFunctionEventInvokeConfigInput{DestinationConfig: to("arn:aws:s3:::dead", "")})
	w.send(t, "bad", `{"a":1}`)
	l := w.await(t, "dead/aws/lambda/async/bad/"+time.Now().UTC().Format("2006/"))
	if c := l.RequestContext; l.Version != "1.0" || c.Condition != "RetriesExhausted" || c.ApproximateInvokeCount != 3 || c.FunctionARN != functionARN+"bad:$LATEST" || c.RequestID == "" {
		t.Errorf("got %+v", l)
	}
	if r := l.ResponseContext; r == nil || r.StatusCode != 200 || r.ExecutedVersion != "$LATEST" || r.FunctionError != "Unhandled" {
		t.Errorf("got %+v", r)
	}
	if got, _ := json.Marshal([]any{l.RequestPayload, l.ResponsePayload}); !strings.HasPrefix(string(got), `[{"a":1},{"errorMessage":"no","errorType":"ValueError"`) {
		t.Errorf("got %s", got)
	}

	// Without retries, at once; and by the function's own DeadLetterConfig.
	w.configure(t, "bad", &awslambda.PutFunctionEventInvokeConfigInput{MaximumRetryAttempts: aws.Int32(0)})
	if _, err := client(w).UpdateFunctionConfiguration(t.Context(), &awslambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("bad"), DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:s3:::letters")}}); err != nil {
		t.Fatal(err)
	}
	w.send(t, "bad", `{}`)
	if l := w.await(t, "letters/"); l.RequestContext.ApproximateInvokeCount != 1 {
		t.Errorf("got %+v", l)
	}
}

func TestOutcomesReachFunctionsAndBuckets(t *testing.T) {
	w := serve(t)
	create(t, w, "good", "def handler(e, c): return {'done': e}\n")
	create(t, w, "next", "def handler(e, c): return e['responsePayload']['done']['a']\n")
	w.configure(t, "good", &awslambda.PutFunctionEventInvokeConfigInput{DestinationConfig: to("", functionARN+"next")})
	w.configure(t, "next", &awslambda.PutFunctionEventInvokeConfigInput{DestinationConfig: to("arn:aws:s3:::dead", "arn:aws:s3:::done")})
	w.send(t, "good", `{"a":"it"}`)
	if l := w.await(t, "done/"); l.RequestContext.Condition != "Success" || l.ResponsePayload != "it" || l.RequestContext.ApproximateInvokeCount != 1 {
		t.Errorf("got %+v", l)
	}
}

func TestReservedConcurrencyHoldsEventsBack(t *testing.T) {
	w := serve(t)
	create(t, w, "slow", "import time\ndef handler(e, c):\n    time.sleep(0.3)\n    return e\n")
	w.configure(t, "slow", &awslambda.PutFunctionEventInvokeConfigInput{DestinationConfig: to("arn:aws:s3:::dead", "arn:aws:s3:::done")})
	reserve := func(n int32) {
		t.Helper()
		if _, err := client(w).PutFunctionConcurrency(t.Context(), &awslambda.PutFunctionConcurrencyInput{FunctionName: aws.String("slow"), ReservedConcurrentExecutions: &n}); err != nil {
			t.Fatal(err)
		}
	}
	reserve(1)
	for range 3 {
		w.send(t, "slow", `{}`)
	}
	for range 3 {
		if l := w.await(t, "done/"); l.RequestContext.Condition != "Success" {
			t.Errorf("got %+v", l)
		}
	}
	reserve(0)
	w.send(t, "slow", `{}`)
	if l := w.await(t, "dead/"); l.RequestContext.Condition != "ZeroReservedConcurrency" || l.ResponseContext != nil {
		t.Errorf("got %+v", l)
	}
}

func TestServicesNeedAPermission(t *testing.T) {
	w := serve(t)
	create(t, w, "f", "def handler(e, c): return e\n")
	invoke := func(service, source string) error {
		return w.fns.InvokeAsync(t.Context(), functionARN+"f", []byte(`{}`), source, "000000000000", service, "")
	}
	if err := invoke("s3.amazonaws.com", "arn:aws:s3:::b"); !fault.Is(err, fault.Denied) {
		t.Errorf("without a permission: %v", err)
	}
	_, err := client(w).AddPermission(t.Context(), &awslambda.AddPermissionInput{
		FunctionName: aws.String("f"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"), SourceArn: aws.String("arn:aws:s3:::b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := invoke("s3.amazonaws.com", "arn:aws:s3:::b"); err != nil {
		t.Errorf("with it: %v", err)
	}
	if err := invoke("s3.amazonaws.com", "arn:aws:s3:::other"); !fault.Is(err, fault.Denied) {
		t.Errorf("for another bucket: %v", err)
	}
	if err := invoke("events.amazonaws.com", "arn:aws:s3:::b"); !fault.Is(err, fault.Denied) {
		t.Errorf("for another service: %v", err)
	}
	if err := w.fns.InvokeAsync(t.Context(), functionARN+"none", []byte(`{}`), "", "", "s3.amazonaws.com", ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such function: %v", err)
	}
}

func TestAFunctionThatCallsItselfIsStopped(t *testing.T) {
	w := serve(t)
	create(t, w, "loop", `
import boto3, json, os
client = boto3.client("lambda")
def handler(event, context):
    client.invoke(FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps({"round": event["round"] + 1}))
`)
	w.configure(t, "loop", &awslambda.PutFunctionEventInvokeConfigInput{DestinationConfig: to("arn:aws:s3:::dead", "")})
	w.send(t, "loop", `{"round":1}`)
	l := w.await(t, "dead/")
	if p, _ := l.RequestPayload.(map[string]any); l.RequestContext.Condition != "RecursiveLoopDetected" || p["round"] != 17.0 {
		t.Errorf("got %+v", l)
	}
	events, err := w.records.LogEvents(t.Context(), logs.EventQuery{Group: "/aws/lambda/loop", Limit: 1000})
	if err != nil || !slices.ContainsFunc(events, func(e logs.Record) bool { return strings.Contains(e.Message, "calls itself in a loop") }) {
		t.Errorf("the function's log does not tell: %v, %v", events, err)
	}
}
