package cloudfront

import (
	"net/http"

	"vodwright.dev/vodwright/internal/fault"
)

// words are what the API calls a kind of resource and its errors.
type words struct {
	noun         string
	missing      string // code of a request that names one that is not there
	dangling     string // code of a configuration that refers to one that is not there
	taken, inUse string
}

func wordsOf(k Kind) words {
	switch k {
	case KindOriginAccessControl:
		return words{noun: "origin access control", missing: "NoSuchOriginAccessControl", dangling: "InvalidOriginAccessControl", taken: "OriginAccessControlAlreadyExists", inUse: "OriginAccessControlInUse"}
	case KindCachePolicy:
		return words{noun: "cache policy", missing: "NoSuchCachePolicy", dangling: "NoSuchCachePolicy", taken: "CachePolicyAlreadyExists", inUse: "CachePolicyInUse"}
	case KindOriginRequestPolicy:
		return words{noun: "origin request policy", missing: "NoSuchOriginRequestPolicy", dangling: "NoSuchOriginRequestPolicy", taken: "OriginRequestPolicyAlreadyExists", inUse: "OriginRequestPolicyInUse"}
	case KindResponseHeadersPolicy:
		return words{noun: "response headers policy", missing: "NoSuchResponseHeadersPolicy", dangling: "NoSuchResponseHeadersPolicy", taken: "ResponseHeadersPolicyAlreadyExists", inUse: "ResponseHeadersPolicyInUse"}
	case KindPublicKey:
		return words{noun: "public key", missing: "NoSuchPublicKey", dangling: "InvalidArgument", taken: "PublicKeyAlreadyExists", inUse: "PublicKeyInUse"}
	case KindKeyGroup:
		return words{noun: "key group", missing: "NoSuchResource", dangling: "TrustedKeyGroupDoesNotExist", taken: "KeyGroupAlreadyExists", inUse: "ResourceInUse"}
	case KindWebACL:
		return words{noun: "web ACL", missing: "WAFNonexistentItemException", dangling: "InvalidWebACLId", taken: "WAFDuplicateItemException", inUse: "WAFAssociatedItemException"}
	}
	return words{noun: "distribution", missing: "NoSuchDistribution", dangling: "NoSuchDistribution", taken: "DistributionAlreadyExists", inUse: "ResourceInUse"}
}

// NoSuch is the error of a request that names what is not there.
func NoSuch(k Kind) error {
	w := wordsOf(k)
	return fault.New(fault.NotFound, w.missing, "The specified %s does not exist.", w.noun)
}

// Missing is the error of a configuration that refers to what is not there.
func Missing(r Reference) error {
	w := wordsOf(r.Kind)
	kind := fault.Invalid
	if w.dangling == w.missing {
		kind = fault.NotFound
	}
	return fault.New(kind, w.dangling, "The %s %q does not exist.", w.noun, r.ID)
}

// Taken is the error of a name, or a caller reference, that another resource of the kind has.
func Taken(k Kind, name string) error {
	w := wordsOf(k)
	return fault.New(fault.Conflict, w.taken, "A %s with the name or caller reference %q already exists.", w.noun, name)
}

// InUse is the error of a deletion of what a configuration refers to.
func InUse(k Kind) error {
	w := wordsOf(k)
	return fault.New(fault.Conflict, w.inUse, "The %s is in use.", w.noun).
		WithHint("remove it from the configurations that refer to it first")
}

// TakenAlias is the error of an alias that another distribution has.
func TakenAlias(alias string) error {
	return fault.New(fault.Conflict, "CNAMEAlreadyExists", "One or more of the CNAMEs you provided are already associated with a different resource: %s", alias)
}

// errorCode gives the code and status of an error. Codes of this API say more
// than a kind does; those of the table have a status of their own.
func errorCode(f *fault.Error) (string, int) {
	var code string
	status := f.Kind.HTTPStatus()
	switch f.Kind {
	case fault.Invalid:
		code = "InvalidArgument"
	case fault.NotFound:
		code = "NoSuchResource"
	case fault.Denied:
		code = "AccessDenied"
	case fault.Conflict:
		code = "PreconditionFailed"
	case fault.Unavailable:
		code = "ServiceUnavailable"
	case fault.Limit:
		code, status = "LimitExceeded", http.StatusBadRequest
	default:
		code, status = "InternalError", http.StatusInternalServerError
	}
	if f.Code != "" && f.Kind != fault.Internal {
		code = f.Code
	}
	switch code {
	case "PreconditionFailed":
		status = http.StatusPreconditionFailed
	case "NoSuchOrigin":
		status = http.StatusNotFound
	}
	return code, status
}
