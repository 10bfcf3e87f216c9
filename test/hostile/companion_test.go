package hostile_test

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

// pngChunk is a chunk of a PNG file with its checksum.
func pngChunk(kind string, content []byte) []byte {
	body := append([]byte(kind), content...)
	return slices.Concat(be32(uint32(len(content))), body, be32(crc32.ChecksumIEEE(body)))
}

// pngOf is a PNG file that says what its header says.
func pngOf(width, height uint32, chunks ...[]byte) []byte {
	header := pngChunk("IHDR", slices.Concat(be32(width), be32(height), []byte{8, 2, 0, 0, 0}))
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), header, slices.Concat(chunks...), pngChunk("IEND", nil))
}

// TestHostileImages lays files that are no honest images over a good clip.
func TestHostileImages(t *testing.T) {
	c := newCanary(t)
	m := newMachine(t, c)
	corpus := &corpus{t: t, canary: c}
	good := corpus.good("mp4")
	var still bytes.Buffer
	if err := png.Encode(&still, image.NewRGBA(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	zeros := deflated(make([]byte, 64<<20))
	files := []file{
		{"good.png", still.Bytes(), plays, 50},
		{"text in it.png", slices.Concat(still.Bytes()[:33], pngChunk("tEXt", append([]byte("Comment\x00"), bytes.Repeat(c.secret, 1000)...)), still.Bytes()[33:]), plays, 50},
		{"text bomb.png", slices.Concat(still.Bytes()[:33], pngChunk("zTXt", append([]byte("Comment\x00\x00"), zeros...)), still.Bytes()[33:]), either, 50},
		{"profile bomb.png", slices.Concat(still.Bytes()[:33], pngChunk("iCCP", append([]byte("p\x00\x00"), zeros...)), still.Bytes()[33:]), either, 50},
		{"60000 x 60000.png", pngOf(60000, 60000, pngChunk("IDAT", zeros)), refused, 0},
		{"a line.png", pngOf(2_000_000, 1, pngChunk("IDAT", zeros)), refused, 0},
		{"nothing.png", pngOf(0, 0), refused, 0},
		{"cut.png", still.Bytes()[:still.Len()/2], refused, 0},
		{"empty.png", nil, refused, 0},
		{"two.png", slices.Concat(still.Bytes(), still.Bytes()), either, 50},
		{"animated.png", slices.Concat(still.Bytes()[:33], pngChunk("acTL", slices.Concat(be32(100_000), be32(0))), still.Bytes()[33:]), either, 50},
		{"svg.png", []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="20"><image xlink:href="` + c.url + `/svg.png" width="9" height="9"/></svg>`), refused, 0},
		{"playlist.png", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + c.movie + "\n#EXT-X-ENDLIST\n"), refused, 0},
		{"script.png", []byte("ffconcat version 1.0\nfile " + c.movie + "\n"), refused, 0},
		{"a clip.png", good, refused, 0},
		{"img%03d.png", still.Bytes(), plays, 50},
	}
	t.Run("job", func(t *testing.T) {
		for _, f := range files {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				over := map[string]any{"insertableImages": []any{map[string]any{"imageInserterInput": "s3://in/" + f.name, "imageX": 3, "imageY": 4, "layer": 1, "opacity": 100}}}
				m.run(t, f, map[string]any{
					"inputs": []any{map[string]any{"fileInput": "s3://in/clip.mp4", "imageInserter": over}}, "outputGroups": json.RawMessage(outputs),
				}, file{name: "clip.mp4", content: good})
			})
		}
	})
	if n := c.calls.Load(); n > 0 {
		t.Errorf("the canary's server was called %d times", n)
	}
}

// TestHostileSound gives a good clip the sound of another file.
func TestHostileSound(t *testing.T) {
	c := newCanary(t)
	m := newMachine(t, c)
	corpus := &corpus{t: t, canary: c}
	good := corpus.good("mp4")
	wav := corpus.ffmpeg("a.wav", words(tone)...)
	lies := slices.Clone(wav)
	copy(lies[24:], le32(0xffffffff)) // samples a second
	many := slices.Clone(wav)
	copy(many[22:], []byte{0xff, 0xff}) // channels
	files := []file{
		{"good.wav", wav, plays, 50},
		{"playlist.wav", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + c.movie + "\n#EXT-X-ENDLIST\n"), refused, 0},
		{"http playlist.mp3", []byte("#EXTM3U\n" + c.url + "/a.mp3\n"), refused, 0},
		{"script.wav", []byte("ffconcat version 1.0\nfile " + c.movie + "\n"), refused, 0},
		{"tones.wav", []byte("-SE\nNOW tone\ntone: 200+10/50\n"), refused, 0},
		{"rate.wav", lies, either, 50},
		{"channels.wav", many, either, 50},
		{"silent film.mp4", corpus.ffmpeg("a.mp4", words(picture+" -c:v libx264 -preset ultrafast -pix_fmt yuv420p")...), refused, 0},
		{"cover bomb.mp3", corpus.ffmpeg("a.mp3", slices.Concat([]string{"-i", corpus.keep("cover.png", pngOf(8, 8, pngChunk("IDAT", deflated(bytes.Repeat([]byte{0}, 8*25)))))}, words(tone+" -map 1 -map 0 -c:v copy -c:a libmp3lame"))...), plays, 50},
		{"text.wav", []byte(strings.Repeat("hello ", 10000)), refused, 0},
		{"empty.wav", nil, refused, 0},
		{"ten hours.mka", corpus.ffmpeg("long.mka", words("-f lavfi -i anullsrc=r=8000:cl=mono:d=36000 -c:a flac -compression_level 0 -frame_size 32768")...), plays, 50},
	}
	t.Run("job", func(t *testing.T) {
		for _, f := range files {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				m.run(t, f, map[string]any{
					"inputs":       []any{map[string]any{"fileInput": "s3://in/clip.mp4", "audioSelectors": map[string]any{"Audio Selector 1": map[string]any{"externalAudioFileInput": "s3://in/" + f.name}}}},
					"outputGroups": json.RawMessage(outputs),
				}, file{name: "clip.mp4", content: good})
			})
		}
	})
	if n := c.calls.Load(); n > 0 {
		t.Errorf("the canary's server was called %d times", n)
	}
}

// TestHostileURLs names inputs at addresses that nobody else may make us call, and
// files of this machine.
func TestHostileURLs(t *testing.T) {
	c := newCanary(t)
	m := newMachine(t, c)
	port := c.url[strings.LastIndexByte(c.url, ':'):]
	for _, url := range []string{
		c.url + "/film.mp4", "http://localhost" + port + "/film.mp4", "http://user:secret@127.0.0.1" + port + "/", "http://[::ffff:127.0.0.1]" + port + "/", "http://[::1]" + port + "/",
		"http://0.0.0.0" + port + "/", "http://0" + port + "/", "http://2130706433" + port + "/", "http://0x7f000001" + port + "/", "http://127.1" + port + "/", "http://[64:ff9b::7f00:1]" + port + "/",
		"https://127.0.0.1" + port + "/", "http://169.254.169.254/latest/meta-data/iam/security-credentials/", "http://[fd00:ec2::254]/latest/", "http://100.100.100.200/", "http://168.63.129.16/",
		"ftp://127.0.0.1" + port + "/", "file://" + c.text, c.text, "concat:" + c.text, "subfile,,start,0,end,0,,:" + c.text, "data:video/mp4;base64,AAAA", "pipe:0", "/dev/stdin", "s3://", "s3://in", "",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			err := m.Run(t.Context(), t, map[string]any{"inputs": []any{map[string]any{"fileInput": url}}, "outputGroups": json.RawMessage(outputs)}, nil).Err
			f := fault.Of(err)
			if err == nil || !slices.Contains([]string{"1040", "1404", "3451", "3457"}, f.Code) || strings.Contains(err.Error(), "secret@") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Cleanup(func() {
		if n := c.calls.Load(); n > 0 {
			t.Errorf("the canary's server was called %d times", n)
		}
	})
}
