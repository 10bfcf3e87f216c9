package edge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/brotli"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

// maxSignedPlaylist bounds the playlists that are rewritten in memory, before and
// after: a day of 2-second segments is 2 MB.
const maxSignedPlaylist = 32 << 20

// isHLS reports whether a type is a playlist of HLS: the ones that can be signed.
func isHLS(contentType string) bool {
	return field.IsPlaylist(contentType) && !strings.HasPrefix(strings.ToLower(contentType), "application/dash+xml")
}

// Headers of signed playlists that are always the same.
var (
	// A playlist for one viewer is in no shared cache, and its player asks again
	// rather than go on with queries that have expired.
	privateCache = []string{"private, no-cache"}
	noRanges     = []string{"none"}
	gzipEncoding = []string{"gzip"}
)

// respondSigned sends the playlist o with every URL in it signed as the viewer's
// was. It is made anew for each request and never cached here: it differs by
// viewer. Ranges are not served, for no two answers need to have the same bytes.
func (v *viewer) respondSigned(o *object, how outcome) error {
	text, err := v.readPlaylist(o)
	if err != nil {
		return err
	}
	text = v.edge.signatures.Playlist(v.signed, v.grant, text)
	h := v.h
	zip := len(text) >= minCompressed && field.AcceptedEncodings(v.r.Header["Accept-Encoding"])&field.Gzip != 0
	tag := signedTag(o.info.ETag, v.grant.KeyPairID+v.grant.Query+v.grant.IP.String()+v.grant.Expires.String(), zip)
	v.found(how)
	set(h, "Etag", oneValue(tag))
	h["Cache-Control"] = privateCache
	addVary(h, "Accept-Encoding")
	switch field.Evaluate(v.r.Header, tag, time.Time{}) {
	case field.NotModified:
		v.writeHeader(http.StatusNotModified)
		return nil
	case field.PreconditionFailed:
		return errPrecondition()
	}
	set(h, "Content-Type", o.headers.contentType)
	set(h, "Content-Disposition", o.headers.contentDisposition)
	set(h, "Content-Language", o.headers.contentLanguage)
	h["Accept-Ranges"] = noRanges
	h["X-Content-Type-Options"] = nosniffHeader
	if zip {
		var packed bytes.Buffer
		_, _ = v.edge.compress(&packed, 1, bytes.NewReader(text), int64(len(text))) // memory does not fail
		text = packed.Bytes()
		h["Content-Encoding"] = gzipEncoding
	}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	v.writeHeader(http.StatusOK)
	if v.r.Method != http.MethodHead {
		n, err := v.w.Write(text)
		v.sent, v.cut = int64(n), err != nil // a viewer that has left misses nothing
	}
	return nil
}

// readPlaylist returns the plain text of o.
func (v *viewer) readPlaylist(o *object) ([]byte, error) {
	tooLong := fault.New(fault.Limit, "PlaylistTooLong", "A playlist of more than %d MiB cannot be signed", maxSignedPlaylist>>20)
	if o.info.Size > maxSignedPlaylist {
		return nil, tooLong
	}
	from, err := v.edge.openBody(v.r.Context(), o, false)
	if err != nil {
		return nil, err
	}
	defer from.close()
	raw := make([]byte, o.info.Size)
	switch {
	case from.bytes != nil:
		for at := 0; at < len(raw) && err == nil; {
			var data []byte
			data, err = from.bytes.next(v.r.Context(), at, len(raw))
			at += copy(raw[at:], data)
		}
	case from.at != nil:
		_, err = io.ReadFull(io.NewSectionReader(from.at, 0, o.info.Size), raw)
	default:
		_, err = io.ReadFull(from.own, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("read playlist %q: %w", o.key.path, err)
	}
	var unpacked io.Reader
	switch encoding := strings.ToLower(strings.TrimSpace(o.info.ContentEncoding)); encoding {
	case "", "identity":
		return raw, nil
	case "gzip":
		if unpacked, err = gzip.NewReader(bytes.NewReader(raw)); err != nil {
			return nil, fmt.Errorf("read playlist %q as gzip: %w", o.key.path, err)
		}
	case "br":
		unpacked = brotli.NewReader(bytes.NewReader(raw))
	default:
		return nil, fault.New(fault.Unavailable, "", "playlist %q: its Content-Encoding %q cannot be signed", o.key.path, encoding)
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, maxSignedPlaylist+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack playlist %q: %w", o.key.path, err)
	case len(text) > maxSignedPlaylist:
		return nil, tooLong
	}
	return text, nil
}

// signedTag is the entity tag of a playlist as signed by one grant.
func signedTag(etag, grant string, zipped bool) string {
	if etag == "" {
		return ""
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, grant)
	bare := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	tag := `"` + bare + "-" + strconv.FormatUint(h.Sum64(), 36) + `"`
	if zipped || strings.HasPrefix(etag, "W/") {
		return "W/" + tag
	}
	return tag
}
