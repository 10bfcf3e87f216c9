package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/policy"
)

// reference matches wildcards the slow way, by all splits.
func reference(pattern, s []rune) bool {
	row := make([]bool, len(s)+1)
	row[0] = true
	for _, p := range pattern {
		next := make([]bool, len(s)+1)
		for i := range next {
			switch {
			case p == '*':
				next[i] = row[i] || i > 0 && next[i-1]
			case i > 0:
				next[i] = row[i-1] && (p == '?' || p == s[i-1])
			}
		}
		row = next
	}
	return row[len(s)]
}

// matches asks through a StringLike condition whether a pattern covers a text.
func matches(t testing.TB, pattern, text string) bool {
	quoted, err := json.Marshal(pattern)
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, `{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": `+string(quoted)+`}}}}`, policy.Identity)
	return policy.Evaluate(&policy.Request{
		Principal: policy.Principal{ARN: user, Account: account}, Action: "s3:ListBucket", Resource: "*",
		Keys: func(string) []string { return []string{text} },
	}, policy.Policies{Identity: []*policy.Document{d}}).Allowed
}

func TestWildcardsMatchAsTheReference(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(rand.Uint64(), 2))}
	text := func(alphabet string, n int) string {
		var b strings.Builder
		for range g.IntN(n) {
			b.WriteRune(pick(g, []rune(alphabet)...))
		}
		return b.String()
	}
	hits := 0
	for range 20000 {
		p, s := text("ab*?ü*", 9), text("abü", 12)
		got := matches(t, p, s)
		if want := reference([]rune(p), []rune(s)); got != want {
			t.Fatalf("%q over %q: %v", p, s, got)
		}
		if got {
			hits++
		}
	}
	if hits < 1000 {
		t.Errorf("only %d matches", hits)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("*ü?*", "aüb")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 60 || len(text) > 200 || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		if got, want := matches(t, pattern, text), reference([]rune(pattern), []rune(text)); got != want {
			t.Errorf("%q over %q: %v", pattern, text, got)
		}
	})
}

// A pattern made to explode under backtracking takes no time.
func TestMatchingDoesNotExplode(t *testing.T) {
	pattern := strings.Repeat("a*", 2000) + "b"
	text := strings.Repeat("a", 20000)
	begin := time.Now()
	if matches(t, pattern, text) || matches(t, strings.Repeat("*?a", 1000)+"b", text) {
		t.Error("matched")
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("took %s", d)
	}
}

func document(t testing.TB, g generator, kind policy.Kind) *policy.Document {
	text, err := json.Marshal(g.policy(kind))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text), kind)
}

