package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Call sends a request signed with the root key and decodes the JSON or XML answer
// into out, unless it is nil. It is for what no SDK here knows.
func (s *Server) Call(ctx context.Context, service, method, path string, body []byte, out any) error {
	return s.CallTarget(ctx, service, method, path, "", body, out)
}

// CallTarget is Call for the JSON protocol, which names the operation in a header.
func (s *Server) CallTarget(ctx context.Context, service, method, path, target string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	isXML := bytes.HasPrefix(body, []byte("<"))
	if len(body) > 0 {
		req.Header.Set("Content-Type", map[bool]string{true: "application/xml", false: "application/json"}[isXML])
	}
	if target != "" {
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", target)
	}
	key, err := s.Key(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, key, req, hex.EncodeToString(sum[:]), service, Region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.1000s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	decode := json.Unmarshal
	if bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		decode = xml.Unmarshal
	}
	if err := decode(answer, out); err != nil {
		return fmt.Errorf("decode the answer of %s %s: %w", method, path, err)
	}
	return nil
}
