package players

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tag is a line of a playlist that begins with #EXT, read without the rooms' help.
type tag struct {
	name, value string
	attributes  map[string]string // without quotes
}

var attribute = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^,]*)`)

func readTag(line string) tag {
	name, value, _ := strings.Cut(line, ":")
	t := tag{name: name, value: value, attributes: map[string]string{}}
	for _, m := range attribute.FindAllStringSubmatch(value, -1) {
		t.attributes[m[1]] = strings.Trim(m[2], `"`)
	}
	return t
}

func (t tag) number(name string) float64 {
	n, _ := strconv.ParseFloat(t.attributes[name], 64)
	return n
}

// multivariant is a multivariant playlist as it stands in a folder.
type multivariant struct {
	file     string
	tags     []tag
	variants []variant
	media    []tag // EXT-X-MEDIA
	iframes  []tag // EXT-X-I-FRAME-STREAM-INF
}

type variant struct {
	tag
	uri string
}

// mediaPlaylist is a media playlist and its segments, each as a file of its own.
type mediaPlaylist struct {
	file     string
	tags     map[string]tag
	version  int
	target   float64
	iframes  bool
	segments []segment
}

type segment struct {
	file      string // whole: with what EXT-X-MAP says before it
	uri       string
	seconds   float64
	size      int64 // without its EXT-X-MAP
	integer   bool  // EXTINF without decimals
	byteRange bool
	mapped    bool
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}

func readMultivariant(t *testing.T, file string) multivariant {
	t.Helper()
	m := multivariant{file: file}
	var next *tag
	for _, line := range lines(t, file) {
		switch {
		case strings.HasPrefix(line, "#EXT"):
			g := readTag(line)
			m.tags = append(m.tags, g)
			switch g.name {
			case "#EXT-X-STREAM-INF":
				next = &g
			case "#EXT-X-MEDIA":
				m.media = append(m.media, g)
			case "#EXT-X-I-FRAME-STREAM-INF":
				m.iframes = append(m.iframes, g)
			}
		case line != "" && next != nil:
			m.variants = append(m.variants, variant{tag: *next, uri: line})
			next = nil
		}
	}
	return m
}

// readMedia reads a media playlist below a folder and cuts out its segments.
func readMedia(t *testing.T, file string) mediaPlaylist {
	t.Helper()
	p := mediaPlaylist{file: file, tags: map[string]tag{}, version: 1}
	dir, cut := filepath.Dir(file), t.TempDir()
	piece := func(uri, bytes string, at *int64) []byte {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(unescape(t, uri))))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if bytes == "" {
			return data
		}
		length, offset, given := strings.Cut(bytes, "@")
		n, err := strconv.ParseInt(length, 10, 64)
		if given {
			*at, _ = strconv.ParseInt(offset, 10, 64)
		}
		if err != nil || *at+n > int64(len(data)) {
			t.Fatalf("%s: byte range %s of %s, which has %d bytes", file, bytes, uri, len(data))
		}
		data = data[*at : *at+n]
		*at += n
		return data
	}
	var head, iv []byte
	var inf, bytes string
	at := int64(0)
	encrypted := false
	for _, line := range lines(t, file) {
		if !strings.HasPrefix(line, "#") && line != "" {
			seconds, _, _ := strings.Cut(inf, ",")
			s := segment{uri: line, byteRange: bytes != "", mapped: head != nil, integer: !strings.Contains(seconds, ".")}
			s.seconds, _ = strconv.ParseFloat(seconds, 64)
			data := piece(line, bytes, &at)
			s.size = int64(len(data))
			if encrypted {
				data = decrypt(t, data, iv, p.tags["#EXT-X-MEDIA-SEQUENCE"].value, len(p.segments))
			}
			s.file = filepath.Join(cut, strconv.Itoa(len(p.segments))+filepath.Ext(unescape(t, line)))
			if err := os.WriteFile(s.file, append(head[:len(head):len(head)], data...), 0o600); err != nil {
				t.Fatal(err)
			}
			p.segments = append(p.segments, s)
			inf, bytes = "", ""
			continue
		}
		if !strings.HasPrefix(line, "#EXT") {
			continue
		}
		g := readTag(line)
		p.tags[g.name] = g
		switch g.name {
		case "#EXT-X-VERSION":
			p.version, _ = strconv.Atoi(g.value)
		case "#EXT-X-TARGETDURATION":
			p.target, _ = strconv.ParseFloat(g.value, 64)
		case "#EXT-X-I-FRAMES-ONLY":
			p.iframes = true
		case "#EXTINF":
			inf = g.value
		case "#EXT-X-BYTERANGE":
			bytes = g.value
		case "#EXT-X-KEY":
			if encrypted = g.attributes["METHOD"] == "AES-128"; encrypted {
				var err error
				if iv, err = hex.DecodeString(strings.TrimPrefix(strings.ToLower(g.attributes["IV"]), "0x")); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			}
		case "#EXT-X-MAP":
			var from int64
			head = piece(g.attributes["URI"], g.attributes["BYTERANGE"], &from)
		}
	}
	return p
}

