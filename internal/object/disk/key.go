package disk

import (
	"path/filepath"
	"strings"
)

const (
	folderMark = "@"  // ends the name of a folder of keys
	emptyName  = "@@" // the entry of a key that ends in '/'
)

var escaper = strings.NewReplacer("%", "%25", "@", "%40")

func escape(segment string) string { return escaper.Replace(segment) }

var unescaper = strings.NewReplacer("%25", "%", "%40", "@")

// entryPath returns the path of key's entry below a bucket's keys folder.
func entryPath(key string) string {
	segments := strings.Split(key, "/")
	last := len(segments) - 1
	for i, s := range segments {
		switch {
		case i < last:
			segments[i] = escape(s) + folderMark
		case s == "":
			segments[i] = emptyName
		default:
			segments[i] = escape(s)
		}
	}
	return filepath.Join(segments...)
}

// nameOf returns what a name in a keys folder adds to a key: "x/" for a folder,
// "x" or "" for an entry.
func nameOf(file string) (part string, folder bool) {
	if file == emptyName {
		return "", false
	}
	if s, ok := strings.CutSuffix(file, folderMark); ok {
		return unescaper.Replace(s) + "/", true
	}
	return unescaper.Replace(file), false
}
