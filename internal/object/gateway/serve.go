package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
)

// app builds the fiber app whose handlers versitygw's are: it routes by bucket
// and key alone, the rest is find's.
func (g *Gateway) app() *fiber.App {
	app := fiber.New(fiber.Config{StreamRequestBody: true, ErrorHandler: g.failed})
	app.Use(middlewares.DrainRequestBody(), middlewares.RequestIDs(), middlewares.RateLimiter(maxRequests, nil, nil), g.prepare)
	for l, path := range []string{onService: "/", onBucket: "/:bucket", onObject: "/:bucket/*"} {
		app.All(path, func(c fiber.Ctx) error { return g.serve(c, level(l)) })
	}
	return app
}

// failed answers what no operation did: a request that fiber can not route.
func (g *Gateway) failed(c fiber.Ctx, err error) error {
	return g.respond(c, "", func(fiber.Ctx) (*controllers.Response, error) {
		if code, ok := err.(*fiber.Error); ok && code.Code < http.StatusInternalServerError {
			return &controllers.Response{}, s3err.GetMethodNotAllowedErr(c.Method(), s3err.ResourceTypeService, nil)
		}
		g.log.ErrorContext(c.RequestCtx(), "S3 request failed", "err", err)
		return &controllers.Response{}, s3err.GetAPIError(s3err.ErrInternalError)
	})
}

// prepare makes the path what the request names, decoded, whatever the host says.
func (g *Gateway) prepare(c fiber.Ctx) error {
	utils.ContextKeyRegion.Set(c, g.cfg.Region)
	utils.ContextKeyStartTime.Set(c, time.Now())
	utils.ContextKeyRootAccessKey.Set(c, g.cfg.Root.AccessKeyID)
	utils.ContextKeyAccount.Set(c, auth.Account{})
	utils.ContextKeyIsRoot.Set(c, false)
	uri := c.Request().URI()
	original := string(uri.PathOriginal())
	path, err := url.PathUnescape(original)
	if err != nil {
		return g.respond(c, "", func(fiber.Ctx) (*controllers.Response, error) {
			return &controllers.Response{}, s3err.APIError{Code: "InvalidURI", Description: "Couldn't parse the specified URI.", HTTPStatusCode: http.StatusBadRequest}
		})
	}
	if bucket := g.bucketOfHost(string(c.Request().Host())); bucket != "" {
		// The signature is over the path as it was sent, which versitygw reads
		// from this key.
		utils.ContextKey("original-uri-path").Set(c, path)
		if original == "/" {
			original, path = "", ""
		}
		uri.SetPath("/" + bucket + original)
		path = "/" + bucket + path
	}
	c.Path(path)
	return c.Next()
}

// respond has versitygw write what run gives.
func (g *Gateway) respond(c fiber.Ctx, name string, run controllers.Controller) error {
	return controllers.ProcessController(c, run, name, new(controllers.Services))
}

// call is a request on its way to its operation.
type call struct {
	fiber.Ctx
	op          *operation
	bucket, key string
	who         sigv4.Identity // zero when nobody signed
	authType    string         // as s3:authType has it
}

// serve carries out one request: which operation, who asks, may they, do it.
func (g *Gateway) serve(c fiber.Ctx, l level) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.log.ErrorContext(c.RequestCtx(), "S3 request panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = g.respond(c, "", func(fiber.Ctx) (*controllers.Response, error) {
				return &controllers.Response{}, s3err.GetAPIError(s3err.ErrInternalError)
			})
		}
	}()
	r := &call{Ctx: c}
	r.bucket, r.key, _ = strings.Cut(strings.TrimPrefix(c.Path(), "/"), "/")
	switch {
	case r.key == "" && l == onObject:
		l = onBucket // a slash after the bucket's name
	case r.key != "" && l != onObject, r.bucket != c.Params("bucket"):
		l = onService // not what the router saw; nothing is served
	}
	return g.respond(c, "", func(fiber.Ctx) (*controllers.Response, error) {
		if l == onService && r.bucket != "" {
			return &controllers.Response{}, s3err.APIError{Code: "InvalidURI", Description: "Couldn't parse the specified URI.", HTTPStatusCode: http.StatusBadRequest}
		}
		if c.Method() == http.MethodOptions {
			return g.optionsOf(c, l)
		}
		out, err := g.do(r, l)
		if err != nil {
			err = asS3(c.RequestCtx(), g.log, err)
		}
		if out == nil {
			out = &controllers.Response{}
		}
		return out, err
	})
}

// optionsOf answers a browser's preflight, which nobody signs.
func (g *Gateway) optionsOf(c fiber.Ctx, l level) (*controllers.Response, error) {
	if l == onService {
		return &controllers.Response{}, s3err.GetMethodNotAllowedErr(c.Method(), s3err.ResourceTypeService, nil)
	}
	if _, err := g.back.bucket(c.RequestCtx(), c.Params("bucket")); err != nil {
		return &controllers.Response{}, err
	}
	utils.ContextKeyParsedAcl.Set(c, auth.ACL{Owner: g.cfg.AccountID})
	return g.preflight.run(c)
}