// decrypt undoes METHOD=AES-128 (5.2): without an IV it is the number of the segment.
func decrypt(t *testing.T, data, iv []byte, sequence string, i int) []byte {
	t.Helper()
	secret, _ := hex.DecodeString(key)
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	if len(iv) == 0 {
		first, _ := strconv.Atoi(sequence)
		iv = binary.BigEndian.AppendUint64(make([]byte, 8), uint64(first+i))
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		t.Fatalf("segment %d has %d bytes: not whole blocks", i, len(data))
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
	return data[:len(data)-int(data[len(data)-1])] // PKCS #7
}

func (p mediaPlaylist) seconds() float64 {
	sum := 0.0
	for _, s := range p.segments {
		sum += s.seconds
	}
	return sum
}

// checkPlaylists has every playlist of a folder read by parsers that are not ours.
func checkPlaylists(t *testing.T, dir, modules string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".m3u8" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 2 {
		t.Fatalf("%d playlists, %v", len(files), err)
	}
	cmd := exec.Command("node", append([]string{"testdata/playlists.js"}, files...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(modules, "node_modules"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, strings.ReplaceAll(string(out), dir+"/", ""))
	}
}

// checkMediaPlaylist holds a media playlist against RFC 8216bis.
func checkMediaPlaylist(t *testing.T, p packaging, m mediaPlaylist) {
	t.Helper()
	name := filepath.Base(m.file)
	needs := 1
	for _, s := range m.segments {
		if !s.integer {
			needs = max(needs, 3)
		}
		if s.byteRange || m.iframes {
			needs = max(needs, 4)
		}
		if s.mapped && m.iframes {
			needs = max(needs, 5)
		} else if s.mapped {
			needs = max(needs, 6)
		}
		if s.seconds <= 0 || math.Round(s.seconds) > m.target {
			t.Errorf("%s: %s lasts %.3f s, the target duration is %g", name, s.uri, s.seconds, m.target)
		}
	}
	if k, ok := m.tags["#EXT-X-KEY"]; ok && k.attributes["IV"] != "" {
		needs = max(needs, 2)
	}
	if m.version < needs {
		t.Errorf("%s: EXT-X-VERSION %d, its features need %d (8)", name, m.version, needs)
	}
	if m.target != math.Trunc(m.target) || m.target < 1 {
		t.Errorf("%s: EXT-X-TARGETDURATION %g", name, m.target)
	}
	if m.tags["#EXT-X-PLAYLIST-TYPE"].value != "VOD" {
		t.Errorf("%s: EXT-X-PLAYLIST-TYPE %q", name, m.tags["#EXT-X-PLAYLIST-TYPE"].value)
	}
	if _, ended := m.tags["#EXT-X-ENDLIST"]; !ended {
		t.Errorf("%s: no EXT-X-ENDLIST", name)
	}
	want := float64(p.source.frames()-int64(p.start)) / p.source.rate.Float()
	if got := m.seconds(); math.Abs(got-want) > 0.05 && !m.iframes && (!m.segments[0].integer || math.Abs(got-want) > 0.51) {
		t.Errorf("%s: its segments last %.3f s, the source %.3f", name, got, want)
	}
}
