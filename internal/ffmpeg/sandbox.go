package ffmpeg

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// programDir is where the media program is seen inside the sandbox. It is bound
// by itself, so that one installed outside /usr works.
const programDir = "/program"

// tmpBytes bounds the sandbox's /tmp, which is memory. ffmpeg writes there only
// when asked to, and nothing asks.
const tmpBytes = 64 << 20

// maxThreads bounds the processes and threads of a media process: the kernel holds
// all users but root to it, and the census all of them.
const maxThreads = 1024

// stdinInput is what reads Command.Stdin.
const stdinInput = "pipe:0"

// checkInputs refuses a command line that reads one of its n sources, or its
// standard input, without the fixed input options, or reads anything else.
func checkInputs(args []string, n int) error {
	from := 0
	for i := 0; i < len(args); i++ {
		if args[i] != "-i" {
			continue
		}
		if i+1 == len(args) {
			return fault.New(fault.Internal, "", "check arguments: -i without a file")
		}
		before, input := args[from:i], args[i+1]
		from = i + 2
		if at := slices.Index(before, "-f"); at >= 0 && at+1 < len(before) && before[at+1] == "lavfi" {
			continue // generated: silence
		}
		number, err := strconv.Atoi(strings.TrimPrefix(input, "file:"+sourceDir))
		if input != stdinInput && (err != nil || number < 0 || number >= n || input != "file:"+SourcePath(number)) {
			return fault.New(fault.Internal, "", "check arguments: input %q is not a source", input)
		}
		lacks := lacking(before, media.InputArgs())
		if lacks != "" && lacking(before, media.ImageArgs()) != "" {
			return fault.New(fault.Internal, "", "check arguments: the source is read without %s", lacks)
		}
		i++
	}
	return nil
}

// lacking returns the first option that is not among args with its value, or "".
func lacking(args, options []string) string {
	for ; len(options) > 0; options = options[2:] {
		if at := slices.Index(args, options[0]); at < 0 || at+1 >= len(args) || args[at+1] != options[1] {
			return options[0]
		}
	}
	return ""
}

// commandLine returns the program to start and its arguments: bubblewrap around
// prlimit around the media program, or prlimit around the media program.
func (r *Runner) commandLine(p process) (string, []string, error) {
	limits := []string{
		fmt.Sprintf("--as=%d", p.limits.MemoryBytes),
		fmt.Sprintf("--fsize=%d", p.limits.FileBytes),
		fmt.Sprintf("--cpu=%d", (p.limits.CPU+time.Second-1)/time.Second),
		"--nofile=256",
		"--core=0",
	}
	if r.bwrap == "" {
		args := append(limits, "--", p.program)
		for _, a := range p.args {
			args = append(args, hostPath(a, p.sources, p.output))
		}
		return r.prlimit, args, nil
	}

	program, err := filepath.EvalSymlinks(p.program)
	if err != nil {
		return "", nil, fmt.Errorf("find %q: %w", p.program, err)
	}
	seen := programDir + "/" + filepath.Base(p.program)
	args := []string{
		"--unshare-user", "--unshare-all", "--disable-userns", "--uid", "65534", "--gid", "65534",
		"--die-with-parent", "--cap-drop", "ALL",
		// Without bubblewrap's own process 1, the outer one reaps the program and
		// the kernel adds its CPU time to what we are told.
		"--as-pid-1",
		"--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LC_ALL", "C.UTF-8", "--setenv", "AV_LOG_FORCE_NOCOLOR", "1",
		// Every further malloc arena reserves 64 MiB of the address space that is limited.
		"--setenv", "MALLOC_ARENA_MAX", "2",
		"--ro-bind", "/usr", "/usr",
	}
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
	args = append(args,
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives", // libblas and others are reached through it
		"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
		"--dev", "/dev", "--remount-ro", "/dev",
		"--size", strconv.Itoa(tmpBytes), "--tmpfs", "/tmp",
		"--ro-bind", program, seen,
	)
	for i, source := range p.sources {
		args = append(args, "--ro-bind", source, SourcePath(i))
	}
	if p.output != "" {
		args = append(args, "--bind", p.output, OutputDir, "--chdir", OutputDir)
	} else {
		args = append(args, "--chdir", "/tmp")
	}
	if p.filter > 0 {
		args = append(args, "--seccomp", strconv.Itoa(p.filter))
	}
	args = append(args, "--remount-ro", "/", "--", r.prlimit)
	args = append(args, limits...)
	args = append(args, fmt.Sprintf("--nproc=%d", maxThreads), "--", seen)
	return r.bwrap, append(args, p.args...), nil
}

// hostPath translates an argument that names a sandbox path, for a process that
// runs without one.
func hostPath(arg string, sources []string, output string) string {
	if rest, ok := strings.CutPrefix(arg, "file:"+sourceDir); ok {
		if number, err := strconv.Atoi(rest); err == nil && number >= 0 && number < len(sources) {
			return "file:" + sources[number]
		}
	}
	if output == "" {
		return arg
	}
	// The work folder is the working folder: a relative name keeps a host path
	// with a percent sign or a colon out of patterns and protocols.
	for _, prefix := range []string{OutputDir + "/", "file:" + OutputDir + "/"} {
		if rest, ok := strings.CutPrefix(arg, prefix); ok {
			return "file:" + rest
		}
	}
	return arg
}
