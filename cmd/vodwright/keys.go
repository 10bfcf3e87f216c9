package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/iam"
)

// rootKeys authenticates requests by the one key there is.
type rootKeys struct{ root iam.Key }

func (k rootKeys) authenticate(r *http.Request, _ string) (sigv4.Identity, error) {
	return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
		return sigv4.Credential{Secret: k.root.Secret, ARN: "arn:aws:iam::" + iam.AccountID + ":root", Account: iam.AccountID}, id == k.root.ID
	})
}

// tokenSecret is what the edge makes the tokens of signed playlists with: derived
// from the root key, so that it outlives a restart without another file to keep.
func tokenSecret(root iam.Key) []byte {
	secret, err := hkdf.Key(sha256.New, []byte(root.Secret), nil, "vodwright edge tokens", 32)
	if err != nil {
		return nil // only ever for a length that cannot be made; without it there are no tokens
	}
	return secret
}
