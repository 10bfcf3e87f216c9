// Package api serves the APIs of IAM and STS over the records of package iam:
// users and their keys, roles, inline and managed policies, boundaries, tags;
// sessions. What the house does not have (groups, instance profiles, passwords,
// MFA devices, providers) is listed as empty where tools ask before they act, and
// refused by name elsewhere.
//
// Wire shapes of the query protocol flow in, records out. It touches its
// Authority and the network through package apiserver.
package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/awsapi/sts"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

// Config is what the APIs are made of. Logger may be nil.
type Config struct {
	Authority *iam.Authority
	Logger    *slog.Logger
}

type server struct{ *iam.Authority }

// NewIAM returns the handler of the IAM API.
func NewIAM(cfg Config) http.Handler {
	s := &server{cfg.Authority}
	handlers := map[string]apiserver.Handler{}
	for _, group := range []map[string]apiserver.Handler{s.users(), s.roles(), s.policies(), s.lacking(), s.simulations()} {
		for name, h := range group {
			handlers[name] = h
		}
	}
	return apiserver.NewServer(apiserver.Config{
		API: wire.API(), Handlers: handlers, Authenticate: s.Authenticate, Access: s.access, Authorize: s.Authorize,
		Describe: describe, Code: code, Schema: &awsapi.Schema{}, Logger: cfg.Logger,
	})
}

// NewSTS returns the handler of the STS API. Its operations decide themselves.
func NewSTS(cfg Config) http.Handler {
	s := &server{cfg.Authority}
	return apiserver.NewServer(apiserver.Config{
		API: sts.API(), Handlers: s.sessions(), Authenticate: s.Authenticate,
		Access:    func(string, *apiserver.Call, any) []apiserver.Access { return nil },
		Authorize: s.Authorize, Describe: describe, Code: code, Schema: &awsapi.Schema{}, Logger: cfg.Logger,
	})
}

// code names an error as IAM and STS do.
func code(f *fault.Error) (string, int) {
	name := f.Code
	status := f.Kind.HTTPStatus()
	switch {
	case name == sigv4.CodeIncomplete:
		status = http.StatusBadRequest
	case name != "":
	case f.Kind == fault.Invalid:
		name = "ValidationError"
	case f.Kind == fault.NotFound:
		name = "NoSuchEntity"
	case f.Kind == fault.Conflict:
		name = "ConcurrentModification"
	case f.Kind == fault.Denied:
		name = iam.CodeAccessDenied
	default:
		name = "ServiceFailure"
	}
	return name, status
}

// describe words violations as the services do.
func describe(violations []awsapi.Violation) *fault.Error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		lines[i] = v.String()
	}
	noun := "errors"
	if len(lines) == 1 {
		noun = "error"
	}
	return fault.New(fault.Invalid, "ValidationError", "%d validation %s detected: %s", len(lines), noun, strings.Join(lines, "; "))
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

func noSuchEntity(format string, args ...any) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchEntity", format, args...)
}

// encoded is a document as IAM answers it: percent-encoded, a space as %20.
func encoded(doc string) *string {
	text := strings.ReplaceAll(url.QueryEscape(doc), "+", "%20")
	return &text
}

// text is a member that may be absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// optional is the reverse: "" is absent.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func pathOf(s *string) string {
	if s == nil {
		return "/"
	}
	return *s
}

// defaultPage is how many items a list has when nobody asks for a number.
const defaultPage = 100

// page cuts a list that is sorted by name: what follows marker, which holds the
// name of the last item seen, at most as many as asked for. next is the marker
// of the next page, nil at the end.
func page[T any](items []T, name func(T) string, marker *string, limit *int32) (part []T, truncated *bool, next *string, err error) {
	if marker != nil {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, nil, invalid("Invalid Marker.")
		}
		first := slices.IndexFunc(items, func(i T) bool { return name(i) > string(after) })
		if first < 0 {
			first = len(items)
		}
		items = items[first:]
	}
	n := defaultPage
	if limit != nil {
		n = int(*limit)
	}
	more := len(items) > n
	if more {
		items = items[:n]
		m := base64.RawURLEncoding.EncodeToString([]byte(name(items[n-1])))
		next = &m
	}
	return append([]T{}, items...), &more, next, nil
}

