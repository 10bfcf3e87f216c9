package gateway

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/config"
	"vodwright.dev/vodwright/internal/policy"
)

// Question is what an Authority is asked: may this caller do that?
type Question struct {
	// Who is zero for an anonymous caller and for a service.
	Who sigv4.Identity
	// Service is an AWS service that calls for somebody: "cloudfront.amazonaws.com".
	Service          string
	Action, Resource string           // "s3:GetObject", "arn:aws:s3:::bucket/key"
	Keys             policy.Keys      // condition keys; asked for those only that a policy reads
	Policy           *policy.Document // of the bucket; nil for none
}

// Authority decides what callers may do. It is safe for concurrent use.
type Authority interface {
	// Decide returns nil when the caller may, else a Denied fault in AWS's words.
	Decide(ctx context.Context, q Question) error
	// CheckPrincipals returns an Invalid fault for a policy that names principals
	// of the account that are not there.
	CheckPrincipals(d *policy.Document) error
}

// need is one thing that a request does.
type need struct{ action, bucket, key string }

func (n need) resource() string {
	switch {
	case n.bucket == "":
		return "*"
	case n.key == "":
		return "arn:aws:s3:::" + n.bucket
	}
	return "arn:aws:s3:::" + n.bucket + "/" + n.key
}

// subject returns the bucket that a request is about, nil for one that is none yet.
func (g *Gateway) subject(r *call, l level) (*catalog.Bucket, error) {
	if l == onService || r.op.name == "CreateBucket" {
		return nil, nil
	}
	b, err := g.back.bucket(r.RequestCtx(), r.bucket)
	if err != nil {
		return nil, err
	}
	if owner := r.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != g.cfg.AccountID {
		return nil, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return b, nil
}

// authorise returns nil when the caller may do all that the request does.
func (g *Gateway) authorise(r *call, b *catalog.Bucket) error {
	needs, err := g.needs(r)
	if err != nil {
		return err
	}
	for _, n := range needs {
		on := b
		if n.bucket != r.bucket {
			if on, err = g.back.bucket(r.RequestCtx(), n.bucket); err != nil {
				return err
			}
		}
		if err := g.allow(r, on, n); err != nil {
			return err
		}
	}
	if r.op.name == "DeleteObjects" {
		// Each key is decided on its own, when the back end has them.
		r.RequestCtx().SetUserValue(allowKey{}, func(action, key string) error { return g.allow(r, b, need{action, r.bucket, key}) })
	}
	return g.checkACL(r, b)
}

// allowKey finds the decision on a key in the context of a DeleteObjects.
type allowKey struct{}

// needs lists what a request does.
func (g *Gateway) needs(r *call) ([]need, error) {
	action, version := r.op.action, r.Query("versionId") != ""
	if version && r.op.version != "" {
		action = r.op.version
	}
	key := r.key
	switch r.op.name {
	case "DeleteObjects":
		return nil, nil
	case "PostObject":
		form := utils.ContextKeyObjectPostResult.Get(r.Ctx).(middlewares.PostObjectResult)
		needs := []need{{"s3:PutObject", r.bucket, form.Fields["key"]}}
		if form.Fields["tagging"] != "" {
			needs = append(needs, need{"s3:PutObjectTagging", r.bucket, form.Fields["key"]})
		}
		return needs, nil
	}
	needs := []need{{action, r.bucket, key}}
	also := func(action string) { needs = append(needs, need{action, r.bucket, key}) }
	switch r.op.name {
	case "GetObjectAttributes":
		if also("s3:GetObject"); version {
			needs[1].action = "s3:GetObjectVersion"
		}
	case "PutObject", "CreateMultipartUpload", "CopyObject", "UploadPartCopy":
		if r.Get("X-Amz-Tagging") != "" {
			also("s3:PutObjectTagging")
		}
		if givesACL(r) {
			also("s3:PutObjectAcl")
		}
	}
	if r.op.name == "CopyObject" || r.op.name == "UploadPartCopy" {
		source := strings.TrimPrefix(r.Get("X-Amz-Copy-Source"), "/")
		if err := utils.ValidateCopySource(source); err != nil {
			return nil, err
		}
		from, fromKey, fromVersion, err := backend.ParseCopySource(source)
		if err != nil {
			return nil, err
		}
		read, tags := "s3:GetObject", "s3:GetObjectTagging"
		if fromVersion != "" {
			read, tags = "s3:GetObjectVersion", "s3:GetObjectVersionTagging"
		}
		needs = append(needs, need{read, from, fromKey})
		v, err := g.cfg.Engine.Stat(lasting(r.RequestCtx()), from, fromKey, fromVersion)
		if err != nil && !expected(err) {
			return nil, err
		}
		if err == nil && len(v.Properties.Tags) > 0 &&
			r.op.name == "CopyObject" && r.Get("X-Amz-Tagging-Directive") != "REPLACE" {
			needs = append(needs, need{tags, from, fromKey})
			also("s3:PutObjectTagging")
		}
	}
	return needs, nil
}

func (g *Gateway) isRoot(who sigv4.Identity) bool {
	return who.AccessKeyID != "" && who.AccessKeyID == g.cfg.Root.AccessKeyID
}

// allow decides one need. Only the root key is not asked about, where no bucket
// policy could deny it something.
func (g *Gateway) allow(r *call, b *catalog.Bucket, n need) error {
	if g.isRoot(r.who) && (b == nil || b.Documents[documentPolicy] == nil || strings.HasSuffix(n.action, "BucketPolicy")) {
		return nil
	}
	ctx := lasting(r.RequestCtx())
	var failed error
	keys := func(name string) []string {
		if tag, ok := strings.CutPrefix(name, "s3:existingobjecttag/"); ok {
			return g.tagOf(ctx, n, r.Query("versionId"), tag, &failed)
		}
		return g.conditionKey(r, name)
	}
	err := g.decide(ctx, b, Question{Who: r.who, Action: n.action, Resource: n.resource(), Keys: keys})
	if failed != nil {
		return failed // decided without a tag that there may be
	}
	return err
}

// decide asks the authority, with the bucket's policy and its block of the public.
func (g *Gateway) decide(ctx context.Context, b *catalog.Bucket, q Question) error {
	anonymous := q.Who.AccessKeyID == "" && q.Who.ARN == "" && q.Service == ""
	if b != nil {
		p, err := g.policyOf(b)
		if err != nil {
			return err
		}
		if p != nil {
			q.Policy = p.document
			if anonymous && p.public && g.publicAccess(b).RestrictPublicBuckets {
				return s3err.GetAPIError(s3err.ErrAccessDenied)
			}
		}
	}
	if g.cfg.Authority == nil {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	err := g.cfg.Authority.Decide(ctx, q)
	if err == nil {
		return nil
	}
	e := fault.Of(err)
	if e.Kind != fault.Denied {
		return err
	}
	if anonymous {
		return s3err.GetAPIError(s3err.ErrAccessDenied) // nothing is told to nobody
	}
	if e.Hint != "" || e.Code != "AccessDenied" {
		return err
	}
	hint := "allow it in a policy of the caller or of the bucket"
	if strings.Contains(e.Message, "explicit deny") {
		hint = "a statement with the effect Deny has to go or to except it"
	}
	return fault.New(fault.Denied, e.Code, "%w", err).WithHint("%s", hint)
}

// Caller is who acts without a request: somebody, or a service for a resource.
type Caller struct {
	Who                sigv4.Identity
	Service, SourceARN string
}

// Authorise decides an action on a key, or on the bucket with key "", for a
// caller inside the house.
func (g *Gateway) Authorise(ctx context.Context, c Caller, action, bucket, key string) error {
	b, err := g.cfg.Engine.Bucket(ctx, bucket)
	if err != nil {
		return err
	}
	if g.isRoot(c.Who) {
		if b.Documents[documentPolicy] == nil {
			return nil
		}
		c.Who.ARN, c.Who.Account = "arn:aws:iam::"+g.cfg.AccountID+":root", g.cfg.AccountID
	}
	n := need{action, bucket, key}
	var failed error
	keys := func(name string) []string {
		if tag, ok := strings.CutPrefix(name, "s3:existingobjecttag/"); ok {
			return g.tagOf(ctx, n, "", tag, &failed)
		}
		switch {
		case name == "aws:securetransport":
			return []string{"true"} // it does not leave the process
		case name == "aws:sourcearn" && c.SourceARN != "":
			return []string{c.SourceARN}
		case name == "aws:sourceaccount" && c.SourceARN != "":
			return []string{g.cfg.AccountID}
		case name == "aws:principalisawsservice" && c.Service != "":
			return []string{"true"}
		case name == "aws:principalservicename" && c.Service != "":
			return []string{c.Service}
		}
		return g.ownKey(name)
	}
	err = g.decide(ctx, b, Question{Who: c.Who, Service: c.Service, Action: action, Resource: n.resource(), Keys: keys})
	if failed != nil {
		return failed
	}
	var known s3err.S3Error
	if errors.As(err, &known) { // in the house's words
		return fault.New(fault.Denied, known.BaseError().Code, "%s", known.BaseError().Description)
	}
	return err
}

// parsed is a bucket's policy as it is decided with.
type parsed struct {
	text     []byte // which it was read from
	document *policy.Document
	public   bool
}

// policyOf returns a bucket's policy, nil when it has none.
func (g *Gateway) policyOf(b *catalog.Bucket) (*parsed, error) {
	doc := b.Documents[documentPolicy]
	if doc == nil {
		return nil, nil
	}
	if p, ok := g.policies.Load(b.Name); ok && bytes.Equal(p.(*parsed).text, doc) {
		return p.(*parsed), nil
	}
	d, err := policy.Parse(string(doc), policy.Resource)
	if err != nil {
		return nil, fault.New(fault.Internal, "InternalError", "the policy of bucket %q can not be read: %w", b.Name, err)
	}
	p := &parsed{text: doc, document: d, public: config.IsPublic(doc)}
	g.policies.Store(b.Name, p)
	return p, nil
}

// tagOf returns s3:ExistingObjectTag/<tag>, tag in lower case, of the object that
// is asked for. failed is set when it cannot be known.
func (g *Gateway) tagOf(ctx context.Context, n need, version, tag string, failed *error) []string {
	if n.bucket == "" || n.key == "" {
		return nil
	}
	v, err := g.cfg.Engine.Stat(ctx, n.bucket, n.key, version)
	if err != nil {
		if !expected(err) {
			*failed = err
		}
		return nil
	}
	var out []string
	for k, value := range v.Properties.Tags {
		if strings.ToLower(k) == tag {
			out = append(out, value)
		}
	}
	return out
}

// ownKey returns the condition keys that are the same for every request.
func (g *Gateway) ownKey(name string) []string {
	switch name {
	case "aws:currenttime":
		return []string{time.Now().UTC().Format(time.RFC3339)}
	case "aws:epochtime":
		return []string{strconv.FormatInt(time.Now().Unix(), 10)}
	case "aws:requestedregion":
		return []string{g.cfg.Region}
	case "s3:resourceaccount":
		return []string{g.cfg.AccountID}
	}
	return nil
}

// conditionKey returns what a policy asks about a request. Source: "Actions,
// resources, and condition keys for Amazon S3", and IAM's global keys.
func (g *Gateway) conditionKey(r *call, name string) []string {
	one := func(value string) []string {
		if value == "" {
			return nil
		}
		return []string{strings.Clone(value)} // fiber uses its memory again
	}
	old := r.RequestCtx().UserValue(sigV2{}) != nil // the query's date is ours
	switch name {
	case "aws:securetransport":
		return []string{strconv.FormatBool(r.Secure())}
	case "aws:sourceip":
		return one(r.IP())
	case "aws:useragent":
		return one(r.Get("User-Agent"))
	case "aws:referer":
		return one(r.Get("Referer"))
	case "s3:authtype":
		return one(r.authType)
	case "s3:signatureversion":
		switch {
		case old:
			return []string{"AWS"}
		case r.authType != "":
			return []string{"AWS4-HMAC-SHA256"}
		}
		return nil
	case "s3:signatureage":
		at, err := time.Parse("20060102T150405Z", r.Query("X-Amz-Date"))
		if r.authType != "REST-QUERY-STRING" || old || err != nil {
			return nil
		}
		return one(strconv.FormatInt(time.Since(at).Milliseconds(), 10))
	case "s3:prefix", "s3:delimiter", "s3:max-keys":
		query := r.Request().URI().QueryArgs()
		if parameter := strings.TrimPrefix(name, "s3:"); query.Has(parameter) {
			return []string{string(query.Peek(parameter))}
		}
		return nil
	case "s3:versionid":
		return one(r.Query("versionId"))
	case "s3:if-match", "s3:if-none-match":
		return one(r.Get(strings.TrimPrefix(name, "s3:")))
	case "s3:x-amz-acl":
		if r.op.name == "PostObject" {
			return one(utils.ContextKeyObjectPostResult.Get(r.Ctx).(middlewares.PostObjectResult).Fields["acl"])
		}
	case "s3:requestobjecttagkeys":
		tags, err := url.ParseQuery(r.Get("X-Amz-Tagging"))
		if err != nil {
			return nil
		}
		return slices.Sorted(maps.Keys(tags))
	}
	if tag, ok := strings.CutPrefix(name, "s3:requestobjecttag/"); ok {
		tags, _ := url.ParseQuery(r.Get("X-Amz-Tagging"))
		for k, v := range tags {
			if strings.ToLower(k) == tag {
				return v
			}
		}
		return nil
	}
	if header, ok := strings.CutPrefix(name, "s3:x-amz-"); ok {
		return one(r.Get("X-Amz-" + header))
	}
	return g.ownKey(name)
}

// missing words the error of a key that is not there: who may not list the
// bucket does not learn which keys it has.
func (g *Gateway) missing(r *call, b *catalog.Bucket, err error) error {
	known := asS3(r.RequestCtx(), g.log, err)
	var s s3err.S3Error
	if !errors.As(known, &s) || s.BaseError().Code != "NoSuchKey" {
		return err
	}
	on := b
	if source := r.Get("X-Amz-Copy-Source"); source != "" {
		if from, _, _, perr := backend.ParseCopySource(strings.TrimPrefix(source, "/")); perr == nil {
			if on, perr = g.cfg.Engine.Bucket(lasting(r.RequestCtx()), from); perr != nil {
				return err
			}
		}
	}
	if denied := g.allow(r, on, need{"s3:ListBucket", on.Name, ""}); denied != nil {
		return denied
	}
	return err
}

// grants lists the headers that give an ACL beside X-Amz-Acl.
func grants() []string {
	return []string{"X-Amz-Grant-Full-Control", "X-Amz-Grant-Read", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write", "X-Amz-Grant-Write-Acp"}
}

func givesACL(r *call) bool {
	if r.Get("X-Amz-Acl") != "" {
		return true
	}
	for _, h := range grants() {
		if r.Get(h) != "" {
			return true
		}
	}
	return false
}

// aclNotSupported is S3's answer where ACLs are off, as they are on new buckets.
func aclNotSupported() error {
	return s3err.APIError{
		Code: "AccessControlListNotSupported", HTTPStatusCode: http.StatusBadRequest,
		Description: "The bucket does not allow ACLs: say who may in the bucket's policy",
	}
}

// checkACL refuses ACLs that would give something to anybody. All objects belong
// to one account, so that an ACL that gives them to their owner says nothing new.
func (g *Gateway) checkACL(r *call, b *catalog.Bucket) error {
	acl := r.Get("X-Amz-Acl")
	switch r.op.name {
	case "PostObject":
		fields := utils.ContextKeyObjectPostResult.Get(r.Ctx).(middlewares.PostObjectResult).Fields
		if err := checkHeaders(func(name string) string { return fields[strings.ToLower(name)] }); err != nil {
			return err
		}
		if acl = fields["acl"]; acl == "" {
			return nil
		}
	case "PutObject", "CopyObject", "CreateMultipartUpload", "PutBucketAcl", "PutObjectAcl":
		if !givesACL(r) {
			return nil
		}
	case "CreateBucket":
		if o := r.Get("X-Amz-Object-Ownership"); givesACL(r) && acl != "private" && o != "" && o != "BucketOwnerEnforced" {
			return s3err.APIError{
				Code: "InvalidBucketAclWithBlockPublicAccessError", HTTPStatusCode: http.StatusBadRequest,
				Description: "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
			}
		}
		return nil
	default:
		return nil
	}
	enforced := string(b.Documents[documentOwnership]) == "BucketOwnerEnforced" || b.Documents[documentOwnership] == nil
	switch {
	case acl == "bucket-owner-full-control" && r.op.name != "PutBucketAcl" && r.op.name != "PutObjectAcl":
		return nil
	case !enforced && (acl == "private" || acl == "bucket-owner-full-control" || acl == "bucket-owner-read"):
		return nil
	}
	return aclNotSupported()
}
