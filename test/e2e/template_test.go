package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A job of AWS's samples comes in as a template, goes out in the console's form,
// and comes in again to the same.
func TestTemplatesTravelThroughTheCommand(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	job, err := os.ReadFile("../../../shared/walkthrough/job.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "van-life.json")
	if err := os.WriteFile(file, job, 0o600); err != nil {
		t.Fatal(err)
	}
	var made struct {
		Name, Arn        string
		Dropped, Unknown []string
	}
	if err := json.Unmarshal(s.vodwright("template", "import", file, "--data", s.data, "--json"), &made); err != nil {
		t.Fatal(err)
	}
	if made.Name != "van-life" || !strings.HasSuffix(made.Arn, ":jobTemplates/van-life") || strings.Join(made.Dropped, " ") != "/inputs/0/FileInput" {
		t.Errorf("imported %+v", made)
	}
	first := s.vodwright("template", "export", "van-life", "--data", s.data)
	copied := filepath.Join(t.TempDir(), "copy.json")
	if err := os.WriteFile(copied, first, 0o600); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(programPath, "template", "import", copied, "--data", s.data)
	if out, err := again.CombinedOutput(); err == nil || again.ProcessState.ExitCode() != 4 || !strings.Contains(string(out), "--replace") {
		t.Errorf("a second template of the name: %v %s", err, out)
	}
	s.vodwright("template", "import", copied, "--replace", "--data", s.data)
	if second := s.vodwright("template", "export", "van-life", "--data", s.data); !bytes.Equal(first, second) {
		t.Errorf("exported again:\n%s\nwas\n%s", second, first)
	}
	var listed struct {
		JobTemplates []struct{ Name string }
	}
	if s.aws(&listed, "mediaconvert", "list-job-templates"); len(listed.JobTemplates) != 1 {
		t.Errorf("templates %+v", listed)
	}
	gone := exec.Command(programPath, "template", "export", "nothing", "--data", s.data)
	if out, err := gone.CombinedOutput(); err == nil || gone.ProcessState.ExitCode() != 3 {
		t.Errorf("export of nothing: %v %s", err, out)
	}
}
