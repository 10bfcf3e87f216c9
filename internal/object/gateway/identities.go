package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"
)

// identities answers versitygw's questions about access keys.
type identities struct {
	account string
	root    Credential
	others  Credentials
	log     *slog.Logger
}

var (
	_ auth.IAMService         = (*identities)(nil)
	_ auth.SigningKeyProvider = (*identities)(nil) // without it session keys are refused
	_ auth.FixedBucketOwner   = (*identities)(nil)
)

// find returns the access key with that id.
func (i *identities) find(id string) (Credential, error) {
	if id == i.root.AccessKeyID {
		return i.root, nil
	}
	if i.others != nil {
		// versitygw passes no context here.
		c, found, err := i.others.Credential(context.Background(), id)
		if err != nil {
			i.log.Error("look up access key", "id", id, "err", err)
			return Credential{}, s3err.GetAPIError(s3err.ErrInternalError)
		}
		if found && !c.Expires.IsZero() && time.Now().After(c.Expires) {
			return Credential{}, s3err.APIError{Code: "ExpiredToken", Description: "The provided token has expired.", HTTPStatusCode: http.StatusBadRequest}
		}
		if found {
			return c, nil
		}
	}
	return Credential{}, auth.ErrNoSuchUser
}

func accountOf(c Credential) auth.Account {
	return auth.Account{Access: c.AccessKeyID, Role: auth.RoleUser, SessionToken: c.SessionToken, IsSession: c.SessionToken != "", Arn: c.PrincipalARN}
}

func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// DeriveSigningKey implements auth.SigningKeyProvider with SigV4's derivation.
func (i *identities) DeriveSigningKey(id, token, date, region, service string) ([]byte, auth.Account, error) {
	c, err := i.find(id)
	if err != nil {
		return nil, auth.Account{}, err
	}
	if !sameToken(c.SessionToken, token) {
		return nil, auth.Account{}, auth.ErrInvalidSessionToken
	}
	key := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{date, region, service, "aws4_request"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return key, accountOf(c), nil
}

// GetUserAccount implements auth.IAMService.
func (i *identities) GetUserAccount(id string) (auth.Account, error) {
	c, err := i.find(id)
	if err != nil {
		return auth.Account{}, err
	}
	a := accountOf(c)
	a.Secret = c.SecretAccessKey
	return a, nil
}

// ResolveAccounts implements auth.IAMService: it returns the ids nobody has.
func (i *identities) ResolveAccounts(ids []string) ([]string, error) {
	var missing []string
	for _, id := range ids {
		if id == i.account {
			continue
		}
		if _, err := i.find(id); err != nil {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

// BucketOwner implements auth.FixedBucketOwner: the account owns all buckets.
func (i *identities) BucketOwner() auth.Account {
	return auth.Account{Access: i.account, Role: auth.RoleUser, Arn: "arn:aws:iam::" + i.account + ":root"}
}

// Shutdown implements auth.IAMService.
func (*identities) Shutdown() error { return nil }

// versitygw's own administration of users is not used.

// CreateAccount implements auth.IAMService.
func (*identities) CreateAccount(auth.Account) error { return errNoAdmin() }

// UpdateUserAccount implements auth.IAMService.
func (*identities) UpdateUserAccount(string, auth.MutableProps) error { return errNoAdmin() }

// DeleteUserAccount implements auth.IAMService.
func (*identities) DeleteUserAccount(string) error { return errNoAdmin() }

// ListUserAccounts implements auth.IAMService.
func (*identities) ListUserAccounts() ([]auth.Account, error) { return nil, errNoAdmin() }

func errNoAdmin() error { return s3err.GetAPIError(s3err.ErrAdminMethodNotSupported) }
