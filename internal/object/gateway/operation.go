package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

// operation is one operation of S3: how a request is told to be it, what it needs
// to be allowed, and what carries it out.
type operation struct {
	name string // of the S3 API
	// action is what the caller must be allowed on the bucket or the object;
	// version is the one in its place when the request names a version. Both
	// empty: the operation finds out itself.
	action, version string
	run             controllers.Controller
	// stream says that the body is the bytes of an object or a part, which are
	// not read before the operation does.
	stream bool
	// checks looks at the digests of a document; nil when there is none.
	checks fiber.Handler
	// signed says that no policy opens the operation to the anonymous.
	signed bool
	// reads says that the key has to exist: who may not list the bucket is not
	// told that it does not.
	reads bool
}

// level is what a request's path names.
type level uint8

const (
	onService level = iota
	onBucket
	onObject
)

// route is what tells an operation: method, level and subresource, the one query
// parameter that changes what the request is about.
type route struct {
	method      string
	level       level
	subresource string
}

// Subresources of buckets and objects, by level. One that is not here is no
// subresource: S3 ignores unknown parameters.
func subresources(l level) []string {
	switch l {
	case onBucket:
		return []string{
			"accelerate", "acl", "analytics", "cors", "delete", "encryption", "intelligent-tiering", "inventory", "lifecycle", "location",
			"logging", "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "policy",
			"policyStatus", "publicAccessBlock", "replication", "requestPayment", "session", "tagging", "uploads", "versioning", "versions", "website",
		}
	case onObject:
		return []string{"acl", "attributes", "legal-hold", "restore", "retention", "select", "tagging", "torrent", "uploadId", "uploads"}
	}
	return nil
}

// find returns the operation that a request is, or S3's error for one that is none.
func (g *Gateway) find(c fiber.Ctx, l level) (*operation, error) {
	query := c.Request().URI().QueryArgs()
	var named []string
	if query.Len() > 0 {
		all := subresources(l)
		for k := range query.All() {
			if name := string(k); slices.Contains(all, name) && !slices.Contains(named, name) {
				named = append(named, name)
			}
		}
	}
	// Two at once would be decided as one and carried out as the other.
	if len(named) > 1 {
		slices.Sort(named)
		return nil, s3err.APIError{
			Code: "InvalidArgument", HTTPStatusCode: http.StatusBadRequest,
			Description: "Conflicting query string parameters: " + strings.Join(named, ", "),
		}
	}
	r := route{method: c.Method(), level: l}
	if len(named) > 0 {
		r.subresource = named[0]
	}
	copied := c.Get("X-Amz-Copy-Source") != ""
	switch {
	case copied && (l != onObject || r.method != http.MethodPut || r.subresource != "" && r.subresource != "uploadId"):
		return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySource, c.Get("X-Amz-Copy-Source"))
	case l == onObject && r.method == http.MethodPut && query.Has("partNumber") != (r.subresource == "uploadId"):
		if r.subresource == "uploadId" {
			return nil, s3err.GetMethodNotAllowedErr(http.MethodPut, s3err.ResourceTypeUpload, []string{http.MethodDelete, http.MethodPost, http.MethodGet})
		}
		return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgMissingUploadId, "partNumber")
	case copied && r.subresource == "uploadId":
		return &g.uploadPartCopy, nil
	case copied:
		return &g.copyObject, nil
	case r == (route{http.MethodGet, onBucket, ""}) && c.Query("list-type") == "2":
		return &g.listObjectsV2, nil
	}
	if o := g.operations[r]; o != nil {
		return o, nil
	}
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if g.operations[route{m, l, r.subresource}] != nil {
			return nil, s3err.GetMethodNotAllowedErr(r.method, s3err.ResourceTypeBucket, nil)
		}
	}
	return nil, notImplemented("The subresource " + r.subresource)
}

