package field

import "strings"

// MatchPattern reports whether a path pattern of a behavior matches path, both
// without a leading slash: "*" stands for any characters, slashes and none
// included, "?" for exactly one (CloudFront Developer Guide, "Path pattern").
// The path is the decoded one that names the key, so that no spelling of a key
// reaches it through another behavior.
func MatchPattern(pattern, path string) bool {
	star, resume := -1, 0 // the last "*" seen, and the end of what it stands for so far
	p, s := 0, 0
	for s < len(path) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, s
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			s += runeLen(path[s])
		case p < len(pattern) && pattern[p] == path[s]:
			p++
			s++
		case star >= 0:
			resume++
			p, s = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[min(p, len(pattern)):], "*") == ""
}

// runeLen is how many bytes the UTF-8 character has that starts with b.
func runeLen(b byte) int {
	switch {
	case b < 0xC0:
		return 1
	case b < 0xE0:
		return 2
	case b < 0xF0:
		return 3
	}
	return 4
}

// MatchWildcard matches s against a pattern with at most one "*", which stands
// for any characters, none included.
func MatchWildcard(pattern, s string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
