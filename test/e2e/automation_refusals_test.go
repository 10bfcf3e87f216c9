package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestAutomationsThatAreRefused: what is missing is told at once, and nothing is
// left of the attempt.
func TestAutomationsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("uploads", "streams")
	s.smallTemplate("small")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--source none --template small --destination streams", 3, `there is no bucket "none"`},
		{"--source ab --template small --destination streams", 2, `"ab" is no name of a bucket`},
		{"--source uploads --template none --destination streams", 3, `there is no job template "none"`},
		{"--source uploads --template small --destination none/x", 3, `there is no bucket "none"`},
		{"--source uploads --template small --destination streams --role arn:aws:iam::000000000000:role/none", 3, "there is no role"},
		{"--source uploads --template small --destination streams --role none", 2, "no ARN of a role"},
		{"--source uploads --template small", 2, "automate needs"},
		{"--remove none", 3, "there is no automation"},
	} {
		cmd := exec.Command(programPath, append([]string{"automate", "--data", s.data}, strings.Fields(c.args)...)...)
		// The environment names another server: --data wins.
		cmd.Env = append(s.env(), "AWS_ENDPOINT_URL=http://127.0.0.1:9")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || !bytes.Contains(out, []byte(c.want)) || !bytes.Contains(out, []byte("\nhint: ")) {
			t.Errorf("automate %s: %v\n%s", c.args, err, out)
		}
	}
	if out := s.vodwright("automate", "--data", s.data, "--list", "--json"); string(out) != "[]\n" {
		t.Errorf("automations: %s", out)
	}
	var roles struct{ Roles []struct{ RoleName string } }
	if s.aws(&roles, "iam", "list-roles"); len(roles.Roles) > 0 {
		t.Errorf("roles: %v", roles)
	}
}