// What must hold of every decision, whatever the policies are.
func TestProperties(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(rand.Uint64(), 3))}
	everything := parse(t, allow("*", "*"), policy.Identity)
	nothing := parse(t, deny("*", "*"), policy.Identity)
	nobody := parse(t, strings.Replace(grant(`"*"`, "*", "*"), `"Effect": "Allow"`, `"Effect": "Deny"`, 1), policy.Resource)
	for range 5000 {
		q := g.question()
		if q.Action == "sts:AssumeRole" {
			continue
		}
		keys := map[string][]string{}
		for k, v := range q.Keys {
			if s, ok := v.(string); ok {
				keys[strings.ToLower(k)] = []string{s}
			}
		}
		r := &policy.Request{Principal: policy.Principal{ARN: session, RoleARN: role, Account: account}, Action: q.Action, Resource: q.Resource, ResourceAccount: account, Keys: policy.Values(keys)}
		p := policy.Policies{Identity: []*policy.Document{document(t, g, policy.Identity)}, Resource: document(t, g, policy.Resource)}
		base := policy.Evaluate(r, p)
		if again := policy.Evaluate(r, p); again != base {
			t.Fatalf("the same question has two answers: %+v, %+v", base, again)
		}
		check := func(rule string, change func(*policy.Policies), holds func(policy.Decision) bool) {
			t.Helper()
			changed := p
			change(&changed)
			if d := policy.Evaluate(r, changed); !holds(d) {
				t.Errorf("%s: %+v became %+v", rule, base, d)
			}
		}
		denied := func(d policy.Decision) bool { return !d.Allowed && d.Explicit }
		check("an explicit deny wins", func(p *policy.Policies) { p.Identity = append([]*policy.Document{everything}, nothing) }, denied)
		check("the resource's deny wins", func(p *policy.Policies) { p.Resource = nobody }, denied)
		check("the boundary's deny wins", func(p *policy.Policies) { p.Boundary = nothing }, denied)
		check("the session's deny wins", func(p *policy.Policies) { p.Session = []*policy.Document{nothing} }, denied)
		check("a boundary adds nothing", func(p *policy.Policies) { p.Boundary = document(t, g, policy.Identity) }, func(d policy.Decision) bool { return base.Allowed || !d.Allowed })
		check("a session policy adds nothing", func(p *policy.Policies) { p.Session = []*policy.Document{document(t, g, policy.Identity)} }, func(d policy.Decision) bool { return base.Allowed || !d.Allowed })
		check("a boundary of everything changes nothing", func(p *policy.Policies) { p.Boundary, p.Session = everything, []*policy.Document{everything} }, func(d policy.Decision) bool {
			return d.Allowed == base.Allowed || base.Allowed && denied(d) // a denial by NotPrincipal meets who has a boundary
		})
		check("what allows everything denies nothing", func(p *policy.Policies) { p.Identity = append(p.Identity[:1:1], everything) }, func(d policy.Decision) bool { return d.Allowed || d.Explicit && base.Explicit })
		check("the order of documents does not matter", func(p *policy.Policies) { p.Identity = []*policy.Document{everything, p.Identity[0]} }, func(d policy.Decision) bool {
			q := p
			q.Identity = []*policy.Document{p.Identity[0], everything}
			return d.Allowed == policy.Evaluate(r, q).Allowed
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Principal": {"AWS": ["*", "123456789012"]}, "Action": ["s3:*"], "Resource": "arn:aws:s3:::b/${aws:username, 'x'}/*", "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:tagkeys": ["a*", "${*}"]}, "IpAddress": {"aws:sourceip": "10.0.0.0/8"}, "Null": {"aws:x": true}}}]}`, uint8(1))
	f.Add(`{"Statement": {"Effect": "Deny", "NotAction": "sts:*", "NotPrincipal": "*"}}`, uint8(2))
	f.Add(`{"Statement": {"Effect": "Allow", "Action": "s3:?et*", "NotResource": "arn:aws:s3"}}`, uint8(0))
	g := generator{rand.New(rand.NewPCG(1, 4))}
	for range 20 {
		for kind := range uint8(3) {
			text, _ := json.Marshal(g.policy(policy.Kind(kind)))
			f.Add(string(text), kind)
		}
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		k := policy.Kind(kind % 3)
		d, err := policy.Parse(text, k)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON", text)
		}
		d.Public()
		d.Keys()
		for _, who := range []policy.Principal{{}, {Service: service}, {ARN: user, Account: account}, {ARN: session, RoleARN: role, Account: account}} {
			for _, resource := range []string{"*", "arn:aws:s3:::b/x", "arn", ""} {
				r := &policy.Request{Principal: who, Action: "s3:GetObject", Resource: resource, Keys: func(string) []string { return []string{"a"} }}
				p := policy.Policies{Resource: d, Trust: k == policy.Trust}
				if k == policy.Identity {
					p = policy.Policies{Identity: []*policy.Document{d}}
				}
				if got := policy.Evaluate(r, p); got.Allowed && got.Statement == "" {
					t.Fatalf("%+v allows by nothing", got)
				}
			}
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	identity := []*policy.Document{
		parse(b, `{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::films/*", "arn:aws:s3:::out/${aws:username}/*"]},
			{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}, "NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.1"]}}},
			{"Effect": "Allow", "Action": "mediaconvert:*", "Resource": "*"}]}`, policy.Identity),
		parse(b, allow("logs:*", "arn:aws:logs:*:*:*"), policy.Identity),
	}
	bucket := parse(b, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::out/*",
		"Condition": {"StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}}}]}`, policy.Resource)
	keys := policy.Values(map[string][]string{"aws:username": {"anna"}, "aws:sourceip": {"10.1.2.3"}, "aws:securetransport": {"true"}, "aws:sourcearn": {"arn:aws:cloudfront::123456789012:distribution/E1"}})
	for _, bb := range []struct {
		name string
		r    policy.Request
		p    policy.Policies
	}{
		{"user", policy.Request{Principal: policy.Principal{ARN: user, Account: account}, Action: "s3:PutObject", Resource: "arn:aws:s3:::out/anna/a/b/c.m3u8", Keys: keys}, policy.Policies{Identity: identity, Resource: bucket}},
		{"origin", policy.Request{Principal: policy.Principal{Service: service}, Action: "s3:GetObject", Resource: "arn:aws:s3:::out/anna/a/b/c.m3u8", ResourceAccount: account, Keys: keys}, policy.Policies{Resource: bucket}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !policy.Evaluate(&bb.r, bb.p).Allowed {
					b.Fatal("denied")
				}
			}
		})
	}
}
