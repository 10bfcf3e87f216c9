package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

type envCmd struct {
	dataFlag
	TLS bool `name:"tls" help:"Use the HTTPS endpoint and trust the server's certificate authority."`
}

func (envCmd) Help() string {
	return `Examples:
  eval "$(vodwright env)"
  aws s3 mb s3://my-videos
  eval "$(vodwright env --data /srv/vod --tls)"`
}

// Run prints export lines for a POSIX shell.
func (c *envCmd) Run(p *program) error {
	vars, err := awsEnvironment(c.Data, c.TLS)
	if err != nil {
		return err
	}
	object := make(map[string]string, len(vars))
	for _, v := range vars {
		object[v.name] = v.value
	}
	return p.print(object, exportLines(vars))
}

type variable struct{ name, value string }

func exportLines(vars []variable) string {
	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	return b.String()
}

// awsEnvironment returns the variables that point AWS clients at the server of a data folder.
func awsEnvironment(data string, useTLS bool) ([]variable, error) {
	key, err := iam.ReadRoot(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "", "no server has been started in %q yet", data).
			WithHint("start one with: vodwright serve --data %s", data)
	}
	if err != nil {
		return nil, err
	}
	e, err := readEndpoints(data)
	if err != nil {
		return nil, err
	}
	vars := []variable{
		{"AWS_ENDPOINT_URL", e.HTTP},
		{"AWS_ACCESS_KEY_ID", key.ID},
		{"AWS_SECRET_ACCESS_KEY", key.Secret},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_REGION", region},
	}
	if e.HTTPS != "" { // where distributions answer, and what their certificates are checked against
		vars = append(vars, variable{"VODWRIGHT_HTTPS", e.HTTPS}, variable{"VODWRIGHT_CA_FILE", e.CAFile})
	}
	if useTLS {
		if e.HTTPS == "" {
			return nil, fault.New(fault.Unavailable, "", "the server in %q does not serve HTTPS", data).
				WithHint("start it with --tls-listen, or leave --tls away")
		}
		vars[0].value = e.HTTPS
		vars = append(vars, variable{"AWS_CA_BUNDLE", e.CAFile})
	}
	return vars, nil
}
