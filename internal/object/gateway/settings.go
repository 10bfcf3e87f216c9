package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/config"
	"vodwright.dev/vodwright/internal/policy"
)

// Functions says which functions a bucket may notify. It is safe for concurrent use.
type Functions interface {
	// Permitted returns nil when the function exists and its own policy lets the
	// service invoke it for that source, a bucket's ARN, of that account.
	Permitted(ctx context.Context, functionARN, sourceARN, sourceAccount, servicePrincipal string) error
}

// documentOf reads one of a bucket's documents into v; found is false when it has none.
func documentOf(b *catalog.Bucket, name string, v any) (found bool, err error) {
	doc, ok := b.Documents[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return false, fmt.Errorf("read %s of bucket %q: %w", name, b.Name, err)
	}
	return true, nil
}

// bucketOf returns the bucket that a request names.
func (g *Gateway) bucketOf(c fiber.Ctx) (*catalog.Bucket, error) {
	return g.cfg.Engine.Bucket(lasting(c.RequestCtx()), c.Params("bucket"))
}

// keep stores v as one of the bucket's documents.
func (g *Gateway) keep(c fiber.Ctx, name string, v any) (*controllers.Response, error) {
	doc, err := json.Marshal(v)
	if err == nil {
		err = g.back.setDocument(c.RequestCtx(), c.Params("bucket"), name, doc)
	}
	return &controllers.Response{}, err
}

// remove returns the operation that removes one of a bucket's documents.
func (g *Gateway) remove(name string) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		err := g.back.setDocument(c.RequestCtx(), c.Params("bucket"), name, nil)
		return &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}, err
	}
}

// absent is S3's answer for a document that a bucket has not.
func absent(code, text string) *fault.Error { return fault.New(fault.NotFound, code, "%s", text) }

func (g *Gateway) putPolicy(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	doc := c.BodyRaw()
	if err := config.CheckPolicy(doc, b.Name); err != nil {
		return nil, err
	}
	parsed, err := policy.Parse(string(doc), policy.Resource)
	if err == nil && g.cfg.Authority != nil {
		err = g.cfg.Authority.CheckPrincipals(parsed)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "MalformedPolicy", "%s", fault.Of(err).Message).WithHint("%s", fault.Of(err).Hint)
	}
	if config.IsPublic(doc) && g.publicAccess(b).BlockPublicPolicy {
		return nil, fault.New(fault.Denied, "AccessDenied",
			"User: %s is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::%s\" because public policies are blocked by the BlockPublicPolicy block public access setting.",
			utils.ContextKeyAccount.Get(c).(auth.Account).Arn, b.Name).
			WithHint("name principals instead of *, or change the bucket's public access block first")
	}
	err = g.back.setDocument(c.RequestCtx(), b.Name, documentPolicy, doc)
	return &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}, err
}

func (g *Gateway) getPolicyStatus(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	doc := b.Documents[documentPolicy]
	if doc == nil {
		return nil, s3err.GetAPIError(s3err.ErrNoSuchBucketPolicy)
	}
	type answer struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
		IsPublic bool
	}
	return &controllers.Response{Data: answer{IsPublic: config.IsPublic(doc)}}, nil
}

// publicAccess returns a bucket's public access block; one that has none blocks nothing.
func (g *Gateway) publicAccess(b *catalog.Bucket) config.PublicAccessBlock {
	var p config.PublicAccessBlock
	if _, err := documentOf(b, documentPublicAccess, &p); err != nil {
		return config.BlockAll() // damaged: the careful reading
	}
	return p
}

func (g *Gateway) putPublicAccessBlock(c fiber.Ctx) (*controllers.Response, error) {
	p, err := config.ParsePublicAccessBlock(c.BodyRaw())
	if err != nil {
		return nil, err
	}
	return g.keep(c, documentPublicAccess, p)
}

