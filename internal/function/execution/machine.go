package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// interpreter is a program of this machine that runs a family of runtimes.
type interpreter struct {
	program string   // absolute
	mounts  []string // folders outside /usr that it needs
	modules []string // folders where it finds what the function does not bring
}

// machine finds interpreters, each once.
type machine struct {
	python, node string // configured
	mu           sync.Mutex
	found        map[string]interpreter
}

// interpreter returns what runs a runtime: its own version of Python where the
// machine has it, else the machine's python3, and the machine's Node.js.
func (m *machine) interpreter(runtime string) (interpreter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.found[runtime]; ok {
		return i, nil
	}
	var candidates []string
	var ask func(program string) (interpreter, error)
	var hint string
	switch {
	case strings.HasPrefix(runtime, "python"):
		candidates, ask, hint = []string{runtime, "python3"}, askPython, "install Python 3 (apt-get install python3 python3-boto3)"
		if m.python != "" {
			candidates = []string{m.python}
		}
	case strings.HasPrefix(runtime, "nodejs"):
		candidates, ask, hint = []string{"node", "nodejs"}, askNode, "install Node.js (apt-get install nodejs)"
		if m.node != "" {
			candidates = []string{m.node}
		}
	default:
		return interpreter{}, nil // the package brings its own
	}
	var last error
	for _, c := range candidates {
		path, err := exec.LookPath(c)
		if err == nil {
			var i interpreter
			if i, err = ask(path); err == nil {
				if m.found == nil {
					m.found = map[string]interpreter{}
				}
				m.found[runtime] = i
				return i, nil
			}
		}
		last = err
	}
	return interpreter{}, fault.New(fault.Unavailable, "ServiceException", "find a program for the runtime %s: %w", runtime, last).WithHint("%s", hint)
}

// answerTime bounds how long an interpreter may take to describe itself.
const answerTime = 20 * time.Second

func ask(out any, program string, args ...string) error {
	ctx, stop := context.WithTimeout(context.Background(), answerTime)
	defer stop()
	text, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return fmt.Errorf("ask %q about itself: %w", program, err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("ask %q about itself: %w", program, err)
	}
	return nil
}

func askPython(program string) (interpreter, error) {
	var about struct {
		Version    int      `json:"version"`
		Executable string   `json:"executable"`
		Prefixes   []string `json:"prefixes"`
		Path       []string `json:"path"`
		User       string   `json:"user"`
	}
	err := ask(&about, program, "-c", `import sys, json, site
print(json.dumps({"version": sys.version_info[0], "executable": sys.executable, "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix],
  "path": [p for p in sys.path if p], "user": site.getusersitepackages() if site.ENABLE_USER_SITE else ""}))`)
	if err != nil {
		return interpreter{}, err
	}
	if about.Version != 3 {
		return interpreter{}, fmt.Errorf("%q is Python %d", program, about.Version)
	}
	i := interpreter{program: about.Executable, mounts: outside(append(append(about.Prefixes, about.Path...), filepath.Dir(about.Executable)))}
	for _, p := range about.Path {
		if about.User != "" && p == about.User {
			i.modules = append(i.modules, p) // of the server's user, which the process is not
		}
	}
	return i, nil
}

func askNode(program string) (interpreter, error) {
	var executable string
	if err := ask(&executable, program, "-p", "JSON.stringify(process.execPath)"); err != nil {
		return interpreter{}, err
	}
	lib := filepath.Join(filepath.Dir(filepath.Dir(executable)), "lib", "node_modules")
	i := interpreter{program: executable, mounts: outside([]string{filepath.Dir(filepath.Dir(executable))}), modules: []string{lib}}
	for _, p := range []string{"/usr/local/lib/node_modules", "/usr/share/nodejs"} {
		if p != lib {
			i.modules = append(i.modules, p)
		}
	}
	return i, nil
}

// outside returns the folders that exist and that nothing else makes visible:
// not below /usr, and not below another one of them.
func outside(paths []string) []string {
	var out []string
next:
	for _, p := range paths {
		p = filepath.Clean(p)
		info, err := os.Stat(p)
		if err != nil || !info.IsDir() || p == "/" || p == "/usr" || strings.HasPrefix(p, "/usr/") || p == "/bin" || p == "/etc" {
			continue
		}
		for _, have := range out {
			if p == have || strings.HasPrefix(p, have+"/") {
				continue next
			}
		}
		out = append(out, p)
	}
	return out
}
