package worker

import (
	"errors"
	"os"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
)

// syncPath puts a file or folder on disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// diskFault tells a full disk, which its owner can mend, from a broken one.
func diskFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.Unavailable, "1050", "the disk of the work folder is full: %w", err).
			WithHint("free some space, or move the data folder to a larger disk")
	}
	return err
}

// writeFile writes a whole file and puts it on disk before it returns; a crash
// leaves the old content or the new.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return diskFault(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return diskFault(err)
	}
	return diskFault(os.Rename(tmp, path))
}