func (g *Gateway) getPublicAccessBlock(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	if b.Documents[documentPublicAccess] == nil {
		return nil, absent("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &controllers.Response{Data: g.publicAccess(b).Answer()}, nil
}

func (g *Gateway) putNotification(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	n, err := config.ParseNotification(c.BodyRaw(), rand.Text)
	if err != nil {
		return nil, err
	}
	// Older clients, as botocore 1.29, write "True".
	if !strings.EqualFold(c.Get("X-Amz-Skip-Destination-Validation"), "true") {
		for _, f := range n.Functions {
			if err := g.checkDestination(c.RequestCtx(), b.Name, f.Function); err != nil {
				return nil, err
			}
		}
	}
	if len(n.Functions) == 0 && n.EventBridge == nil {
		return g.keepNone(c, documentNotification)
	}
	return g.keep(c, documentNotification, n)
}

// keepNone removes one of the bucket's documents by putting an empty one.
func (g *Gateway) keepNone(c fiber.Ctx, name string) (*controllers.Response, error) {
	return &controllers.Response{}, g.back.setDocument(c.RequestCtx(), c.Params("bucket"), name, nil)
}

func (g *Gateway) checkDestination(ctx context.Context, bucket, function string) error {
	why := "no function can be notified by this server"
	if g.cfg.Functions != nil {
		err := g.cfg.Functions.Permitted(ctx, function, "arn:aws:s3:::"+bucket, g.cfg.AccountID, "s3.amazonaws.com")
		if err == nil {
			return nil
		}
		if k := fault.KindOf(err); k == fault.Internal || k == fault.Unavailable {
			return err
		}
		why = err.Error()
	}
	return fault.New(fault.Invalid, "InvalidArgument", "Unable to validate the following destination configurations: %s: %s", function, why).
		WithHint("create the function first and let s3.amazonaws.com invoke it (lambda add-permission with the source arn:aws:s3:::%s)", bucket)
}

func (g *Gateway) getNotification(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	var n config.NotificationConfiguration
	if _, err := documentOf(b, documentNotification, &n); err != nil {
		return nil, err
	}
	return &controllers.Response{Data: n.Answer()}, nil
}

// Notifications returns who is to be told of what happens in a bucket.
func (g *Gateway) Notifications(ctx context.Context, bucket string) ([]event.Notification, error) {
	b, err := g.cfg.Engine.Bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var n config.NotificationConfiguration
	if _, err := documentOf(b, documentNotification, &n); err != nil {
		return nil, err
	}
	return n.Notifications(), nil
}

// putVersioning refuses what versitygw would pass over.
func (g *Gateway) putVersioning(put controllers.Controller) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		var doc struct{ MfaDelete string }
		if xml.Unmarshal(c.BodyRaw(), &doc) == nil && doc.MfaDelete == "Enabled" {
			return nil, notImplemented("MFA delete")
		}
		return put(c)
	}
}

const minimumSizeHeader = "x-amz-transition-default-minimum-object-size"

func (g *Gateway) putLifecycle(c fiber.Ctx) (*controllers.Response, error) {
	l, err := config.ParseLifecycle(c.BodyRaw(), rand.Text)
	if err != nil {
		return nil, err
	}
	switch size := c.Get(minimumSizeHeader); size {
	case "":
	case config.AllStorageClasses, "varies_by_storage_class":
		l.MinimumSize = size
	default:
		return nil, fault.New(fault.Invalid, "InvalidArgument", "the header %s has the value %q", minimumSizeHeader, size)
	}
	out, err := g.keep(c, documentLifecycle, l)
	out.Headers = map[string]*string{minimumSizeHeader: &l.MinimumSize}
	return out, err
}

