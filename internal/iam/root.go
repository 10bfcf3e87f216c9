// Package iam is who there is and what they may do: the root key, users and
// their access keys, roles and who may assume them, managed policies, sessions.
//
// Requests flow in; who signed them flows out (Authenticate), and whether they may
// (Authorize, Decide, PassRole), as package policy decides. Services of the house
// take on roles here (AssumeForService). The APIs of IAM and STS, in the folder
// api, change the records; a change acts on the next request.
//
// The room touches its Store, the root key's file, and an injected clock.
// Invariants: what changed is kept before it acts; a session of a principal that
// was deleted, or made anew under the same name, may do nothing; the root key may
// do everything.
package iam

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/internal/fault"
)

// AccountID is the account that every resource belongs to.
const AccountID = "000000000000"

// Key is an access key: what signs a request.
type Key struct {
	ID     string `json:"accessKeyId"`     // 20 characters, begins with AKIA
	Secret string `json:"secretAccessKey"` // 40 characters
}

// OpenRoot returns the root key of a data folder, making it on first use. The
// file is readable by its owner only; it is written whole or not at all, and on
// disk before the key is returned. Two processes that start at once get the same key.
func OpenRoot(dataDir string) (Key, error) {
	path := rootPath(dataDir)
	key, err := ReadRoot(dataDir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = Key{
		ID:     "AKIA" + random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
		Secret: random(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
	}
	data, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return Key{}, fmt.Errorf("encode root key: %w", err)
	}
	if err := writeOnce(path, append(data, '\n')); err != nil {
		return Key{}, fmt.Errorf("write root key %q: %w", path, err)
	}
	return ReadRoot(dataDir)
}

// ReadRoot returns the root key of a data folder without making one. A folder
// that has none gives an error that wraps fs.ErrNotExist.
func ReadRoot(dataDir string) (Key, error) {
	path := rootPath(dataDir)
	data, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read root key: %w", err)
	}
	var key Key
	if err := json.Unmarshal(data, &key); err != nil || key.ID == "" || key.Secret == "" {
		return Key{}, fault.New(fault.Internal, "", "the root key file %q is damaged", path).
			WithHint("restore it from a backup, or remove it to get a new root key")
	}
	return key, nil
}

// ReplaceRoot makes a key the root key of a data folder.
func ReplaceRoot(dataDir string, key Key) error {
	data, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return fmt.Errorf("encode root key: %w", err)
	}
	tmp := rootPath(dataDir) + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write root key: %w", err)
	}
	return os.Rename(tmp, rootPath(dataDir))
}

func rootPath(dataDir string) string { return filepath.Join(dataDir, "root-key.json") }

// writeOnce makes path with the given content unless it exists already.
func writeOnce(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".root-key-*") // CreateTemp makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// random returns n characters of an alphabet whose size divides 256 (no bias).
func random(n int, alphabet string) string {
	buf := make([]byte, n)
	_, _ = rand.Read(buf) // never fails since Go 1.24
	for i, b := range buf {
		buf[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(buf)
}
