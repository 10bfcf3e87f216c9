package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

// syncPath puts a file or folder on disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// withinQuota refuses to let a job's work folder grow beyond its limit. It is asked
// before each task; the task's own process is bounded apart.
func withinQuota(dir string, most limit.Bytes) error {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it may vanish meanwhile: the attempt of another task
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if sum > int64(most) {
		return limit.Exceeded(limit.WorkBytes, "1050", "the job's work folder has %d bytes, more than the %d that are allowed", sum, int64(most))
	}
	return nil
}

// diskFault tells a full disk, which its owner can mend, from a broken one.
func diskFault(err error) error {
	if isFull(err) {
		return fault.New(fault.Unavailable, "1050", "the disk of the data folder is full: %w", err).
			WithHint("free some space, or move the data folder to a larger disk")
	}
	return err
}

// writeFile writes a whole file and puts it on disk before it returns; a crash
// leaves the old content or the new. Tasks of one job may write the same one at once.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return diskFault(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return diskFault(err)
}
