package disk

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

func TestCheckKey(t *testing.T) {
	long := strings.Repeat("x", 251)
	for key, code := range map[string]string{
		"a": "", "a/b": "", "a/": "", "a/b/": "", ".hidden": "", "..a/b..": "", "...": "", "a b+c%20@é": "", "日本語/動画.mp4": "",
		"new\nline": "", "back\\slash": "", strings.Repeat("x", 250) + "/" + strings.Repeat("y", 250): "",
		"": "InvalidArgument", "/a": "InvalidArgument", "/": "InvalidArgument", "a//b": "InvalidArgument", "a//": "InvalidArgument",
		".": "InvalidArgument", "./z": "InvalidArgument", "a/.": "InvalidArgument", "a/../b": "InvalidArgument", "..": "InvalidArgument",
		"a/..": "InvalidArgument", "nul\x00": "InvalidArgument", "bad\xff": "InvalidURI", long: "KeyTooLongError", "a/" + long + "/b": "KeyTooLongError",
		strings.Repeat("@", 84): "KeyTooLongError", strings.Repeat("ab/", 342): "KeyTooLongError",
	} {
		err := catalog.CheckKey(key)
		if got := ""; err != nil {
			got = fault.Of(err).Code
			if got != code {
				t.Errorf("catalog.CheckKey(%q) = %v, want code %q", key, err, code)
			}
		} else if code != "" {
			t.Errorf("catalog.CheckKey(%q) = nil, want %s", key, code)
		}
	}
}

func TestEntryPathHoldsTheKey(t *testing.T) {
	keys := []string{"a", "a/", "a/b", "a/b/", "a@", "a@/b", "%40", "%40/x", "@", "@/", "@@", "@@/@@", "%", "100%25", ".x/.y", "é/ü "}
	paths := map[string]string{}
	for _, k := range keys {
		p := entryPath(k)
		if other, dup := paths[p]; dup {
			t.Errorf("keys %q and %q have the same entry %q", k, other, p)
		}
		paths[p] = k
		back := ""
		for _, name := range strings.Split(p, string(filepath.Separator)) {
			part, _ := nameOf(name)
			back += part
		}
		if back != k {
			t.Errorf("entry %q of key %q reads back as %q", p, k, back)
		}
		// No entry may stand where another key needs a folder.
		for other := range paths {
			if strings.HasPrefix(p, other+string(filepath.Separator)) || strings.HasPrefix(other, p+string(filepath.Separator)) {
				t.Errorf("entries %q and %q are in each other's way", p, other)
			}
		}
	}
}

func TestCheckBucketName(t *testing.T) {
	for _, good := range []string{"abc", "my-bucket", "a.b.c", "0-9", "1.2.3", strings.Repeat("a", 63)} {
		if err := catalog.CheckBucketName(good); err != nil {
			t.Errorf("catalog.CheckBucketName(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{"", "ab", "_", "_/", "A-bucket", "-abc", "abc-", ".abc", "a..b", "192.168.1.1", "a/b", "a b", "..", strings.Repeat("a", 64)} {
		if err := catalog.CheckBucketName(bad); err == nil || fault.Of(err).Code != "InvalidBucketName" {
			t.Errorf("catalog.CheckBucketName(%q) = %v, want InvalidBucketName", bad, err)
		}
	}
}

func FuzzKeyPath(f *testing.F) {
	for _, s := range []string{"a/b", "@@/x@", "%40%25/", "a/../b", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if catalog.CheckKey(key) != nil {
			return
		}
		p := entryPath(key)
		if !filepath.IsLocal(p) || p != filepath.Clean(p) {
			t.Fatalf("key %q leaves the bucket: %q", key, p)
		}
		var names []string
		for _, n := range strings.Split(p, "/") {
			part, _ := nameOf(n)
			names = append(names, part)
			if len(n) > 255 {
				t.Fatalf("key %q has the name %q, longer than a file system takes", key, n)
			}
		}
		if back := strings.Join(names, ""); back != key || slices.Contains(names[:len(names)-1], "") {
			t.Fatalf("key %q reads back as %q", key, back)
		}
	})
}
