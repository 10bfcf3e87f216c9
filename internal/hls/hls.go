// Package hls writes, reads and checks HTTP Live Streaming playlists.
//
// What flows in: the names, sizes and exact durations of segments and what is
// known of each variant. What flows out: the text of a multivariant playlist and
// of media playlists, in the service's form and order, and the list of what is
// wrong with playlists before they are published.
//
// The package is pure: it touches only its arguments. Playlists that are parsed
// may be hostile: a parser's work and memory grow with the text, no faster.
//
// Specification: RFC 8216, and for measured bit rates draft-pantos-hls-rfc8216bis.
package hls

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Version is the protocol version that the service writes and the lowest that
// allows durations that are not integers (RFC 8216, 7).
const Version = 3

// MediaType is the Content-Type of a playlist (RFC 8216, 4).
const MediaType = "application/vnd.apple.mpegurl"

// maxSeconds bounds a parsed duration: above it time.Duration overflows.
const maxSeconds = 1 << 33

// malformed is an error about line n, from 1, of a playlist.
func malformed(n int, format string, args ...any) error {
	return fault.New(fault.Invalid, "", "playlist line %d: %s", n, fmt.Sprintf(format, args...))
}

// lines calls fn for every line of text that is neither blank nor a comment,
// after checking the first. Tags come as name and value, URIs with an empty name.
func lines(text []byte, fn func(n int, tag, value string) error) error {
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, len(text)+1)
	n := 0
	for scan.Scan() {
		n++
		line := strings.TrimSuffix(scan.Text(), "\r")
		if n == 1 {
			if line != "#EXTM3U" {
				return malformed(n, "it must be #EXTM3U")
			}
			continue
		}
		tag, value := "", line
		switch {
		case line == "":
			continue
		case strings.HasPrefix(line, "#EXT"):
			tag, value, _ = strings.Cut(line, ":")
		case line[0] == '#':
			continue
		}
		if err := fn(n, tag, value); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		return fault.New(fault.Invalid, "", "playlist: %w", err)
	}
	if n == 0 {
		return malformed(1, "it must be #EXTM3U")
	}
	return nil
}

// parseInteger reads a decimal-integer (RFC 8216, 4.2).
func parseInteger(n int, what, s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] < '0' || s[0] > '9' {
		return 0, malformed(n, "%s %q is not a decimal integer", what, s)
	}
	return v, nil
}

// parseSeconds reads a decimal-floating-point of seconds, exact to the nanosecond.
func parseSeconds(n int, what, s string) (time.Duration, error) {
	whole, part, point := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || !digits(whole) || sec > maxSeconds || point && !digits(part) {
		return 0, malformed(n, "%s %q is not a number of seconds", what, s)
	}
	nano, _ := strconv.ParseInt((part + "000000000")[:9], 10, 64)
	return time.Duration(sec)*time.Second + time.Duration(nano), nil
}

// appendTag appends a line of a tag and its value.
func appendTag(b []byte, tag, value string) []byte {
	b = append(append(append(b, tag...), ':'), value...)
	return append(b, '\n')
}

// checkURI reports a URI that would break out of its line.
func checkURI(uri string) error {
	if uri == "" || strings.HasPrefix(uri, "#") || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' }) {
		return fault.New(fault.Internal, "", "playlist: %q is not a URI; see RelativeURI", uri)
	}
	return nil
}
