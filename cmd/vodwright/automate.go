package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

type automateCmd struct {
	dataFlag
	Source      string `help:"Bucket that videos are put in." placeholder:"BUCKET" xor:"what"`
	Template    string `help:"Job template to encode with." placeholder:"NAME"`
	Destination string `help:"Bucket, or bucket/prefix, for the streams." placeholder:"BUCKET"`
	Prefix      string `help:"Only keys that begin so." placeholder:"PREFIX"`
	Name        string `help:"Name of the automation; made from the source when it is not given." placeholder:"NAME"`
	Role        string `help:"Role of the jobs; one is made when it is not given." placeholder:"ARN"`
	List        bool   `help:"List the automations." xor:"what"`
	Remove      string `help:"Remove the automation of that name; jobs and streams stay." placeholder:"NAME" xor:"what"`
}

func (automateCmd) Help() string {
	return `Sets up, on a running server, that every video put in bucket --source becomes a job of
--template, once for each version of an object. Outputs go to
s3://DESTINATION/assets/ID/HLS/NAME.m3u8, where ID names the version of the object (and is
the job's UserMetadata assetID) and NAME is the object's name without extension. Anything
that is not a video is left alone. What happened to every object, and
which jobs failed, is in a log:

  aws logs tail /vodwright/events/NAME

--list counts jobs and shows the last failure. An automation that is there is replaced only
when --name names it.

It is made of what the public APIs have: an EventBridge rule of that name, whose target is
the job template's ARN, and EventBridge switched on for the bucket.

Examples:
  vodwright automate --source uploads --template vod-hls --destination streams
  vodwright automate --source uploads --prefix talks/ --template talks --destination streams/talks --name talks
  vodwright automate --list --json
  vodwright automate --remove talks`
}

// automated is what automate prints of one automation.
type automated struct {
	Name        string `json:"name"`
	Source      string `json:"source"`
	Prefix      string `json:"prefix,omitempty"`
	Template    string `json:"template"`
	Destination string `json:"destination"`
	RoleARN     string `json:"roleArn"`
	State       string `json:"state"`
	LogGroup    string `json:"logGroup"`
	// Jobs is of --list; nil to a caller who may not list jobs.
	Jobs *automatedJobs `json:"jobs,omitempty"`
	// Replaced is what an automation of that name did before, where it was another.
	Replaced *automated `json:"replaced,omitempty"`
}

func (a automated) String() string {
	text := fmt.Sprintf("%s\n  %s  (%s)\n", a.Name, a.does(), strings.ToLower(a.State))
	if a.Replaced != nil {
		text += "  replaced " + a.Replaced.does() + "\n"
	}
	return text + a.Jobs.text(a.LogGroup) + "  log  aws logs tail " + a.LogGroup + "\n"
}

// does says what it does.
func (a automated) does() string {
	return fmt.Sprintf("s3://%s/%s* → job template %s → s3://%s/", a.Source, a.Prefix, a.Template, a.Destination)
}

// same reports whether two do the same, with the same role.
func (a automated) same(b automated) bool {
	return a.Source == b.Source && a.Prefix == b.Prefix && a.Template == b.Template && a.Destination == b.Destination && a.RoleARN == b.RoleARN
}

// Run sets up, lists or removes.
func (c *automateCmd) Run(p *program) error {
	if !c.List && c.Remove == "" && (c.Source == "" || c.Template == "" || c.Destination == "") {
		return fault.New(fault.Invalid, "", "automate needs --source, --template and --destination").
			WithHint("vodwright automate --help shows examples; --list and --remove NAME are there too")
	}
	cl, err := connect(p, c.Data)
	if err != nil {
		return err
	}
	a := automator{cl}
	switch {
	case c.List:
		list, err := a.list(p.ctx)
		if err == nil && len(list) > 0 {
			err = a.countJobs(p.ctx, list)
		}
		if err != nil {
			return err
		}
		text := "no automations\n"
		if len(list) > 0 {
			text = ""
		}
		for _, one := range list {
			text += one.String()
		}
		return p.print(list, text)
	case c.Remove != "":
		kept, err := a.remove(p.ctx, c.Remove)
		if err != nil {
			return err
		}
		text := "removed " + c.Remove + "\n"
		if kept != "" {
			text += "role " + kept + " stays: jobs run with it\n"
		}
		return p.print(map[string]string{"removed": c.Remove, "keptRole": kept}, text)
	}
	made, err := a.make(p.ctx, c.order())
	if err != nil {
		return err
	}
	return p.print(made, made.String())
}

