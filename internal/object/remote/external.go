package remote

import (
	"net/url"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// External is where in an external S3 the bytes are, and how it is reached.
type External struct {
	Endpoint string // base URL; "" is AWS's own of the region
	Bucket   string
	Prefix   string // within the bucket, without slashes at its ends; "" is the whole bucket
	Region   string // "" is us-east-1
	// The access key; empty takes what AWS's SDKs take: the environment, the profile, the
	// role of the machine.
	AccessKeyID, SecretAccessKey, SessionToken string
	// VirtualHost has the bucket in the host's name, not in the path.
	VirtualHost bool
	// Patience is how long a request tries again while the external S3 fails; 0 is 25 s,
	// well below the minute that clients wait.
	Patience time.Duration
}

// ParseExternal reads http(s)://[KEY:SECRET@]HOST[:PORT]/BUCKET[/PREFIX] or, for AWS's own,
// s3://BUCKET[/PREFIX].
func ParseExternal(text string) (External, error) {
	hint := "give http(s)://KEY:SECRET@HOST:PORT/BUCKET/PREFIX, or s3://BUCKET/PREFIX for AWS's own"
	bad := func(why string) (External, error) {
		return External{}, fault.New(fault.Invalid, "", "--s3: %s", why).WithHint("%s", hint)
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("it is not a URL") // its text may hold the secret
	}
	p := External{}
	path := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "s3":
		p.Bucket, p.Prefix = u.Host, path
	case "http", "https":
		p.Endpoint = u.Scheme + "://" + u.Host
		p.Bucket, p.Prefix, _ = strings.Cut(path, "/")
	default:
		return bad("the scheme is none of http, https and s3")
	}
	if u.User != nil {
		secret, ok := u.User.Password()
		if !ok || u.User.Username() == "" {
			return bad("a key without its secret")
		}
		p.AccessKeyID, p.SecretAccessKey = u.User.Username(), secret
	}
	switch {
	case u.Host == "":
		return bad("it names no host")
	case p.Bucket == "":
		return bad("it names no bucket")
	case u.RawQuery != "" || u.Fragment != "":
		return bad("it has a query")
	}
	return p, nil
}

// String names it, without its key.
func (p External) String() string {
	name := p.Bucket
	if p.Prefix != "" {
		name += "/" + p.Prefix
	}
	if p.Endpoint == "" {
		return "s3://" + name
	}
	return p.Endpoint + "/" + name
}

// key returns the key of something below the prefix.
func (p External) key(name string) string {
	if p.Prefix == "" {
		return name
	}
	return p.Prefix + "/" + name
}
