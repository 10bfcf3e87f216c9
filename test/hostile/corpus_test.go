package hostile_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// outcome is what may come of a file.
type outcome int

const (
	either  outcome = iota // plays or is refused, nobody can say which
	refused                // an error with one of the codes of refusals
	plays                  // a stream of the frames that the file has
)

// file is one hostile file. Its name is the key it has in the bucket.
type file struct {
	name    string
	content []byte
	want    outcome
	frames  int // that a stream of it must have; 0 is not known
}

// files makes the corpus.
func (c *corpus) files() []file {
	return slices.Concat(c.notMedia(), c.damaged(), c.scripts(), c.references(), c.names(), c.movies(), c.streams(), c.pictures())
}

// notMedia are files of other kinds, under names of videos.
func (c *corpus) notMedia() []file {
	random := make([]byte, 1<<18)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var zipped, packed, bomb bytes.Buffer
	z := zip.NewWriter(&zipped)
	w, _ := z.Create("film.mp4")
	_, _ = w.Write(c.good("mp4"))
	_ = z.Close()
	tw := tar.NewWriter(&packed)
	_ = tw.WriteHeader(&tar.Header{Name: "film.mp4", Typeflag: tar.TypeSymlink, Linkname: c.canary.text})
	_ = tw.Close()
	g := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = g.Write(make([]byte, 1<<20))
	}
	_ = g.Close()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		c.t.Fatal(err)
	}
	good := c.good("mp4")
	return []file{
		{"zero.mp4", nil, refused, 0},
		{"one byte.mp4", []byte("x"), refused, 0},
		{"188 zeros.ts", make([]byte, 188), refused, 0},
		{"zeros.mp4", make([]byte, 1<<20), refused, 0},
		{"ones.ts", bytes.Repeat([]byte{0x47}, 1<<16), refused, 0},
		{"random.mp4", random, refused, 0},
		{"text.mp4", []byte(strings.Repeat("hello, this is not a video\n", 2000)), refused, 0},
		{"page.mp4", []byte(strings.Repeat("<!doctype html><script>alert(1)</script>", 50)), refused, 0},
		{"zip.mp4", zipped.Bytes(), refused, 0},
		{"tar.mp4", packed.Bytes(), refused, 0},
		{"gzip bomb.mp4", bomb.Bytes(), refused, 0},
		{"program.mp4", program, refused, 0},
		{"pdf.mp4", []byte("%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"), refused, 0},
		{"zip behind.mp4", slices.Concat(good, zipped.Bytes()), plays, 50},
		{"page in front.mp4", slices.Concat(box("free", []byte("<!doctype html><script>alert(1)</script>")), good), either, 50},
		{"id3 in front.mp3", slices.Concat([]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f"), make([]byte, 4096)), refused, 0},
		{"named otherwise.jpg", good, plays, 50},
		{"ts named.mp4", c.good("ts"), plays, 50},
	}
}

// damaged are clips cut short, and with bytes changed.
func (c *corpus) damaged() []file {
	var out []file
	for _, ext := range []string{"mp4", "ts", "mkv", "mov", "flv"} {
		good := c.good(ext)
		out = append(out, file{"half." + ext, good[:len(good)/2], either, 0}, file{"head." + ext, good[:600], refused, 0})
		for seed := range uint64(4) {
			r := rand.New(rand.NewPCG(seed, 7))
			bad := slices.Clone(good)
			limit := len(bad)
			if seed >= 2 {
				limit = min(limit, 6000)
			}
			for range []int{5, 50, 500, 200}[seed] {
				bad[r.IntN(limit)] = byte(r.Uint32())
			}
			out = append(out, file{fmt.Sprintf("fuzz%d.%s", seed, ext), bad, either, 0})
		}
	}
	for _, more := range []struct{ ext, args string }{
		{"avi", picture + " " + tone + " -c:v mjpeg -c:a pcm_s16le"},
		{"mxf", picture + " -c:v mpeg2video -b:v 800k"},
		{"ogg", tone + " -c:a libvorbis"},
		{"webm", picture + " " + tone + " -c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k -c:a libopus"},
		{"ivf", picture + " -c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k"},
		{"mpg", picture + " " + tone + " -c:v mpeg2video -c:a mp2"},
		{"wmv", picture + " " + tone + " -c:v wmv2 -c:a wmav2"},
		{"dv", "-f lavfi -i testsrc2=s=720x576:r=25:d=0.4 -pix_fmt yuv420p -aspect 4:3"},
	} {
		good := c.ffmpeg("good."+more.ext, words(more.args)...)
		out = append(out, file{"half." + more.ext, good[:len(good)/2], either, 0})
		for seed := range uint64(2) {
			r := rand.New(rand.NewPCG(seed, 11))
			bad := slices.Clone(good)
			for range 100 {
				bad[r.IntN(min(len(bad), 8000))] = byte(r.Uint32())
			}
			out = append(out, file{fmt.Sprintf("fuzz%d.%s", seed, more.ext), bad, either, 0})
		}
	}
	return out
}

// scripts are what ffmpeg's other demuxers read: playlists, scripts, lists of
// files, graphs of filters. Each tries to read the canary or to reach its server.
func (c *corpus) scripts() []file {
	text, movie, url := c.canary.text, c.canary.movie, c.canary.url
	m3u := func(lines ...string) string {
		return "#EXTM3U\n#EXT-X-TARGETDURATION:10\n" + strings.Join(lines, "\n") + "\n#EXT-X-ENDLIST\n"
	}
	mpd := func(base string) string {
		return `<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY x SYSTEM "file://` + text + `">]><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S" minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" codecs="avc1.64001f"><BaseURL>` + base + `</BaseURL><SegmentBase indexRange="0-100"><Initialization range="0-100"/></SegmentBase></Representation></AdaptationSet></Period></MPD>`
	}
	scripts := map[string]string{
		"hls text":         m3u("#EXTINF:10,", "file://"+text),
		"hls movie":        m3u("#EXTINF:10,", movie),
		"hls http":         m3u("#EXTINF:10,", url+"/hls.ts"),
		"hls key":          m3u(`#EXT-X-KEY:METHOD=AES-128,URI="`+url+`/key"`, "#EXTINF:10,", "source-0"),
		"hls map":          m3u(`#EXT-X-MAP:URI="`+movie+`"`, "#EXTINF:10,", "0"),
		"hls concat":       m3u("#EXTINF:10,", "concat:"+movie+"|"+text),
		"hls subfile":      m3u("#EXTINF:10,", "subfile,,start,0,end,64,,:"+text),
		"hls itself":       m3u("#EXTINF:10,", "/in/0"),
		"hls without end":  "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/in/0\n",
		"hls of many":      m3u(strings.Repeat("#EXTINF:1,\n/in/0\n", 20000)),
		"hls of hls":       "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + url + "/a.m3u8\n",
		"m3u":              "#EXTM3U\n" + movie + "\n",
		"concat":           "ffconcat version 1.0\nfile " + movie + "\n",
		"concat of http":   "ffconcat version 1.0\nfile " + url + "/concat.mp4\n",
		"concat of itself": "ffconcat version 1.0\nfile /in/0\n",
		"concat of many":   "ffconcat version 1.0\n" + strings.Repeat("file /in/0\n", 20000),
		"dash":             mpd(url + "/dash.mp4"),
		"dash of a file":   mpd(movie),
		"webm dash":        `<MPD><Period><AdaptationSet mimeType="video/webm"><Representation><BaseURL>` + url + `/a.webm</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"imf": `<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:0</Id><EditRate>24 1</EditRate><SegmentList><Segment><SequenceList><Resource><TrackFileId>` +
			url + `</TrackFileId></Resource></SequenceList></Segment></SegmentList></CompositionPlaylist>`,
		"sdp":          "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 15004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
		"ffmetadata":   ";FFMETADATA1\ntitle=" + text + "\n[CHAPTER]\nSTART=0\nEND=1\n",
		"vapoursynth":  "import vapoursynth as vs\nopen('" + text + "').read()\nvs.core.std.BlankClip().set_output()\n",
		"avisynth":     "AviSource(\"" + movie + "\")\n",
		"lavfi":        "movie=" + movie + "\n",
		"smil":         `<smil><body><video src="` + url + `/a"/></body></smil>`,
		"asx":          `<asx version="3.0"><entry><ref href="` + url + `/a"/></entry></asx>`,
		"ram":          "rtsp://127.0.0.1/a\n" + url + "/a\n",
		"pls":          "[playlist]\nFile1=" + movie + "\nNumberOfEntries=1\n",
		"sbagen":       "-SE\nNOW tone\ntone: 200+10/50\n",
		"srt":          "1\n00:00:00,000 --> 99:59:59,000\n<img src=\"" + url + "/srt\">\n",
		"vtt":          "WEBVTT\n\n00:00.000 --> 99:59:59.000\nx\n",
		"ass":          "[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,../../../../etc/passwd\n[Events]\nFormat: Start, End, Style, Text\nDialogue: 0:00:00.00,0:00:04.00,Default,{\\fn/etc/passwd}hello\n",
		"vobsub":       "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n",
		"mpl2":         "[0][10]x\n[20][30]y\n",
		"realtext":     `<window duration="10:00:00"><time begin="0"/>x</window>`,
		"svg":          `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="200" height="200"><image xlink:href="file://` + text + `" width="100" height="100"/><image xlink:href="` + url + `/svg.png" width="9" height="9"/></svg>`,
		"svg laughs":   `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"><text>&b;</text></svg>`,
		"y4m bomb":     "YUV4MPEG2 W60000 H60000 F1000000:1 Ip A1:1\nFRAME\n",
		"mod tracker":  "Extended Module: x                    \x1a" + strings.Repeat("\x00", 2000),
		"ansi art":     strings.Repeat("\x1b[31mcolour\x1b[0m\r\n", 3000),
		"dat of vcd":   "RIFF\x00\x00\x00\x00CDXAfmt " + strings.Repeat("\x00", 3000),
		"nut":          "nut/multimedia container\x00" + strings.Repeat("N\x4d\x7a\x56\x1f\x5f\x04\xad", 200),
		"rtp capture":  "#!rtpplay1.0 127.0.0.1/5004\n" + strings.Repeat("\x00", 1000),
		"pcap":         "\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + strings.Repeat("\x00", 1000),
		"file listing": "file:" + text + "\n",
	}
	var out []file
	for name, content := range scripts {
		out = append(out, file{name + ".mp4", []byte(content), refused, 0})
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return append(out, file{"playlist.m3u8", []byte(scripts["hls movie"]), refused, 0}, file{"description.mpd", []byte(scripts["dash of a file"]), refused, 0})
}

// names are harmless clips whose keys are not.
func (c *corpus) names() []file {
	good := c.good("mp4")
	var out []file
	for _, name := range []string{
		"-y", "-i", "a:b.mp4", "100%d.mp4", "img%03d.mp4", "qu'ote;$(id).mp4", "new\nline.mp4", "concat:x|y.mp4", "file:" + c.canary.text, "|id",
		"back\\slash.mp4", "a b&c=d+e?f#g.mp4", "\u202egpj.mp4", "ünïcödé-日本.mp4", strings.Repeat("n", 200) + ".mp4", "[glob]*?.mp4", "http:%2f%2fhost.mp4", "$dt$.mp4", "<script>.mp4", "tab\t.mp4",
	} {
		out = append(out, file{name, good, plays, 50})
	}
	return out
}

// pictures are still pictures, and animations: none is a video here.
func (c *corpus) pictures() []file {
	still := image.NewRGBA(image.Rect(0, 0, 64, 64))
	still.Set(1, 1, color.White)
	var p, j, g bytes.Buffer
	if err := png.Encode(&p, still); err != nil {
		c.t.Fatal(err)
	}
	if err := jpeg.Encode(&j, still, nil); err != nil {
		c.t.Fatal(err)
	}
	frame := image.NewPaletted(image.Rect(0, 0, 2000, 2000), color.Palette{color.Black, color.White})
	animation := gif.GIF{}
	for range 100 { // 400 million pixels in some kilobytes
		animation.Image, animation.Delay = append(animation.Image, frame), append(animation.Delay, 0)
	}
	if err := gif.EncodeAll(&g, &animation); err != nil {
		c.t.Fatal(err)
	}
	bomb := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), be32(13), []byte("IHDR"), be32(60000), be32(60000), []byte{8, 2, 0, 0, 0}, be32(0))
	return []file{
		{"png.mp4", p.Bytes(), refused, 0},
		{"jpeg.mp4", j.Bytes(), refused, 0},
		{"many jpegs.mp4", bytes.Repeat(j.Bytes(), 500), refused, 0},
		{"gif bomb.mp4", g.Bytes(), refused, 0},
		{"png bomb.mp4", bomb, refused, 0},
	}
}

func deflated(data []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}
