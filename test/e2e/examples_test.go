package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/test/harness"
)

// example runs a program of examples/walkthrough against the server and returns what it printed.
func (s *server) example(dir string, env []string, program string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(s.env(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out.Bytes())
	}
	return out.String()
}

// The scripts of the walkthrough build everything, play, and remove everything.
func TestExamples(t *testing.T) {
	t.Parallel()
	video := makeClip(t, clip.Spec{Width: 640, Height: 360, Seconds: 4}, "VAN LIFE+1.mp4")
	s := startServer(t)
	here, err := filepath.Abs(filepath.Join("..", "..", "examples", "walkthrough"))
	if err != nil {
		t.Fatal(err)
	}
	examples := []struct {
		name, dir, program string
		args               []string
	}{
		{"aws CLI", here, "./cli.sh", nil},
		{"boto3", filepath.Join(here, "boto3"), "python3", []string{"walkthrough.py"}},
		{"go", here, "go", []string{"run", "./go"}},
		{"node", nodeExample(t), "node", []string{"walkthrough.mjs"}},
	}
	t.Run("all", func(t *testing.T) {
		for _, e := range examples {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				s, env := s.in(t), []string{"NAME=example-" + strings.ToLower(strings.ReplaceAll(e.name, " ", "-"))}
				out := s.example(e.dir, env, e.program, append(e.args, "up", video)...)
				if !strings.Contains(out, "is complete") || !strings.Contains(out, "/HLS/VAN%20LIFE") {
					t.Errorf("it played nothing:\n%s", out)
				}
				s.example(e.dir, env, e.program, append(e.args, "down")...)
			})
		}
	})
	s.nothingLeft("example-")
}

// nodeExample returns a folder of the JavaScript example beside its packages,
// which are installed once for each version of package.json.
func nodeExample(t *testing.T) string {
	t.Helper()
	source := filepath.Join("..", "..", "examples", "walkthrough")
	installed := harness.Packages(t, "walkthrough", filepath.Join(source, "node"))
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node", "node_modules")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "node")
}

// nothingLeft expects that no resource is left whose name begins with this.
func (s *server) nothingLeft(name string) {
	s.t.Helper()
	for _, list := range [][]string{
		{"s3api", "list-buckets", "--query", "Buckets[?starts_with(Name,'walkthrough')].Name"},
		{"iam", "list-roles", "--query", "Roles[?starts_with(RoleName,'walkthrough')].RoleName"},
		{"iam", "list-policies", "--scope", "Local", "--query", "Policies[?starts_with(PolicyName,'walkthrough')].PolicyName"},
		{"lambda", "list-functions", "--query", "Functions[?starts_with(FunctionName,'walkthrough')].FunctionName"},
		{"cloudfront", "list-distributions", "--query", "DistributionList.Items[?starts_with(Comment,'walkthrough')].Id || `[]`"},
		{"cloudfront", "list-origin-access-controls", "--query", "OriginAccessControlList.Items[?starts_with(Name,'walkthrough')].Id || `[]`"},
		{"wafv2", "list-web-acls", "--scope", "CLOUDFRONT", "--query", "WebACLs[?starts_with(Name,'walkthrough')].Id"},
		{"events", "list-rules", "--query", "Rules[?starts_with(Name,'walkthrough')].Name"},
		{"mediaconvert", "list-job-templates", "--query", "JobTemplates[?starts_with(Name,'walkthrough')].Name"},
	} {
		var left []string
		list[len(list)-1] = strings.ReplaceAll(list[len(list)-1], "'walkthrough'", "'"+name+"'")
		s.aws(&left, list...)
		if len(left) > 0 {
			s.t.Errorf("left behind: %s: %v", strings.Join(list[:2], " "), left)
		}
	}
}