// automationOrder is what an automation is to do.
type automationOrder struct {
	name, source, prefix, template, destination, role string
	named                                             bool // by the caller, who may mean to replace what has the name
}

func (c *automateCmd) order() automationOrder {
	return automationOrder{
		name: cmp.Or(c.Name, automationName(c.Source, c.Prefix)), source: c.Source, prefix: c.Prefix, template: c.Template,
		destination: strings.Trim(strings.TrimPrefix(c.Destination, "s3://"), "/"), role: c.Role,
		named: c.Name != "",
	}
}

// automationName makes a rule's name of 64 of [.-_A-Za-z0-9] at most, with what
// stands before it in the role's name.
func automationName(source, prefix string) string {
	name := "automate-" + source
	if prefix != "" {
		name += "-" + slug(strings.ReplaceAll(strings.Trim(prefix, "/"), "/", "-"))
	}
	return strings.TrimRight(name[:min(len(name), maxAutomationName)], "-.")
}

const (
	automationRolePrefix = "vodwright-"
	maxAutomationName    = 64 - len(automationRolePrefix)
	automationTarget     = "job"
)

// automator makes automations through the public APIs of a server.
type automator struct{ client *client }

// make sets an automation up, or brings one of that name to what is ordered.
func (a automator) make(ctx context.Context, o automationOrder) (automated, error) {
	if len(o.name) > maxAutomationName {
		return automated{}, fault.New(fault.Invalid, "", "the name %q is longer than %d characters", o.name, maxAutomationName)
	}
	bucket, _, _ := strings.Cut(o.destination, "/")
	for _, b := range []string{o.source, bucket} {
		if _, err := a.client.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b}); err != nil {
			var api smithy.APIError
			if errors.As(err, &api) && (api.ErrorCode() == "NotFound" || api.ErrorCode() == "NoSuchBucket") {
				return automated{}, fault.New(fault.NotFound, "NoSuchBucket", "there is no bucket %q", b).WithHint("aws s3 mb s3://%s makes it", b)
			}
			if errors.As(err, &api) && api.ErrorCode() == "BadRequest" { // the answer to HEAD has no words
				return automated{}, fault.New(fault.Invalid, "InvalidBucketName", "%q is no name of a bucket", b).WithHint("aws s3 ls shows what is there")
			}
			return automated{}, fmt.Errorf("look for bucket %q: %w", b, a.client.s3Fault(err))
		}
	}
	if err := a.client.jobsCall(ctx, "GET", "/jobTemplates/"+url.PathEscape(o.template), nil, nil); fault.Is(err, fault.NotFound) {
		return automated{}, fault.New(fault.NotFound, "", "there is no job template %q", o.template).
			WithHint("aws mediaconvert list-job-templates shows what is there")
	} else if err != nil {
		return automated{}, fmt.Errorf("read job template %q: %w", o.template, err)
	}
	made := automated{
		Name: o.name, Source: o.source, Prefix: o.prefix, Template: o.template, Destination: o.destination,
		RoleARN: cmp.Or(o.role, roleARN(o.name)), State: "ENABLED", LogGroup: "/vodwright/events/" + o.name,
	}
	before, err := a.existing(ctx, o.name)
	if err != nil {
		return automated{}, err
	}
	if before != nil && !before.same(made) {
		if !o.named {
			return automated{}, fault.New(fault.Conflict, "", "there is an automation %q that does something else: %s, role %s", o.name, before.does(), before.RoleARN).
				WithHint("--name %s replaces it, --name with another name makes a second one beside it", o.name)
		}
		made.Replaced = before
	}
	if err := a.roleExists(ctx, o.role); err != nil {
		return automated{}, err
	}
	role, err := a.ensureRole(ctx, o, bucket)
	if err != nil {
		return automated{}, err
	}
	if err := a.switchOn(ctx, o.source); err != nil {
		return automated{}, err
	}
	pattern, err := json.Marshal(automationPattern(o, bucket))
	if err != nil {
		return automated{}, err
	}
	err = a.client.eventsCall(ctx, "PutRule", map[string]any{
		"Name": o.name, "EventPattern": string(pattern), "State": "ENABLED",
		"Description": fmt.Sprintf("videos of s3://%s/%s become jobs of template %s", o.source, o.prefix, o.template),
	}, nil)
	if err != nil {
		return automated{}, fmt.Errorf("make rule %q: %w", o.name, err)
	}
	input := event.JobInput{Destination: "s3://" + o.destination, Role: o.role}
	doc, err := json.Marshal(input)
	if err != nil {
		return automated{}, err
	}
	err = a.client.eventsCall(ctx, "PutTargets", map[string]any{"Rule": o.name, "Targets": []any{map[string]any{
		"Id": automationTarget, "Arn": templateARN(o.template), "RoleArn": role, "Input": string(doc),
	}}}, nil)
	if err != nil {
		return automated{}, fmt.Errorf("make target of rule %q: %w", o.name, err)
	}
	return made, nil
}

