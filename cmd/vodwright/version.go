package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// cores is how many encoder processes run side by side when nothing else is said.
func cores() int { return runtime.GOMAXPROCS(0) }

type versionCmd struct{}

func (versionCmd) Help() string { return "Example:\n  vodwright version --json" }

// Run prints the version; the commit comes from the build's own record.
func (versionCmd) Run(p *program) error {
	commit := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	out := map[string]any{"version": version, "commit": commit, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
	return p.print(out, fmt.Sprintf("vodwright %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// hostname is what receipts call this machine; "" where it has no name.
func hostname() string {
	name, _ := os.Hostname()
	return name
}