// tagsOf reads tags; the same key twice is refused.
func tagsOf(list []*wire.Tag) (map[string]string, error) {
	tags, seen := map[string]string{}, map[string]bool{}
	for _, t := range list {
		key := strings.ToLower(text(t.Key))
		switch {
		case seen[key]:
			return nil, fault.New(fault.Invalid, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(key, "aws:"):
			return nil, fault.New(fault.Invalid, "InvalidInput", "Tag keys may not start with the reserved prefix aws: %q", text(t.Key))
		}
		seen[key] = true
		tags[text(t.Key)] = text(t.Value)
	}
	return tags, nil
}

// change changes a user or a role.
func (s *server) change(ctx context.Context, kind iam.Kind, name *string, fn func(*iam.Principal) error) error {
	_, err := s.Change(ctx, kind, text(name), fn)
	return err
}

func (s *server) putInline(ctx context.Context, kind iam.Kind, name, policy, doc *string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		if p.Inline == nil {
			p.Inline = map[string]string{}
		}
		p.Inline[*policy] = *doc
		return nil
	})
}

func (s *server) inline(kind iam.Kind, name, policy *string) (string, error) {
	p, err := s.Get(kind, text(name))
	if err != nil {
		return "", err
	}
	doc, ok := p.Inline[*policy]
	if !ok {
		return "", noSuchEntity("The %s policy with name %s cannot be found.", kind, *policy)
	}
	return doc, nil
}

func (s *server) deleteInline(ctx context.Context, kind iam.Kind, name, policy *string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		if _, ok := p.Inline[*policy]; !ok {
			return noSuchEntity("The %s policy with name %s cannot be found.", kind, *policy)
		}
		delete(p.Inline, *policy)
		return nil
	})
}

func (s *server) attach(ctx context.Context, kind iam.Kind, name, arn *string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		if !slices.Contains(p.Attached, *arn) {
			p.Attached = append(p.Attached, *arn)
		}
		return nil
	})
}

func (s *server) detach(ctx context.Context, kind iam.Kind, name, arn *string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		i := slices.Index(p.Attached, *arn)
		if i < 0 {
			return noSuchEntity("Policy %s was not found.", *arn)
		}
		p.Attached = slices.Delete(p.Attached, i, i+1)
		return nil
	})
}

func (s *server) tag(ctx context.Context, kind iam.Kind, name *string, list []*wire.Tag) error {
	tags, err := tagsOf(list)
	if err != nil {
		return err
	}
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		p.Tags = merged(p.Tags, tags)
		return nil
	})
}

func merged(old, add map[string]string) map[string]string {
	if old == nil {
		return add
	}
	for k, v := range add {
		old[k] = v
	}
	return old
}

func (s *server) untag(ctx context.Context, kind iam.Kind, name *string, keys []string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		for _, k := range keys {
			delete(p.Tags, k)
		}
		return nil
	})
}

func (s *server) bound(ctx context.Context, kind iam.Kind, name *string, arn string) error {
	return s.change(ctx, kind, name, func(p *iam.Principal) error {
		if arn == "" && p.Boundary == "" {
			return noSuchEntity("The %s %s has no permissions boundary.", kind, p.Name)
		}
		p.Boundary = arn
		return nil
	})
}

// own is the user's name that an operation is about: the caller's when it names none.
func (s *server) own(call *apiserver.Call, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	_, user, ok := strings.Cut(call.Identity.ARN, ":user/")
	if !ok {
		return "", invalid("Must specify userName when calling with non-User credentials")
	}
	return user[strings.LastIndexByte(user, '/')+1:], nil
}

func tagKeys(keys map[string][]string, list []*wire.Tag) {
	for _, t := range list {
		keys["aws:requesttag/"+strings.ToLower(text(t.Key))] = []string{text(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], text(t.Key))
	}
}

func resourceARN(kind, path, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:%s%s%s", iam.AccountID, kind, path, name)
}
