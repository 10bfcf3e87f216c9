package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Only returns the arguments of a chunk's process that makes some of its outputs
// alone: those whose files, below OutputDir, wanted is true for. What it makes is
// what the whole process makes of them, to the byte, for less: filters that nothing
// wanted needs are left out.
func Only(args []string, wanted func(file string) bool) []string {
	at := slices.Index(args, "-filter_complex")
	first := slices.Index(args, "-map")
	if at < 0 || first < at {
		return args
	}
	out := slices.Clone(args[:first])
	needed := map[string]bool{}
	for rest := args[first:]; len(rest) > 0; {
		next := slices.Index(rest[1:], "-map") + 1
		if next == 0 {
			next = len(rest)
		}
		if wanted(strings.TrimPrefix(rest[next-1], OutputDir+"/")) {
			needed[rest[1]] = true
			out = append(out, rest[:next]...)
		}
		rest = rest[next:]
	}
	out[at+1] = prune(args[at+1], needed)
	return out
}

// Growing returns the arguments of a process that makes one rung of a chunk alone, for
// who waits for it: its file can be read while it grows, GOP by GOP, and decoding has
// a thread of its own.
func Growing(args []string, file string) []string {
	out := Only(args, func(name string) bool { return name == file || name == DecodedFile })
	if i := slices.Index(out, "-threads"); i >= 0 {
		out[i+1] = "2"
	}
	i := slices.Index(out, OutputDir+"/"+file)
	if i < 0 {
		return out
	}
	return slices.Insert(out, i, "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-flush_packets", "1")
}

// chainOf is one chain of a graph: labels in front, filters, labels behind.
type chainOf struct {
	in, out []string
	filters string
}

// prune returns a graph without what none of the needed labels depends on.
func prune(graph string, needed map[string]bool) string {
	var chains []chainOf
	for text := range strings.SplitSeq(graph, ";") {
		var c chainOf
		for strings.HasPrefix(text, "[") {
			end := strings.IndexByte(text, ']') + 1
			c.in, text = append(c.in, text[:end]), text[end:]
		}
		for strings.HasSuffix(text, "]") {
			begin := strings.LastIndexByte(text, '[')
			c.out, text = append([]string{text[begin:]}, c.out...), text[:begin]
		}
		c.filters = text
		chains = append(chains, c)
	}
	for changed := true; changed; {
		changed = false
		for _, c := range chains {
			if !slices.ContainsFunc(c.out, func(l string) bool { return needed[l] }) {
				continue
			}
			for _, l := range c.in {
				changed = changed || !needed[l]
				needed[l] = true
			}
		}
	}
	var out []string
	for _, c := range chains {
		keep := slices.DeleteFunc(slices.Clone(c.out), func(l string) bool { return !needed[l] })
		if len(keep) == 0 {
			continue
		}
		if len(keep) < len(c.out) { // of a split alone
			c.filters = fmt.Sprintf("split=%d", len(keep))
			if len(keep) == 1 {
				c.filters = "null"
			}
		}
		out = append(out, strings.Join(c.in, "")+c.filters+strings.Join(keep, ""))
	}
	return strings.Join(out, ";")
}
