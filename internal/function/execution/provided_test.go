package execution

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// TestMain lets the test's own binary be the bootstrap of a function, a real
// aws-lambda-go handler.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("_HANDLER") == "stream" {
		lambda.Start(func(context.Context) (io.Reader, error) { return strings.NewReader(`{"streamed":true}`), nil })
	}
	lambda.Start(func(ctx context.Context, e events.S3Event) (map[string]string, error) {
		lc, _ := lambdacontext.FromContext(ctx)
		_, timed := ctx.Deadline()
		switch e.Records[0].S3.Object.Key {
		case "fail":
			return nil, errors.New("it failed")
		case "panic":
			panic("at once")
		}
		return map[string]string{
			"key": e.Records[0].S3.Object.URLDecodedKey, "id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "name": lambdacontext.FunctionName,
			"timed": map[bool]string{true: "yes"}[timed], "client": lc.ClientContext.Custom["x"],
		}, nil
	})
}

func (w *world) provided(handler string) *Spec {
	w.t.Helper()
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.function("provided.al2023", handler, map[string]string{"bootstrap": string(binary)})
}

func s3Event(key string) string {
	return `{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"` + key + `"}}}]}`
}

func TestGoHandler(t *testing.T) {
	w := start(t, nil)
	s := w.provided("ignored")
	r, err := w.host.Invoke(t.Context(), s, Invocation{
		RequestID: "8f5f1c3e-0000-4000-8000-000000000001", Payload: []byte(s3Event("a+b")), FunctionARN: "arn:x", ClientContext: `{"custom":{"x":"y"}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"arn":"arn:x","client":"y","id":"8f5f1c3e-0000-4000-8000-000000000001","key":"a b","name":"fn","timed":"yes"}`
	if string(r.Payload) != want || r.FunctionError != "" {
		t.Errorf("got %s, want %s", r.Payload, want)
	}
	if p := problemOf(t, w.invoke(s, s3Event("fail"))); p.ErrorType != "errorString" || p.ErrorMessage != "it failed" {
		t.Errorf("got %+v", p)
	}
	if p := problemOf(t, w.invoke(s, s3Event("panic"))); p.ErrorMessage != "at once" {
		t.Errorf("got %+v", p)
	}
	if r := w.invoke(s, s3Event("again")); r.FunctionError != "" {
		t.Errorf("after a panic: %s", r.Payload)
	}
	if r := w.invoke(w.provided("stream"), `{}`); string(r.Payload) != `{"streamed":true}` {
		t.Errorf("a streamed answer came as %q", r.Payload)
	}
}

func TestAShellScriptIsABootstrap(t *testing.T) {
	w := start(t, nil)
	s := w.function("provided.al2", "x", map[string]string{"bootstrap": `#!/usr/bin/env bash
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
  event=$(curl -sSf -D /tmp/head "$api/invocation/next")
  id=$(grep -i Lambda-Runtime-Aws-Request-Id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  echo "got $event" >&2
  curl -sSf -o /dev/null -X POST "$api/invocation/$id/response" -d "not json: $event"
done
`})
	if r := w.invoke(s, `{"a":1}`); string(r.Payload) != `not json: {"a":1}` {
		t.Errorf("got %s\n%s", r.Payload, w.log.text())
	}
	contains(t, w.log.text(), `got {"a":1}`)
}

func TestAMissingBootstrapIsSaid(t *testing.T) {
	w := start(t, nil)
	p := problemOf(t, w.invoke(w.function("provided.al2023", "x", map[string]string{"readme": ""}), `{}`))
	if p.ErrorType != "Runtime.InvalidEntrypoint" || !strings.Contains(p.ErrorMessage, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]") {
		t.Errorf("got %+v", p)
	}
}

// A bootstrap as the developer guide's page on custom runtimes has it: a script
// for Lambda's sh, which is bash.
func TestShellBootstrap(t *testing.T) {
	w := start(t, nil)
	s := w.function("provided.al2023", "lib.handle", map[string]string{
		"bootstrap": `#!/bin/sh
set -euo pipefail
source "$LAMBDA_TASK_ROOT/${_HANDLER%.*}.sh"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
	headers=$(mktemp)
	event=$(curl -sS -D "$headers" "$api/next")
	id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
	curl -sS -o /dev/null "$api/$id/response" -d "$("${_HANDLER#*.}" "$event")"
done
`, "lib.sh": `function handle { echo "{\"got\":$1}"; }`,
	})
	for _, event := range []string{`{"n":1}`, `{"n":2}`} {
		if r := w.invoke(s, event); string(r.Payload) != `{"got":`+event+`}` || r.FunctionError != "" {
			t.Errorf("got %s %s\n%s", r.Payload, r.FunctionError, r.LogTail)
		}
	}
}
