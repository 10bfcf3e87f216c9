package lambda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

func TestOperationsAskForTheRightsThatTheyNeed(t *testing.T) {
	w := serve(t)
	c, ctx := client(w), t.Context()
	create(t, w, "f", "def handler(e, c): return 1\n")
	name := aws.String("f")
	for _, call := range []func() error{
		func() error {
			_, err := c.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: name})
			return err
		},
		func() error {
			_, err := c.Invoke(ctx, &awslambda.InvokeInput{FunctionName: aws.String(functionARN + "f:$LATEST")})
			return err
		},
		func() error { _, err := c.ListFunctions(ctx, &awslambda.ListFunctionsInput{}); return err },
		func() error {
			_, err := c.TagResource(ctx, &awslambda.TagResourceInput{Resource: aws.String(functionARN + "f"), Tags: map[string]string{"a": "b"}})
			return err
		},
		func() error {
			_, err := c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: name})
			return err
		},
		func() error {
			_, err := c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: name})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{
		"lambda:CreateFunction " + functionARN + "f", "lambda:GetFunction " + functionARN + "f", "lambda:InvokeFunction " + functionARN + "f:$LATEST",
		"lambda:ListFunctions *", "lambda:TagResource " + functionARN + "f", "lambda:UpdateFunctionConfiguration " + functionARN + "f", "lambda:PublishVersion " + functionARN + "f",
	} {
		if !slices.Contains(w.asked, want) {
			t.Errorf("not asked: %s, but %v", want, w.asked)
		}
	}
}

func TestWithoutTheRightNothingHappens(t *testing.T) {
	w := serve(t)
	c, ctx := client(w), t.Context()
	_, err := c.CreateFunction(ctx, &awslambda.CreateFunctionInput{
		FunctionName: aws.String("denied"), Role: aws.String(role), Runtime: types.RuntimePython312, Handler: aws.String("app.handler"),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"app.py": ""})},
	})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "AccessDeniedException" || !strings.Contains(refused.ErrorMessage(), "lambda:CreateFunction") {
		t.Errorf("got %v", err)
	}
	if all, err := w.fns.List(ctx); err != nil || len(all) > 0 {
		t.Errorf("made: %v, %v", all, err)
	}
}

// The policy of a function allows what the caller's own do not.
func TestAFunctionsPolicyAllows(t *testing.T) {
	w := serve(t)
	c, ctx := client(w), t.Context()
	create(t, w, "open", "def handler(e, c): return 1\n")
	if _, err := c.AddPermission(ctx, &awslambda.AddPermissionInput{FunctionName: aws.String("open"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("000000000000")}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.asked = nil
	w.mu.Unlock()
	if _, err := c.Invoke(ctx, &awslambda.InvokeInput{FunctionName: aws.String("open")}); err != nil {
		t.Error(err)
	}
	if len(w.asked) > 0 {
		t.Errorf("the caller's policies alone were asked: %v", w.asked)
	}
}