func (g *Gateway) getLifecycle(c fiber.Ctx) (*controllers.Response, error) {
	l, err := g.Lifecycle(lasting(c.RequestCtx()), c.Params("bucket"))
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, absent("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	return &controllers.Response{Data: l.Answer(), Headers: map[string]*string{minimumSizeHeader: &l.MinimumSize}}, nil
}

// Lifecycle returns a bucket's lifecycle configuration, nil when it has none.
func (g *Gateway) Lifecycle(ctx context.Context, bucket string) (*config.Lifecycle, error) {
	b, err := g.cfg.Engine.Bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	l := new(config.Lifecycle)
	if found, err := documentOf(b, documentLifecycle, l); !found || err != nil {
		return nil, err
	}
	return l, nil
}

func (g *Gateway) putEncryption(c fiber.Ctx) (*controllers.Response, error) {
	e, err := config.ParseEncryption(c.BodyRaw())
	if err != nil {
		return nil, err
	}
	return g.keep(c, documentEncryption, e)
}

func (g *Gateway) getEncryption(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	e := config.DefaultEncryption()
	if _, err := documentOf(b, documentEncryption, &e); err != nil {
		return nil, err
	}
	return &controllers.Response{Data: e.Answer()}, nil
}

// encrypted adds what S3 says of every object: docs/decisions/0007 tells what it means.
func encrypted(run controllers.Controller) controllers.Controller {
	return func(c fiber.Ctx) (*controllers.Response, error) {
		out, err := run(c)
		if err == nil && out != nil {
			if out.Headers == nil {
				out.Headers = map[string]*string{}
			}
			out.Headers["x-amz-server-side-encryption"] = ptr(config.AES256)
		}
		return out, err
	}
}

// getACL answers that the account owns the bucket and nobody else has anything.
func (g *Gateway) getACL(c fiber.Ctx) (*controllers.Response, error) {
	type grantee struct {
		Xsi  string `xml:"xmlns:xsi,attr"`
		Type string `xml:"xsi:type,attr"`
		ID   string
	}
	type grant struct {
		Grantee    grantee
		Permission string
	}
	type answer struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
		Owner   string   `xml:"Owner>ID"`
		Grants  []grant  `xml:"AccessControlList>Grant"`
	}
	owner := g.cfg.AccountID
	return &controllers.Response{Data: answer{
		Owner:  owner,
		Grants: []grant{{grantee{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", owner}, "FULL_CONTROL"}},
	}}, nil
}

// putACL takes an ACL that says what is so anyway: headers were checked before.
func (g *Gateway) putACL(c fiber.Ctx) (*controllers.Response, error) {
	b, err := g.bucketOf(c)
	if err != nil {
		return nil, err
	}
	if body := c.BodyRaw(); len(body) > 0 {
		var p struct {
			XMLName xml.Name `xml:"AccessControlPolicy"`
			Grants  []struct {
				ID         string `xml:"Grantee>ID"`
				Permission string
			} `xml:"AccessControlList>Grant"`
		}
		if err := xml.Unmarshal(body, &p); err != nil {
			return nil, s3err.GetAPIError(s3err.ErrMalformedACL)
		}
		if o := string(b.Documents[documentOwnership]); o == "" || o == "BucketOwnerEnforced" {
			return nil, aclNotSupported()
		}
		for _, g2 := range p.Grants {
			if g2.ID != g.cfg.AccountID || g2.Permission != "FULL_CONTROL" {
				return nil, aclNotSupported()
			}
		}
	}
	return &controllers.Response{}, nil
}

// settings adds the operations on configuration that no bucket here can have:
// reading it gives S3's default or absence, writing the default is done, and
// anything else is refused by its name.
func (g *Gateway) settings(t map[route]*operation, document fiber.Handler) {
	answer := func(data any) controllers.Controller {
		return func(fiber.Ctx) (*controllers.Response, error) { return &controllers.Response{Data: data}, nil }
	}
	missing := func(code, text string) controllers.Controller {
		return func(fiber.Ctx) (*controllers.Response, error) { return nil, absent(code, text) }
	}
	refused := func(what string) controllers.Controller {
		return func(fiber.Ctx) (*controllers.Response, error) { return nil, notImplemented(what) }
	}
	gone := func(fiber.Ctx) (*controllers.Response, error) {
		return &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}, nil
	}
	// only takes a document in which the element has that value, "" for absent.
	only := func(what, root, element, value string) controllers.Controller {
		return func(c fiber.Ctx) (*controllers.Response, error) {
			var doc struct {
				XMLName  xml.Name
				Elements []struct {
					XMLName xml.Name
					Text    string `xml:",chardata"`
				} `xml:",any"`
			}
			if err := xml.Unmarshal(c.BodyRaw(), &doc); err != nil || doc.XMLName.Local != root {
				return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
			}
			for _, e := range doc.Elements {
				if e.XMLName.Local != element || e.Text != value {
					return nil, notImplemented(what)
				}
			}
			return &controllers.Response{}, nil
		}
	}
	add := func(method, subresource, name, action string, run controllers.Controller) {
		o := &operation{name: name, action: action, run: run, signed: true}
		if method == http.MethodPut {
			o.checks = document
		}
		t[route{method, onBucket, subresource}] = o
	}
	type empty struct {
		XMLName xml.Name
		Xmlns   string `xml:"xmlns,attr"`
	}
	none := func(root string) controllers.Controller {
		return answer(empty{xml.Name{Local: root}, "http://s3.amazonaws.com/doc/2006-03-01/"})
	}
	type payment struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ RequestPaymentConfiguration"`
		Payer   string
	}

	add("GET", "website", "GetBucketWebsite", "s3:GetBucketWebsite", missing("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"))
	add("PUT", "website", "PutBucketWebsite", "s3:PutBucketWebsite", refused("Static website hosting"))
	add("DELETE", "website", "DeleteBucketWebsite", "s3:DeleteBucketWebsite", gone)
	add("GET", "accelerate", "GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration", none("AccelerateConfiguration"))
	add("PUT", "accelerate", "PutBucketAccelerateConfiguration", "s3:PutAccelerateConfiguration", only("Transfer acceleration", "AccelerateConfiguration", "Status", "Suspended"))
	add("GET", "requestPayment", "GetBucketRequestPayment", "s3:GetBucketRequestPayment", answer(payment{Payer: "BucketOwner"}))
	add("PUT", "requestPayment", "PutBucketRequestPayment", "s3:PutBucketRequestPayment", only("Requester Pays", "RequestPaymentConfiguration", "Payer", "BucketOwner"))
	add("GET", "logging", "GetBucketLogging", "s3:GetBucketLogging", none("BucketLoggingStatus"))
	add("PUT", "logging", "PutBucketLogging", "s3:PutBucketLogging", only("Server access logging", "BucketLoggingStatus", "", ""))
	add("GET", "replication", "GetBucketReplication", "s3:GetReplicationConfiguration", missing("ReplicationConfigurationNotFoundError", "The replication configuration was not found"))
	add("PUT", "replication", "PutBucketReplication", "s3:PutReplicationConfiguration", refused("Replication"))
	add("DELETE", "replication", "DeleteBucketReplication", "s3:PutReplicationConfiguration", gone)
	for _, kind := range []struct{ subresource, name, list, what string }{
		{"analytics", "Analytics", "ListBucketAnalyticsConfigurationResult", "Analytics"},
		{"inventory", "Inventory", "ListInventoryConfigurationsResult", "Inventory"},
		{"metrics", "Metrics", "ListMetricsConfigurationsResult", "Request metrics"},
		{"intelligent-tiering", "IntelligentTiering", "ListBucketIntelligentTieringConfigurationsOutput", "Intelligent tiering"},
	} {
		list := none(kind.list)
		action := "Configuration"
		add("GET", kind.subresource, "GetBucket"+kind.name+"Configuration", "s3:Get"+kind.name+action, func(c fiber.Ctx) (*controllers.Response, error) {
			if c.Query("id") != "" {
				return nil, absent("NoSuchConfiguration", "The specified configuration does not exist.")
			}
			return list(c)
		})
		add("PUT", kind.subresource, "PutBucket"+kind.name+"Configuration", "s3:Put"+kind.name+action, refused(kind.what))
		add("DELETE", kind.subresource, "DeleteBucket"+kind.name+"Configuration", "s3:Put"+kind.name+action, missing("NoSuchConfiguration", "The specified configuration does not exist."))
	}
	for _, subresource := range []string{"metadataConfiguration", "metadataTable"} {
		add("GET", subresource, "GetBucketMetadata", "s3:GetBucketMetadataTableConfiguration", missing("MetadataConfigurationNotFound", "The metadata configuration was not found"))
		add("POST", subresource, "CreateBucketMetadata", "s3:CreateBucketMetadataTableConfiguration", refused("Metadata tables"))
	}
	add("GET", "session", "CreateSession", "s3express:CreateSession", refused("Directory buckets"))
}
