package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
)

// dataFlag is shared by every subcommand that reads or writes the data folder.
type dataFlag struct {
	Data string `help:"Folder for everything the server keeps." env:"VODWRIGHT_DATA" default:"vodwright-data" placeholder:"DIR"`
}

// region is the one region this server is.
const region = "us-east-1"

// endpoints is what a running server tells other commands about itself, in
// <data>/server.json. It is a hint: a server may have ended since.
type endpoints struct {
	HTTP   string `json:"http"`             // base URL, no slash at the end
	HTTPS  string `json:"https,omitempty"`  // the same, over TLS
	CAFile string `json:"caFile,omitempty"` // PEM, to trust HTTPS
	PID    int    `json:"pid"`
}

func endpointsPath(data string) string { return filepath.Join(data, "server.json") }

func writeEndpoints(data string, e endpoints) error {
	doc, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	tmp := endpointsPath(data) + ".new"
	if err := os.WriteFile(tmp, append(doc, '\n'), 0o600); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return os.Rename(tmp, endpointsPath(data))
}

// readEndpoints returns the endpoints of the server that serves data, or of the
// default addresses if none has been started there yet.
func readEndpoints(data string) (endpoints, error) {
	doc, err := os.ReadFile(endpointsPath(data))
	if errors.Is(err, fs.ErrNotExist) {
		return endpoints{HTTP: "http://" + defaultListen}, nil
	}
	if err != nil {
		return endpoints{}, fmt.Errorf("read endpoints: %w", err)
	}
	var e endpoints
	if err := json.Unmarshal(doc, &e); err != nil {
		return endpoints{}, fmt.Errorf("read endpoints %q: %w", endpointsPath(data), err)
	}
	return e, nil
}

// openData makes the data folder, private to its owner, and takes its lock: two
// servers on one folder would corrupt it. The lock ends with the process.
func openData(dir string) (path string, unlock func(), err error) {
	path, err = filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, fault.New(fault.Invalid, "", "the data folder %q cannot be made: %w", path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fault.New(fault.Invalid, "", "the data folder %q is not writable: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return "", nil, fault.New(fault.Conflict, "", "another server is using the data folder %q", path).
			WithHint("stop it, or give this one a folder of its own with --data")
	}
	return path, func() { _ = lock.Close() }, nil
}
