package cloudfront

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func publicKeys() kindOf[cf.PublicKeyConfig] {
	return kindOf[cf.PublicKeyConfig]{
		kind:   KindPublicKey,
		newID:  func() string { return newID("K") },
		name:   func(c *cf.PublicKeyConfig) string { return value(c.Name) },
		caller: func(c *cf.PublicKeyConfig) string { return value(c.CallerReference) },
		check: func(c *cf.PublicKeyConfig) error {
			if err := checkPolicyName(c.Name, c.Comment); err != nil {
				return err
			}
			if ref := value(c.CallerReference); ref == "" || len(ref) > 128 {
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter CallerReference must have 1 to 128 characters.")
			}
			_, err := parseKey(value(c.EncodedKey))
			return err
		},
		change: func(was, is *cf.PublicKeyConfig) error {
			if value(was.EncodedKey) != value(is.EncodedKey) || value(was.CallerReference) != value(is.CallerReference) || value(was.Name) != value(is.Name) {
				return fault.New(fault.Invalid, "CannotChangeImmutablePublicKeyFields", "You can't change the value of a public key: only its Comment.").
					WithHint("make another public key and put it into the key group")
			}
			return nil
		},
	}
}

// parseKey reads a public key of a signer: RSA of 2048 bits or ECDSA on P-256, in PEM
// ("Create key pairs for your signers" in the Developer Guide).
func parseKey(text string) (crypto.PublicKey, error) {
	bad := func(why string) error {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter EncodedKey %s.", why).
			WithHint("openssl rsa -pubout -in private_key.pem, of a 2048 bit RSA key, or openssl ec -pubout of one on prime256v1")
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, bad("is no PEM document")
	case strings.TrimSpace(string(rest)) != "":
		return nil, bad("has more than one key")
	case block.Type != "PUBLIC KEY":
		return nil, bad("is not a PUBLIC KEY")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, bad("is not a public key in PKIX form")
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() == 2048 {
			return k, nil
		}
		return nil, bad("is an RSA key whose size is not 2048 bits")
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return k, nil
		}
	}
	return nil, bad("is neither an RSA key nor an ECDSA key on P-256")
}

func publicKey(i item[cf.PublicKeyConfig]) *cf.PublicKey {
	return &cf.PublicKey{Id: &i.ID, CreatedTime: awsapi.At(i.Created), PublicKeyConfig: i.config}
}

func (s *server) createPublicKey(ctx context.Context, call *apiserver.Call, in *cf.CreatePublicKeyRequest) (*cf.CreatePublicKeyResult, error) {
	i, err := publicKeys().create(ctx, s, call, in.PublicKeyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreatePublicKeyResult{PublicKey: publicKey(i), ETag: &i.ETag, Location: location(call, "public-key/"+i.ID)}, nil
}

func (s *server) getPublicKey(ctx context.Context, _ *apiserver.Call, in *cf.GetPublicKeyRequest) (*cf.GetPublicKeyResult, error) {
	i, err := publicKeys().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetPublicKeyResult{PublicKey: publicKey(i), ETag: &i.ETag}, nil
}

func (s *server) getPublicKeyConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetPublicKeyConfigRequest) (*cf.GetPublicKeyConfigResult, error) {
	i, err := publicKeys().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetPublicKeyConfigResult{PublicKeyConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updatePublicKey(ctx context.Context, call *apiserver.Call, in *cf.UpdatePublicKeyRequest) (*cf.UpdatePublicKeyResult, error) {
	i, err := publicKeys().update(ctx, s, call, in.Id, in.IfMatch, in.PublicKeyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdatePublicKeyResult{PublicKey: publicKey(i), ETag: &i.ETag}, nil
}

func (s *server) deletePublicKey(ctx context.Context, _ *apiserver.Call, in *cf.DeletePublicKeyRequest) (*cf.DeletePublicKeyOutput, error) {
	return &cf.DeletePublicKeyOutput{}, publicKeys().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listPublicKeys(ctx context.Context, _ *apiserver.Call, in *cf.ListPublicKeysRequest) (*cf.ListPublicKeysResult, error) {
	p, err := publicKeys().list(ctx, s, "", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.PublicKeyList{MaxItems: new(int32(p.size)), NextMarker: p.next, Quantity: new(int32(len(p.items))), Items: []*cf.PublicKeySummary{}}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.PublicKeySummary{
			Id: &i.ID, Name: i.config.Name, Comment: i.config.Comment, EncodedKey: i.config.EncodedKey, CreatedTime: awsapi.At(i.Created),
		})
	}
	return &cf.ListPublicKeysResult{PublicKeyList: out}, nil
}
