package automation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Verdict is what the bytes of a file say at first sight.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // only a demuxer can tell
	Video
	NotVideo
)

// headBytes is how much of a file a first sight needs.
const headBytes = 64 << 10

// magic are the first bytes of files that hold no video, whatever they are called.
var magic = []struct{ at, what string }{
	{"#EXTM3U", "a playlist"},
	{"PK\x03\x04", "a zip archive"},
	{"PK\x05\x06", "a zip archive"},
	{"\x1f\x8b", "a gzip archive"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"Rar!\x1a\x07", "a rar archive"},
	{"%PDF-", "a PDF document"},
	{"\x89PNG\r\n\x1a\n", "an image"},
	{"\xff\xd8\xff", "an image"},
	{"GIF87a", "an image"},
	{"GIF89a", "an image"},
	{"BM", "an image"},
	{"II*\x00", "an image"},
	{"MM\x00*", "an image"},
	{"\x7fELF", "a program"},
	{"fLaC", "audio without video"},
	{"SQLite format 3\x00", "a database"},
}

// images are brands of ISO files that hold pictures.
var images = []string{"heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "crx "}

// Sniff decides what it can by a look at the bytes of a file of that size; what
// says why a NotVideo is none.
func Sniff(file io.ReaderAt, size int64) (v Verdict, what string, err error) {
	head := make([]byte, min(size, headBytes))
	if _, err := file.ReadAt(head, 0); err != nil && err != io.EOF {
		return Unknown, "", fmt.Errorf("read the begin of the object: %w", err)
	}
	for _, m := range magic {
		if m.at == "BM" && (len(head) < 6 || int64(binary.LittleEndian.Uint32(head[2:])) != size) {
			continue
		}
		if bytes.HasPrefix(head, []byte(m.at)) {
			return NotVideo, m.what, nil
		}
	}
	switch {
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return NotVideo, "an image", nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WAVE":
		return NotVideo, "audio without video", nil
	case isText(head, size):
		return NotVideo, "text", nil
	case len(head) >= 12 && isoBox(string(head[4:8])):
		return sniffISO(file, size, head)
	case len(head) > 4 && binary.BigEndian.Uint32(head) == ebmlHeader && hasMatroskaVideo(head), hasTransportVideo(head):
		return Video, "", nil
	}
	return Unknown, "", nil
}

// isText reports whether a file begins as UTF-8 text, which no container does.
func isText(head []byte, size int64) bool {
	if len(head) < 2 {
		return true
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if int64(len(head)) < size { // the last character may be cut
		for i := 0; i < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); i++ {
			head = head[:len(head)-1]
		}
	}
	if !utf8.Valid(head) {
		return false
	}
	return !bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", r) })
}

func isoBox(kind string) bool {
	switch kind {
	case "ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp":
		return true
	}
	return false
}

// Bounds of what is read of a file's boxes: a moov that is larger, or a file of
// more boxes, is left to the demuxer.
const (
	maxBoxes = 10000
	maxMoov  = 64 << 20
)

// sniffISO looks for a video track in an ISO base media (or QuickTime) file.
func sniffISO(file io.ReaderAt, size int64, head []byte) (Verdict, string, error) {
	if string(head[4:8]) == "ftyp" {
		for _, b := range images {
			if string(head[8:12]) == b {
				return NotVideo, "an image", nil
			}
		}
	}
	for at, n := int64(0), 0; at+8 <= size && n < maxBoxes; n++ {
		var h [16]byte
		if _, err := file.ReadAt(h[:min(16, size-at)], at); err != nil && err != io.EOF {
			return Unknown, "", fmt.Errorf("read a box of the object: %w", err)
		}
		length, header := int64(binary.BigEndian.Uint32(h[:])), int64(8)
		switch length {
		case 0:
			length = size - at
		case 1:
			length, header = int64(binary.BigEndian.Uint64(h[8:])), 16
		}
		if length < header || length > size-at {
			return Unknown, "", nil // cut off: the demuxer says what is wrong
		}
		if string(h[4:8]) == "moov" {
			if length > maxMoov {
				return Unknown, "", nil
			}
			moov := make([]byte, length-header)
			if _, err := file.ReadAt(moov, at+header); err != nil && err != io.EOF {
				return Unknown, "", fmt.Errorf("read the object's tracks: %w", err)
			}
			return tracks(moov)
		}
		at += length
	}
	return Unknown, "", nil
}

// tracks looks at the handlers of a movie's tracks.
func tracks(moov []byte) (Verdict, string, error) {
	video, audio := false, false
	boxes(moov, func(kind string, trak []byte) {
		if kind != "trak" {
			return
		}
		boxes(trak, func(kind string, mdia []byte) {
			if kind != "mdia" {
				return
			}
			boxes(mdia, func(kind string, hdlr []byte) {
				if kind != "hdlr" || len(hdlr) < 12 {
					return
				}
				video = video || string(hdlr[8:12]) == "vide"
				audio = audio || string(hdlr[8:12]) == "soun"
			})
		})
	})
	switch {
	case video:
		return Video, "", nil
	case audio:
		return NotVideo, "audio without video", nil
	}
	return Unknown, "", nil
}

// boxes calls each for the boxes that a box holds, as far as they are whole.
func boxes(data []byte, each func(kind string, body []byte)) {
	for len(data) >= 8 {
		n := uint64(binary.BigEndian.Uint32(data))
		if n < 8 || n > uint64(len(data)) {
			return
		}
		each(string(data[4:8]), data[8:n])
		data = data[n:]
	}
}