func templateARN(name string) string {
	return "arn:aws:mediaconvert:" + region + ":" + iam.AccountID + ":jobTemplates/" + name
}

// objectPattern is the event pattern of an automation.
type objectPattern struct {
	Source     []string `json:"source"`
	DetailType []string `json:"detail-type"`
	Detail     struct {
		Bucket struct {
			Name []string `json:"name"`
		} `json:"bucket"`
		Object *keyPattern `json:"object,omitempty"`
	} `json:"detail"`
}

type keyPattern struct {
	Key []any `json:"key"`
}

func automationPattern(o automationOrder, destination string) objectPattern {
	p := objectPattern{Source: []string{event.SourceS3}, DetailType: []string{event.ObjectCreated}}
	p.Detail.Bucket.Name = []string{o.source}
	_, below, _ := strings.Cut(o.destination, "/")
	switch {
	case o.prefix != "":
		p.Detail.Object = &keyPattern{[]any{map[string]string{"prefix": o.prefix}}}
	case destination == o.source: // outputs would be ignored one by one
		p.Detail.Object = &keyPattern{[]any{map[string]any{"anything-but": map[string]string{"prefix": path.Join(below, "assets") + "/"}}}}
	}
	return p
}

// existing returns the automation of that name, or nil; it refuses a name that a
// rule of somebody else has.
func (a automator) existing(ctx context.Context, name string) (*automated, error) {
	targets, err := a.targets(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if event.KindOf(t.ARN) != event.JobTemplate {
			return nil, fault.New(fault.Conflict, "", "there is a rule %q that is no automation", name).WithHint("choose another name with --name")
		}
	}
	if len(targets) == 0 { // half made, or half removed
		return nil, nil
	}
	var rule struct{ EventPattern, State string }
	if err := a.client.eventsCall(ctx, "DescribeRule", map[string]any{"Name": name}, &rule); err != nil {
		if fault.Is(notFound(err), fault.NotFound) { // it went meanwhile
			return nil, nil
		}
		return nil, fmt.Errorf("read rule %q: %w", name, err)
	}
	before := describeAutomation(name, rule.EventPattern, rule.State, targets[0])
	return &before, nil
}

type eventTarget struct {
	ID      string `json:"Id"`
	ARN     string `json:"Arn"`
	RoleARN string `json:"RoleArn"`
	Input   string
}

func (a automator) targets(ctx context.Context, rule string) ([]eventTarget, error) {
	var answer struct{ Targets []eventTarget }
	err := a.client.eventsCall(ctx, "ListTargetsByRule", map[string]any{"Rule": rule}, &answer)
	return answer.Targets, notFound(err)
}

// notFound gives the event API's error of what is not there its kind: all of its errors are of status 400.
func notFound(err error) error {
	if f := fault.Of(err); f != nil && f.Code == "ResourceNotFoundException" {
		return fault.New(fault.NotFound, f.Code, "%w", err)
	}
	return err
}