func (g *Gateway) do(r *call, l level) (*controllers.Response, error) {
	op, err := g.find(r.Ctx, l)
	if err != nil {
		return nil, err
	}
	r.op = op
	if l != onService {
		if err := middlewares.BucketObjectNameValidator()(r.Ctx); err != nil {
			return nil, err
		}
		if err := g.cors(r.Ctx); err != nil {
			return nil, err
		}
		if op.name == "HeadBucket" {
			r.Response().Header.Set("x-amz-bucket-region", g.cfg.Region) // with an error too
		}
	}
	if err := g.authenticate(r); err != nil {
		return nil, err
	}
	b, err := g.subject(r, l)
	if err != nil {
		return nil, err
	}
	if err := g.authorise(r, b); err != nil {
		return nil, err
	}
	if r.who.AccessKeyID == "" {
		// Allowed by our decision; versitygw reads an anonymous body here.
		if err := g.anonymous[op.stream](r.Ctx); err != nil {
			return nil, err
		}
	}
	if op.checks != nil {
		if err := op.checks(r.Ctx); err != nil {
			return nil, err
		}
	}
	// Who got here may: versitygw's own decision is to allow.
	account := utils.ContextKeyAccount.Get(r.Ctx).(auth.Account)
	account.Role = auth.RoleAdmin
	utils.ContextKeyAccount.Set(r.Ctx, account)
	utils.ContextKeyParsedAcl.Set(r.Ctx, auth.ACL{Owner: g.cfg.AccountID})
	out, err := op.run(r.Ctx)
	if err != nil && op.reads {
		err = g.missing(r, b, err)
	}
	return out, err
}

// authenticate says who signed, in r. Nobody is no error.
func (g *Gateway) authenticate(r *call) error {
	c := r.Ctx
	switch {
	case utils.IsPresignedURLAuth(c) && c.Get("Authorization") != "":
		return s3err.APIError{
			Code: "InvalidArgument", HTTPStatusCode: http.StatusBadRequest,
			Description: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
		}
	case r.op.name == "PostObject":
		if err := g.authenticateForm(c); err != nil {
			return err
		}
		if !utils.ContextKeyAuthenticated.IsSet(c) {
			return nil
		}
		r.authType = "POST"
	case utils.IsPresignedURLAuth(c):
		if err := g.verifyPresigned[r.op.stream](c); err != nil {
			return err
		}
		r.authType = "REST-QUERY-STRING"
	case c.Get("Authorization") != "":
		verify := g.verify[r.op.stream]
		if r.op.name == "ListBuckets" {
			verify = g.verifyAnyRegion
		}
		if err := verify(c); err != nil {
			return err
		}
		r.authType = "REST-HEADER"
	default:
		if r.op.signed {
			return s3err.GetAPIError(s3err.ErrAccessDenied)
		}
		return nil
	}
	account := utils.ContextKeyAccount.Get(c).(auth.Account)
	if account.Access == g.cfg.Root.AccessKeyID {
		account.Arn = "arn:aws:iam::" + g.cfg.AccountID + ":root"
		utils.ContextKeyAccount.Set(c, account)
	}
	c.RequestCtx().SetUserValue(whoKey{}, account.Arn)
	r.who = sigv4.Identity{
		AccessKeyID: account.Access, ARN: account.Arn, Account: g.cfg.AccountID,
		Region: g.cfg.Region, Service: "s3", Presigned: r.authType == "REST-QUERY-STRING",
	}
	return nil
}

// verifiers are versitygw's checks of signatures, by whether the body is a stream.
func (g *Gateway) verifiers() {
	root := middlewares.RootUserConfig{Access: g.cfg.Root.AccessKeyID, Secret: g.cfg.Root.SecretAccessKey}
	region := g.cfg.Region
	g.verify, g.verifyPresigned, g.anonymous = map[bool]fiber.Handler{}, map[bool]fiber.Handler{}, map[bool]fiber.Handler{}
	for _, stream := range []bool{false, true} {
		g.verify[stream] = middlewares.VerifyV4Signature(root, g.iam, region, stream, true, false)
		g.verifyPresigned[stream] = middlewares.VerifyPresignedV4Signature(root, g.iam, region, stream)
		g.anonymous[stream] = middlewares.AuthorizePublicBucketAccess(everyone{g.back}, "", auth.GetObjectAction, auth.PermissionRead, region, stream)
	}
	g.verifyAnyRegion = middlewares.VerifyV4Signature(root, g.iam, region, false, true, true)
	g.verifyForm = middlewares.AuthorizePostObject(root, g.iam, region)
	g.cors = middlewares.ApplyBucketCORS(g.back, middlewares.BucketFromPath, "")
}

// everyone is a back end that has let everyone in: what is left of versitygw's
// check of anonymous requests is the check of their body.
type everyone struct{ backend.Backend }

func (everyone) GetBucketPolicy(context.Context, string) ([]byte, error) {
	return []byte(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::*"}]}`), nil
}
