package viewersign

import (
	"bytes"
	"net/url"
	"strings"
)

// Playlist rewrites an HLS playlist for a viewer that was admitted to it by its
// URL, so that a player without cookies (iOS Safari's native one) can go on:
// every URI in it that leads to this distribution gets a query that admits it.
// That is the viewer's own custom policy where its Resource covers the URI, and a
// token for that one path otherwise. Where the URI has a variable of the playlist in
// it (EXT-X-DEFINE), which is the player's to fill in, the token is for the
// playlist's folder.
//
// Relative URIs stay relative, their own queries stay in front; URIs that lead
// elsewhere, data: and other schemes are left alone, and so is every other byte
// of the text. r is the request for the playlist, g what admitted it; without
// tokens only what the policy covers is signed.
func (v *Verifier) Playlist(r *Request, g *Grant, text []byte) []byte {
	s := &signer{verifier: v, request: r, grant: g}
	out := make([]byte, 0, len(text)+len(text)/2)
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line = text[:end+1]
		}
		text = text[len(line):]
		content := bytes.TrimRight(line, "\r\n")
		switch {
		case len(bytes.TrimSpace(content)) == 0:
			out = append(out, line...)
			continue
		case content[0] == '#':
			if bytes.HasPrefix(content, []byte("#EXT")) {
				out = s.tag(out, content)
			} else {
				out = append(out, content...)
			}
		default:
			out = s.sign(out, string(content))
		}
		out = append(out, line[len(content):]...)
	}
	return out
}

type signer struct {
	verifier *Verifier
	request  *Request
	grant    *Grant
	token    string // the last one, for scope: byte ranges name one file many times
	scope    string
}

// uriAttributes are the attributes whose value is a URI that a player fetches
// (RFC 8216bis §4.4: KEY, MAP, MEDIA, I-FRAME-STREAM-INF, SESSION-KEY,
// SESSION-DATA, PART, PRELOAD-HINT, RENDITION-REPORT; CONTENT-STEERING; DATERANGE of interstitials).
func isURIAttribute(name []byte) bool {
	switch string(name) {
	case "URI", "SERVER-URI", "X-ASSET-URI", "X-ASSET-LIST":
		return true
	}
	return false
}

// tag copies a tag, signing the URIs in its attribute list. What does not parse
// as an attribute list is copied as it is.
func (s *signer) tag(out, content []byte) []byte {
	colon := bytes.IndexByte(content, ':')
	if colon < 0 || bytes.HasPrefix(content, []byte("#EXTINF")) {
		return append(out, content...)
	}
	out = append(out, content[:colon+1]...)
	rest := content[colon+1:]
	for len(rest) > 0 {
		equals := bytes.IndexByte(rest, '=')
		if equals < 0 {
			break
		}
		name, value := bytes.TrimSpace(rest[:equals]), rest[equals+1:]
		out = append(out, rest[:equals+1]...)
		if len(value) == 0 || value[0] != '"' {
			rest = value
			comma := bytes.IndexByte(value, ',')
			if comma < 0 {
				break
			}
			out = append(out, value[:comma+1]...)
			rest = value[comma+1:]
			continue
		}
		end := bytes.IndexByte(value[1:], '"')
		if end < 0 {
			rest = value
			break
		}
		quoted := value[1 : end+1]
		out = append(out, '"')
		if isURIAttribute(name) && len(quoted) > 0 {
			out = s.sign(out, string(quoted))
		} else {
			out = append(out, quoted...)
		}
		out = append(out, '"')
		rest = value[end+2:]
		if comma := bytes.IndexByte(rest, ','); comma >= 0 {
			out = append(out, rest[:comma+1]...)
			rest = rest[comma+1:]
		} else {
			break
		}
	}
	return append(out, rest...)
}

// sign appends one URI, with the query that admits it if it leads here.
func (s *signer) sign(out []byte, uri string) []byte {
	query := s.query(uri)
	if query == "" {
		return append(out, uri...)
	}
	bare, fragment, hasFragment := strings.Cut(uri, "#")
	out = append(out, bare...)
	switch at := strings.IndexByte(bare, '?'); {
	case at < 0:
		out = append(out, '?')
	case at < len(bare)-1 && bare[len(bare)-1] != '&':
		out = append(out, '&')
	}
	out = append(out, query...)
	if hasFragment {
		out = append(append(out, '#'), fragment...)
	}
	return out
}

// query returns what admits uri, or "".
func (s *signer) query(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	if uri == "" || uri[0] == '?' && len(uri) == 1 {
		return ""
	}
	child, ok := s.resolve(uri)
	if !ok {
		return ""
	}
	if s.grant.Query != "" && s.grant.Covers(child) {
		return s.grant.Query
	}
	scope, below := unescape(child.Path), false
	if s.verifier.tokens == nil || len(scope) > 0xffff || strings.IndexByte(scope, 0) >= 0 {
		return ""
	}
	if dir := folder(unescape(s.request.Path)); strings.Contains(uri, "{$") && strings.HasPrefix(scope, dir) {
		scope, below = dir, true
	}
	if s.token == "" || s.scope != scope {
		s.token, s.scope = ParamToken+"="+s.verifier.tokens.mint(s.request.Distribution, scope, below, s.grant), scope
	}
	return s.token
}

// resolve returns the request that a player will make for uri, or false if it
// does not lead to this distribution under this name, or is signed by its author.
func (s *signer) resolve(uri string) (*Request, bool) {
	base := url.URL{Scheme: s.request.Scheme, Host: s.request.Host, Path: unescape(s.request.Path), RawPath: s.request.Path}
	ref, err := url.Parse(uri)
	if err != nil || ref.Opaque != "" || ref.User != nil {
		return nil, false
	}
	to := base.ResolveReference(ref)
	if to.Host == "" || !strings.EqualFold(to.Host, base.Host) || to.Scheme != base.Scheme {
		return nil, false
	}
	child := *s.request
	child.Path, child.RawQuery = to.EscapedPath(), to.RawQuery
	if own, _ := parameters(&Request{RawQuery: child.RawQuery}); own != (signed{}) {
		return nil, false
	}
	return &child, true
}
