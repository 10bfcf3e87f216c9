package function

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxRounds is how often a function may be called in a chain of calls, as in
// Lambda ("recursive loop detection": about 16).
const maxRounds = 16

// maxLine bounds the functions that a lineage remembers; a chain that goes
// through more of them forgets the first.
const maxLine = 32

// lineage is a trace header (X-Amzn-Trace-Id) and how often which functions are
// in the chain of calls behind it. SDKs within a function send it on with every
// request, S3's included, and an event keeps it.
type lineage struct {
	root  string // "1-…", or "" when there was none
	names []string
	times map[string]int
}

var (
	rootForm = regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	whoForm  = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

// readLineage reads a trace header. What it does not understand is left out.
func readLineage(header string) lineage {
	l := lineage{times: map[string]int{}}
	if plain, err := url.PathUnescape(header); err == nil {
		header = plain // botocore escapes the bars
	}
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "Root" && rootForm.MatchString(value):
			l.root = value
		case name == "Lineage" && len(value) < 4096:
			for one := range strings.SplitSeq(value, "|") {
				who, times, _ := strings.Cut(one, ":")
				n, err := strconv.Atoi(times)
				if err == nil && n > 0 && n <= 1<<15 && whoForm.MatchString(who) && l.times[who] == 0 {
					l.names = append(l.names, who)
					l.times[who] = n
				}
			}
		}
	}
	return l
}

func nickname(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return hex.EncodeToString(sum[:4])
}

// count is how often the function was called in the chain.
func (l lineage) count(arn string) int { return l.times[nickname(arn)] }

// next is the lineage of a call of the function.
func (l lineage) next(arn string) lineage {
	who := nickname(arn)
	out := lineage{root: l.root, times: map[string]int{}}
	for _, n := range append(l.names, who) {
		if out.times[n] == 0 {
			out.names = append(out.names, n)
			out.times[n] = max(l.times[n], 1)
		}
	}
	if l.times[who] > 0 {
		out.times[who] = l.times[who] + 1
	}
	if len(out.names) > maxLine {
		out.names = out.names[len(out.names)-maxLine:]
	}
	if out.root == "" {
		var b [12]byte
		_, _ = rand.Read(b[:])
		out.root = fmt.Sprintf("1-%08x-%x", time.Now().Unix(), b)
	}
	return out
}

// String is the header.
func (l lineage) String() string {
	var parent [8]byte
	_, _ = rand.Read(parent[:])
	text := "Root=" + l.root + ";Parent=" + hex.EncodeToString(parent[:]) + ";Sampled=0"
	for i, n := range l.names {
		if i == 0 {
			text += ";Lineage="
		} else {
			text += "|"
		}
		text += n + ":" + strconv.Itoa(l.times[n])
	}
	return text
}
