package execution

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Where a process finds things, as in AWS.
const (
	taskRoot   = "/var/task"
	runtimeDir = "/var/runtime"
)

// The ids that the process sees as its own; AWS's sandbox users have these.
const (
	sandboxUID = "993"
	sandboxGID = "990"
)

// Limits that AWS has too.
const (
	maxFiles     = 1024
	maxProcesses = 1024 // and threads
)

// memorySlack is how far the reserved memory of a process may exceed the
// function's memory: interpreters reserve what they never touch, and a thread's
// stack is 8 MiB of it. What is touched is measured, see usage.
const memorySlack = 16 << 30

// program returns what runs inside: its arguments, the folders it needs and the
// folders where it finds modules.
func (h *Host) program(s *Spec) (argv []string, i interpreter, err error) {
	if i, err = h.machine.interpreter(s.Runtime); err != nil {
		return nil, i, err
	}
	dir := runtimeDir
	if h.bwrap == "" {
		dir = h.runtimeDir()
	}
	switch {
	case strings.HasPrefix(s.Runtime, "python"):
		return []string{i.program, dir + "/bootstrap.py"}, i, nil
	case strings.HasPrefix(s.Runtime, "nodejs"):
		// The heap's limit is what makes V8 collect before the function's memory ends.
		heap := max(s.MemoryMB*9/10, 64)
		return []string{i.program, "--max-old-space-size=" + strconv.Itoa(heap), dir + "/bootstrap.mjs"}, i, nil
	default:
		root := taskRoot
		if h.bwrap == "" {
			root = s.CodeDir
		}
		return []string{root + "/bootstrap"}, i, nil
	}
}

// environ returns the process's environment: what Lambda documents, and the
// function's own variables, which cannot take its names.
func (h *Host) environ(s *Spec, i interpreter, api, stream string, c Credentials) map[string]string {
	root, dir := taskRoot, runtimeDir
	if h.bwrap == "" {
		root, dir = s.CodeDir, h.runtimeDir()
	}
	vars := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "HOME": "/tmp",
		"LD_LIBRARY_PATH": root + ":" + root + "/lib:/opt/lib",
	}
	switch {
	case strings.HasPrefix(s.Runtime, "python"):
		vars["PYTHONPATH"] = strings.Join(append([]string{dir}, i.modules...), ":")
		vars["PYTHONDONTWRITEBYTECODE"] = "1" // the code is read-only
		vars["PATH"] = filepath.Dir(i.program) + ":" + vars["PATH"]
	case strings.HasPrefix(s.Runtime, "nodejs"):
		vars["NODE_PATH"] = strings.Join(append([]string{"/opt/nodejs/node_modules", dir + "/node_modules"}, i.modules...), ":")
		vars["PATH"] = filepath.Dir(i.program) + ":" + vars["PATH"]
	}
	maps.Copy(vars, s.Environment)
	maps.Copy(vars, map[string]string{
		"_HANDLER": s.Handler, "LAMBDA_TASK_ROOT": root, "LAMBDA_RUNTIME_DIR": dir, "AWS_LAMBDA_RUNTIME_API": api,
		"AWS_REGION": h.cfg.Region, "AWS_DEFAULT_REGION": h.cfg.Region, "AWS_EXECUTION_ENV": "AWS_Lambda_" + s.Runtime,
		"AWS_LAMBDA_FUNCTION_NAME": s.Name, "AWS_LAMBDA_FUNCTION_VERSION": s.Version, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(s.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME": s.LogGroup, "AWS_LAMBDA_LOG_STREAM_NAME": stream, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey, "AWS_SESSION_TOKEN": c.SessionToken,
	})
	if vars["AWS_ENDPOINT_URL"] == "" { // a function may ask for another one
		vars["AWS_ENDPOINT_URL"] = h.cfg.Endpoint
	}
	return vars
}

// Reserved reports whether a function may not set the variable itself (Lambda
// developer guide, "Defined runtime environment variables").
func Reserved(name string) bool {
	return slices.Contains([]string{
		"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
		"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
		"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
	}, name)
}

// limits are prlimit's arguments. The kernel does not hold the root user to the
// number of processes: usage does.
func (h *Host) limits(s *Spec) []string {
	limits := []string{
		h.prlimit, "--nofile=" + strconv.Itoa(maxFiles), "--core=0",
		fmt.Sprintf("--data=%d", int64(s.MemoryMB)<<20+memorySlack),
	}
	if h.bwrap != "" { // the number is of a user namespace; without one it would be the server's user's
		limits = append(limits, "--nproc="+strconv.Itoa(maxProcesses))
	}
	return append(limits, "--")
}

// sandboxArgs are bubblewrap's options. They hold the role's credentials: they
// go through a pipe, not through the command line, which everybody can read.
func (h *Host) sandboxArgs(s *Spec, i interpreter, vars map[string]string) []string {
	args := []string{
		"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--disable-userns",
		"--uid", sandboxUID, "--gid", sandboxGID, "--hostname", "lambda",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		args = append(args, "--setenv", name, vars[name])
	}
	args = append(args, "--ro-bind", "/usr", "/usr")
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64", "/lib32"} {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink == 0 {
			args = append(args, "--ro-bind", dir, dir)
		} else if target, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", target, dir)
		}
	}
	for _, dir := range []string{
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/protocols", "/etc/services", "/etc/mime.types",
	} {
		args = append(args, "--ro-bind-try", dir, dir)
	}
	// Lambda's sh is bash, which the bootstraps of its documentation need.
	if sh, err := filepath.EvalSymlinks("/bin/sh"); err == nil && filepath.Base(sh) == "dash" {
		if bash, err := filepath.EvalSymlinks("/bin/bash"); err == nil {
			args = append(args, "--ro-bind", bash, sh)
		}
	}
	if debian, _ := filepath.Glob("/etc/python3*"); debian != nil {
		for _, dir := range debian {
			args = append(args, "--ro-bind-try", dir, dir)
		}
	}
	for _, dir := range i.mounts {
		args = append(args, "--ro-bind", dir, dir)
	}
	rt := h.runtimeDir()
	return append(args,
		"--ro-bind", filepath.Join(rt, "passwd"), "/etc/passwd", "--ro-bind", filepath.Join(rt, "group"), "/etc/group",
		"--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev",
		"--size", strconv.FormatInt(int64(s.StorageMB)<<20, 10), "--tmpfs", "/tmp",
		"--ro-bind", rt, runtimeDir, "--ro-bind", s.CodeDir, taskRoot, "--dir", "/opt",
		"--chdir", taskRoot, "--remount-ro", "/",
	)
}