// route fills the table of operations. Source: S3 API reference; the actions are
// those of "Actions, resources, and condition keys for Amazon S3".
func (g *Gateway) route(ctrl controllers.S3ApiController) {
	document := middlewares.VerifyChecksums(false, true, false)
	digested := middlewares.VerifyChecksums(false, true, true) // S3 wants a digest
	optional := middlewares.VerifyChecksums(false, false, false)
	bytes := middlewares.VerifyChecksums(true, false, false)
	t := map[route]*operation{
		{"GET", onService, ""}: {name: "ListBuckets", action: "s3:ListAllMyBuckets", run: ctrl.ListBuckets, signed: true},

		{"PUT", onBucket, ""}:    {name: "CreateBucket", action: "s3:CreateBucket", run: ctrl.CreateBucket, checks: optional, signed: true},
		{"HEAD", onBucket, ""}:   {name: "HeadBucket", action: "s3:ListBucket", run: ctrl.HeadBucket},
		{"GET", onBucket, ""}:    {name: "ListObjects", action: "s3:ListBucket", run: ctrl.ListObjects},
		{"DELETE", onBucket, ""}: {name: "DeleteBucket", action: "s3:DeleteBucket", run: ctrl.DeleteBucket},
		{"POST", onBucket, ""}:   {name: "PostObject", run: ctrl.POSTObject},

		{"POST", onBucket, "delete"}:  {name: "DeleteObjects", run: ctrl.DeleteObjects, checks: digested},
		{"GET", onBucket, "uploads"}:  {name: "ListMultipartUploads", action: "s3:ListBucketMultipartUploads", run: ctrl.ListMultipartUploads},
		{"GET", onBucket, "versions"}: {name: "ListObjectVersions", action: "s3:ListBucketVersions", run: ctrl.ListObjectVersions},
		{"GET", onBucket, "location"}: {name: "GetBucketLocation", action: "s3:GetBucketLocation", run: ctrl.GetBucketLocation},

		{"PUT", onBucket, "tagging"}:    {name: "PutBucketTagging", action: "s3:PutBucketTagging", run: ctrl.PutBucketTagging, checks: digested},
		{"GET", onBucket, "tagging"}:    {name: "GetBucketTagging", action: "s3:GetBucketTagging", run: ctrl.GetBucketTagging},
		{"DELETE", onBucket, "tagging"}: {name: "DeleteBucketTagging", action: "s3:PutBucketTagging", run: ctrl.DeleteBucketTagging},

		{"PUT", onBucket, "ownershipControls"}:    {name: "PutBucketOwnershipControls", action: "s3:PutBucketOwnershipControls", run: ctrl.PutBucketOwnershipControls, checks: document, signed: true},
		{"GET", onBucket, "ownershipControls"}:    {name: "GetBucketOwnershipControls", action: "s3:GetBucketOwnershipControls", run: ctrl.GetBucketOwnershipControls, signed: true},
		{"DELETE", onBucket, "ownershipControls"}: {name: "DeleteBucketOwnershipControls", action: "s3:PutBucketOwnershipControls", run: ctrl.DeleteBucketOwnershipControls, signed: true},

		{"PUT", onBucket, "versioning"}: {name: "PutBucketVersioning", action: "s3:PutBucketVersioning", run: g.putVersioning(ctrl.PutBucketVersioning), checks: document},
		{"GET", onBucket, "versioning"}: {name: "GetBucketVersioning", action: "s3:GetBucketVersioning", run: ctrl.GetBucketVersioning},

		{"PUT", onBucket, "cors"}:    {name: "PutBucketCors", action: "s3:PutBucketCORS", run: ctrl.PutBucketCors, checks: digested},
		{"GET", onBucket, "cors"}:    {name: "GetBucketCors", action: "s3:GetBucketCORS", run: ctrl.GetBucketCors},
		{"DELETE", onBucket, "cors"}: {name: "DeleteBucketCors", action: "s3:PutBucketCORS", run: ctrl.DeleteBucketCors},

		{"PUT", onBucket, "policy"}:       {name: "PutBucketPolicy", action: "s3:PutBucketPolicy", run: g.putPolicy, checks: optional, signed: true},
		{"GET", onBucket, "policy"}:       {name: "GetBucketPolicy", action: "s3:GetBucketPolicy", run: ctrl.GetBucketPolicy, signed: true},
		{"DELETE", onBucket, "policy"}:    {name: "DeleteBucketPolicy", action: "s3:DeleteBucketPolicy", run: ctrl.DeleteBucketPolicy, signed: true},
		{"GET", onBucket, "policyStatus"}: {name: "GetBucketPolicyStatus", action: "s3:GetBucketPolicyStatus", run: g.getPolicyStatus, signed: true},

		{"PUT", onBucket, "acl"}: {name: "PutBucketAcl", action: "s3:PutBucketAcl", run: g.putACL, checks: optional, signed: true},
		{"GET", onBucket, "acl"}: {name: "GetBucketAcl", action: "s3:GetBucketAcl", run: g.getACL},

		{"PUT", onBucket, "publicAccessBlock"}:    {name: "PutPublicAccessBlock", action: "s3:PutBucketPublicAccessBlock", run: g.putPublicAccessBlock, checks: document, signed: true},
		{"GET", onBucket, "publicAccessBlock"}:    {name: "GetPublicAccessBlock", action: "s3:GetBucketPublicAccessBlock", run: g.getPublicAccessBlock, signed: true},
		{"DELETE", onBucket, "publicAccessBlock"}: {name: "DeletePublicAccessBlock", action: "s3:PutBucketPublicAccessBlock", run: g.remove(documentPublicAccess), signed: true},

		{"PUT", onBucket, "notification"}: {name: "PutBucketNotificationConfiguration", action: "s3:PutBucketNotification", run: g.putNotification, checks: document, signed: true},
		{"GET", onBucket, "notification"}: {name: "GetBucketNotificationConfiguration", action: "s3:GetBucketNotification", run: g.getNotification, signed: true},

		{"PUT", onBucket, "lifecycle"}:    {name: "PutBucketLifecycleConfiguration", action: "s3:PutLifecycleConfiguration", run: g.putLifecycle, checks: document, signed: true},
		{"GET", onBucket, "lifecycle"}:    {name: "GetBucketLifecycleConfiguration", action: "s3:GetLifecycleConfiguration", run: g.getLifecycle, signed: true},
		{"DELETE", onBucket, "lifecycle"}: {name: "DeleteBucketLifecycle", action: "s3:PutLifecycleConfiguration", run: g.remove(documentLifecycle), signed: true},

		{"PUT", onBucket, "encryption"}:    {name: "PutBucketEncryption", action: "s3:PutEncryptionConfiguration", run: g.putEncryption, checks: document, signed: true},
		{"GET", onBucket, "encryption"}:    {name: "GetBucketEncryption", action: "s3:GetEncryptionConfiguration", run: g.getEncryption, signed: true},
		{"DELETE", onBucket, "encryption"}: {name: "DeleteBucketEncryption", action: "s3:PutEncryptionConfiguration", run: g.remove(documentEncryption), signed: true},

		{"PUT", onBucket, "object-lock"}: {name: "PutObjectLockConfiguration", action: "s3:PutBucketObjectLockConfiguration", run: ctrl.PutObjectLockConfiguration, checks: digested},
		{"GET", onBucket, "object-lock"}: {name: "GetObjectLockConfiguration", action: "s3:GetBucketObjectLockConfiguration", run: ctrl.GetObjectLockConfiguration},

		{"HEAD", onObject, ""}:          {name: "HeadObject", action: "s3:GetObject", version: "s3:GetObjectVersion", run: encrypted(ctrl.HeadObject), reads: true},
		{"GET", onObject, ""}:           {name: "GetObject", action: "s3:GetObject", version: "s3:GetObjectVersion", run: encrypted(ctrl.GetObject), reads: true},
		{"GET", onObject, "attributes"}: {name: "GetObjectAttributes", action: "s3:GetObjectAttributes", version: "s3:GetObjectVersionAttributes", run: ctrl.GetObjectAttributes, reads: true},
		{"PUT", onObject, ""}:           {name: "PutObject", action: "s3:PutObject", run: encrypted(ctrl.PutObject), stream: true, checks: bytes},
		{"DELETE", onObject, ""}:        {name: "DeleteObject", action: "s3:DeleteObject", version: "s3:DeleteObjectVersion", run: ctrl.DeleteObject},

		{"GET", onObject, "acl"}: {name: "GetObjectAcl", action: "s3:GetObjectAcl", version: "s3:GetObjectVersionAcl", run: ctrl.GetObjectAcl, reads: true},
		{"PUT", onObject, "acl"}: {name: "PutObjectAcl", action: "s3:PutObjectAcl", version: "s3:PutObjectVersionAcl", run: g.putACL, checks: optional, signed: true},

		{"PUT", onObject, "tagging"}:    {name: "PutObjectTagging", action: "s3:PutObjectTagging", version: "s3:PutObjectVersionTagging", run: ctrl.PutObjectTagging, checks: document},
		{"GET", onObject, "tagging"}:    {name: "GetObjectTagging", action: "s3:GetObjectTagging", version: "s3:GetObjectVersionTagging", run: ctrl.GetObjectTagging, reads: true},
		{"DELETE", onObject, "tagging"}: {name: "DeleteObjectTagging", action: "s3:DeleteObjectTagging", version: "s3:DeleteObjectVersionTagging", run: ctrl.DeleteObjectTagging},

		{"POST", onObject, "uploads"}:    {name: "CreateMultipartUpload", action: "s3:PutObject", run: encrypted(ctrl.CreateMultipartUpload), signed: true},
		{"PUT", onObject, "uploadId"}:    {name: "UploadPart", action: "s3:PutObject", run: encrypted(ctrl.UploadPart), stream: true, checks: bytes},
		{"GET", onObject, "uploadId"}:    {name: "ListParts", action: "s3:ListMultipartUploadParts", run: ctrl.ListParts},
		{"POST", onObject, "uploadId"}:   {name: "CompleteMultipartUpload", action: "s3:PutObject", run: encrypted(ctrl.CompleteMultipartUpload)},
		{"DELETE", onObject, "uploadId"}: {name: "AbortMultipartUpload", action: "s3:AbortMultipartUpload", run: ctrl.AbortMultipartUpload},
	}
	g.settings(t, document)
	// Known to S3 and to nobody here: answered by name, to those who might.
	for _, r := range []route{
		{"GET", onObject, "torrent"},
		{"POST", onObject, "select"},
		{"POST", onObject, "restore"},
		{"GET", onObject, "retention"},
		{"PUT", onObject, "retention"},
		{"GET", onObject, "legal-hold"},
		{"PUT", onObject, "legal-hold"},
	} {
		t[r] = &operation{name: r.method + " ?" + r.subresource, action: "s3:GetObject", signed: true, run: func(fiber.Ctx) (*controllers.Response, error) {
			return &controllers.Response{}, notImplemented("The subresource " + r.subresource)
		}}
	}
	g.operations = t
	g.listObjectsV2 = operation{name: "ListObjectsV2", action: "s3:ListBucket", run: ctrl.ListObjectsV2}
	g.copyObject = operation{name: "CopyObject", action: "s3:PutObject", run: encrypted(ctrl.CopyObject), signed: true, reads: true}
	g.uploadPartCopy = operation{name: "UploadPartCopy", action: "s3:PutObject", run: encrypted(ctrl.UploadPartCopy), signed: true, reads: true}
	g.preflight = operation{name: "Options", run: ctrl.CORSOptions}
}
