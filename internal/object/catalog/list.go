package catalog

import "strings"

// ListInput selects what lists of keys and of versions return.
type ListInput struct {
	Prefix string
	// Delimiter rolls keys up that hold it after the prefix; "" does not.
	Delimiter string
	// After is the last key or common prefix of the page before; "" for the first page.
	After string
	// AfterVersion, with After, is the last version of that key on the page before.
	AfterVersion string
	// Max is the number of versions and common prefixes on a page; 0 gives an empty page.
	Max int
}

// Listed is one line of a list.
type Listed struct {
	Key     string
	Version Version
	Latest  bool
}

// Page is one page of a list, in byte order of keys, newest version first.
type Page struct {
	Items          []Listed
	CommonPrefixes []string
	// More says that there is a next page: After and AfterVersion are its input.
	More         bool
	After        string
	AfterVersion string
}

// RollUp returns the common prefix that stands for key, "" for none.
func (in ListInput) RollUp(key string) string {
	if in.Delimiter == "" || !strings.HasPrefix(key, in.Prefix) {
		return ""
	}
	i := strings.Index(key[len(in.Prefix):], in.Delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(in.Prefix)+i+len(in.Delimiter)]
}

// Successor returns the first key after all that begin with prefix; nil for none.
func Successor(prefix string) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return append([]byte(prefix[:i]), prefix[i]+1)
		}
	}
	return nil
}