// switchOn has the bucket tell EventBridge, and keeps what else it is told to do.
func (a automator) switchOn(ctx context.Context, bucket string) error {
	have, err := a.client.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
	if err != nil {
		return fmt.Errorf("read notifications of bucket %q: %w", bucket, a.client.s3Fault(err))
	}
	if have.EventBridgeConfiguration != nil {
		return nil
	}
	_, err = a.client.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, SkipDestinationValidation: aws.Bool(true), NotificationConfiguration: &types.NotificationConfiguration{
			EventBridgeConfiguration: &types.EventBridgeConfiguration{}, LambdaFunctionConfigurations: have.LambdaFunctionConfigurations,
			QueueConfigurations: have.QueueConfigurations, TopicConfigurations: have.TopicConfigurations,
		},
	})
	if err != nil {
		return fmt.Errorf("switch EventBridge on for bucket %q: %w", bucket, a.client.s3Fault(err))
	}
	return nil
}

// list returns the automations by name.
func (a automator) list(ctx context.Context) ([]automated, error) {
	out := []automated{}
	for token := ""; ; {
		in := map[string]any{}
		if token != "" {
			in["NextToken"] = token
		}
		var answer struct {
			Rules     []struct{ Name, EventPattern, State string }
			NextToken string
		}
		if err := a.client.eventsCall(ctx, "ListRules", in, &answer); err != nil {
			return nil, fmt.Errorf("list rules: %w", err)
		}
		for _, r := range answer.Rules {
			targets, err := a.targets(ctx, r.Name)
			if fault.Is(err, fault.NotFound) {
				continue // it went meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("list targets of rule %q: %w", r.Name, err)
			}
			for _, t := range targets {
				if event.KindOf(t.ARN) == event.JobTemplate {
					out = append(out, describeAutomation(r.Name, r.EventPattern, r.State, t))
				}
			}
		}
		if token = answer.NextToken; token == "" {
			return out, nil
		}
	}
}

func describeAutomation(rule, pattern, state string, t eventTarget) automated {
	one := automated{Name: rule, State: state, RoleARN: t.RoleARN, LogGroup: "/vodwright/events/" + rule}
	_, one.Template, _ = strings.Cut(t.ARN, ":jobTemplates/")
	if in, err := event.ParseJobInput([]byte(t.Input)); err == nil {
		one.Destination = strings.TrimPrefix(in.Destination, "s3://")
		one.RoleARN = cmp.Or(in.Role, t.RoleARN)
	}
	var p objectPattern
	if json.Unmarshal([]byte(pattern), &p) == nil {
		one.Source = strings.Join(p.Detail.Bucket.Name, ",")
		if p.Detail.Object != nil && len(p.Detail.Object.Key) == 1 {
			if m, ok := p.Detail.Object.Key[0].(map[string]any); ok {
				one.Prefix, _ = m["prefix"].(string)
			}
		}
	}
	return one
}

// remove takes an automation away, with the role that was made for it unless jobs
// that are not over have it: it returns the role's name then.
func (a automator) remove(ctx context.Context, name string) (keptRole string, err error) {
	targets, err := a.targets(ctx, name)
	if fault.Is(err, fault.NotFound) || err == nil && !slices.ContainsFunc(targets, func(t eventTarget) bool { return event.KindOf(t.ARN) == event.JobTemplate }) {
		return "", fault.New(fault.NotFound, "", "there is no automation %q", name).WithHint("vodwright automate --list shows what is there")
	}
	if err != nil {
		return "", err
	}
	var ids []string
	for _, t := range targets {
		ids = append(ids, t.ID)
	}
	if err := a.client.eventsCall(ctx, "RemoveTargets", map[string]any{"Rule": name, "Ids": ids}, nil); err != nil {
		return "", fmt.Errorf("remove targets of rule %q: %w", name, err)
	}
	if err := a.client.eventsCall(ctx, "DeleteRule", map[string]any{"Name": name}, nil); err != nil {
		return "", fmt.Errorf("delete rule %q: %w", name, err)
	}
	role := automationRolePrefix + name
	if used, err := a.inUse(ctx, roleARN(name)); err != nil || used {
		return role, err
	}
	for _, step := range []struct {
		operation string
		fields    url.Values
	}{{"DeleteRolePolicy", url.Values{"RoleName": {role}, "PolicyName": {"automation"}}}, {"DeleteRole", url.Values{"RoleName": {role}}}} {
		if err := a.client.iamCall(ctx, step.operation, step.fields); err != nil && !fault.Is(err, fault.NotFound) {
			return "", fmt.Errorf("delete role %q: %w", role, err)
		}
	}
	return "", nil
}
