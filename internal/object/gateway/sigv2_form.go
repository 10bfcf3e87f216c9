package gateway

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// formHead is how much of a form is looked at for its fields, in bytes; S3 takes
// 20 KB of them.
const formHead = 64 << 10

// authenticateForm says who signed a form upload, nobody being no error: with
// SigV4, which versitygw knows, or with SigV2, in which boto3 and the AWS CLI v1
// sign forms in us-east-1. Source: S3 developer guide, "Browser-based uploads
// using POST (AWS signature version 2)".
func (g *Gateway) authenticateForm(c fiber.Ctx) error {
	stream := c.Request().BodyStream()
	_, params, err := mime.ParseMediaType(c.Get("Content-Type"))
	if stream == nil || err != nil || params["boundary"] == "" {
		return g.verifyForm(c)
	}
	body := bufio.NewReaderSize(stream, formHead)
	head, _ := body.Peek(formHead) // the error is that the form is shorter
	length := c.Request().Header.ContentLength()
	c.Request().SetBodyStream(body, length)
	if !hasField(head, params["boundary"], "AWSAccessKeyId") {
		return g.verifyForm(c)
	}
	form, err := utils.NewMultipartParser(body, params["boundary"], int64(length))
	if err != nil {
		return err
	}
	parsed, err := form.Parse()
	if err != nil {
		return err
	}
	fields := parsed.Fields
	for _, name := range []string{"key", "policy", "signature"} {
		if fields[name] == "" {
			return s3err.PostAuth.MissingField(name)
		}
	}
	if !utils.IsObjectNameValid(fields["key"]) {
		return s3err.GetAPIError(s3err.ErrBadRequest)
	}
	id := fields["awsaccesskeyid"]
	credential, err := g.iam.find(id)
	if errors.Is(err, auth.ErrNoSuchUser) {
		return s3err.GetInvalidAccessKeyIdErr(id)
	}
	if err != nil {
		return err
	}
	m := hmac.New(sha1.New, []byte(credential.SecretAccessKey))
	m.Write([]byte(fields["policy"]))
	want := base64.StdEncoding.EncodeToString(m.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(fields["signature"])) != 1 {
		return s3err.GetSignatureDoesNotMatchErr(id, fields["policy"], fields["signature"], utils.HexBytes(fields["policy"]), "", "")
	}
	if !sameToken(credential.SessionToken, fields["x-amz-security-token"]) {
		return s3err.GetAPIError(s3err.ErrInvalidToken)
	}
	delete(fields, "awsaccesskeyid") // these two no policy covers
	delete(fields, "signature")
	c.RequestCtx().SetUserValue(sigV2{}, true)
	utils.ContextKeyAccount.Set(c, accountOf(credential))
	utils.ContextKeyIsRoot.Set(c, id == g.cfg.Root.AccessKeyID)
	utils.ContextKeyAuthenticated.Set(c, true)
	utils.ContextKeyObjectPostResult.Set(c, middlewares.PostObjectResult{Fields: fields, FileRdr: parsed.FileRdr, ContentLength: parsed.ContentLength})
	return nil
}

// hasField reports whether a form, of which head is the beginning, has a field
// before its file.
func hasField(head []byte, boundary, name string) bool {
	form := multipart.NewReader(bytes.NewReader(head), boundary)
	for {
		part, err := form.NextRawPart()
		switch {
		case err != nil || strings.EqualFold(part.FormName(), "file"):
			return false
		case strings.EqualFold(part.FormName(), name):
			return true
		}
	}
}
