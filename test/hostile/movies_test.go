package hostile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// references are real containers that point at other files.
func (c *corpus) references() []file {
	text, movie, url := c.canary.text, c.canary.movie, c.canary.url
	good := c.good("mp4")
	dref := func(kind string, payload []byte) []byte {
		return rewrite(good, "moov/trak/mdia/minf/dinf/dref", func([]byte) []byte {
			return slices.Concat(be32(0), be32(1), box(kind, be32(0), payload))
		})
	}
	alias := func(path string) []byte { // an alias record of version 2 with an absolute POSIX path
		record := make([]byte, 150)
		record[5], record[7] = 150, 2
		record = append(record, slices.Concat(be16(18), be16(uint16(len(path))), []byte(path))...)
		return append(record, 0xff, 0xff, 0, 0)
	}
	// The GAB2 trick of 2016: an AVI whose subtitles are a playlist.
	avi := func(playlist string) []byte {
		header := func(kind, handler string) []byte {
			return slices.Concat([]byte(kind), []byte(handler), le32(0), make([]byte, 8), le32(1), le32(25), le32(0), le32(1), le32(4096), le32(0xffffffff), le32(0), make([]byte, 8))
		}
		bitmap := slices.Concat(le32(40), le32(64), le32(64), []byte{1, 0, 24, 0}, make([]byte, 4), le32(64*64*3), make([]byte, 16))
		list := slices.Concat([]byte("hdrl"),
			chunk("avih", le32(40000), make([]byte, 8), le32(0x10), le32(1), le32(0), le32(2), le32(0), le32(64), le32(64), make([]byte, 16)),
			chunk("LIST", []byte("strl"), chunk("strh", header("vids", "\x00\x00\x00\x00")), chunk("strf", bitmap)),
			chunk("LIST", []byte("strl"), chunk("strh", header("txts", "\x00\x00\x00\x00")), chunk("strf")))
		gab := slices.Concat([]byte("GAB2\x00\x02\x00"), le32(0), []byte{4, 0}, le32(uint32(len(playlist))), []byte(playlist))
		return chunk("RIFF", []byte("AVI "), chunk("LIST", list), chunk("LIST", []byte("movi"), chunk("01tx", gab), chunk("00db", make([]byte, 64*64*3))))
	}
	font := c.keep("font.ttf", []byte(strings.Repeat("font ", 5000)))
	script := c.keep("a.js", []byte("alert(document.cookie)"))
	chapters := c.keep("c.srt", []byte("1\n00:00:00,000 --> 00:00:01,000\n<img src="+url+"/x> {\\fn/etc/passwd}\n"))
	return []file{
		{"dref url.mov", dref("url ", append([]byte("file://"+movie), 0)), either, 0},
		{"dref http.mov", dref("url ", append([]byte(url+"/dref.mp4"), 0)), either, 0},
		{"dref alias.mov", dref("alis", alias(movie)), either, 0},
		{"dref alias of text.mov", dref("alis", alias(text)), either, 0},
		{"dref of nothing.mov", dref("urn ", []byte("x\x00")), either, 0},
		{"gab2 file.avi", avi("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0\nfile://" + text + "\n#EXT-X-ENDLIST\n"), either, 0},
		{"gab2 http.avi", avi("#EXTM3U\n#EXTINF:1.0\n" + url + "/gab2\n#EXT-X-ENDLIST\n"), either, 0},
		{"attachments.mkv", c.good("mkv", "-attach", font, "-metadata:s:t:0", "mimetype=application/x-truetype-font", "-metadata:s:t:0", "filename=../../../../tmp/x", "-attach", script, "-metadata:s:t:1", "mimetype=text/html"), plays, 50},
		{"subtitles.mkv", c.ffmpeg("a.mkv", slices.Concat(words(picture+" "+tone), []string{"-i", chapters, "-map", "0", "-map", "1", "-map", "2", "-c:s", "srt"}, words(small))...), plays, 50},
		{"rtsp in a redirect.mov", box("moov", box("rmra", box("rmda", box("rdrf", be32(0), []byte("url "), be32(uint32(len(url)+1)), append([]byte(url), 0))))), refused, 0},
	}
}

// movies are MP4 files whose index lies.
func (c *corpus) movies() []file {
	good := c.good("mp4")
	video := "moov/trak/mdia/"
	nested := func(kind string, depth int) []byte {
		body := []byte{}
		for range depth {
			body = box(kind, body)
		}
		return body
	}
	elst := func(entries int, duration, at uint32) []byte {
		body := slices.Concat(be32(0), be32(uint32(entries)))
		for range entries {
			body = slices.Concat(body, be32(duration), be32(at), be32(0x10000))
		}
		return rewrite(good, "moov/trak/edts/elst", func([]byte) []byte { return body })
	}
	zipped := deflated(make([]byte, 256<<20))
	cmov := slices.Concat(box("ftyp", []byte("qt  "), be32(0)), box("moov", box("cmov", box("dcom", []byte("zlib")), box("cmvd", be32(256<<20), zipped))))
	gap := rewrite(good, video+"minf/stbl/stts", func(b []byte) []byte { // 49 frames, then ten hours
		return slices.Concat(be32(0), be32(2), be32(25), b[12:16], be32(25), be32(36000*12800))
	})
	unedited := func(data []byte) []byte { // without its edit list, which would end it after two seconds
		return rewrite(data, "moov/trak", func(b []byte) []byte { return bytes.Replace(b, []byte("edts"), []byte("free"), 1) })
	}
	return []file{
		{"no samples.mp4", rewrite(good, video+"minf/stbl/stsz", put(8, be32(0))), either, 0},
		{"4 billion sizes.mp4", rewrite(good, video+"minf/stbl/stsz", put(8, be32(0xfffffff0))), either, 0},
		{"4 billion equal sizes.mp4", rewrite(good, video+"minf/stbl/stsz", put(4, slices.Concat(be32(1), be32(0xfffffff0)))), either, 0},
		{"4 billion times.mp4", rewrite(good, video+"minf/stbl/stts", put(8, slices.Concat(be32(0xfffffff0), be32(1)))), either, 0},
		{"4 billion chunks.mp4", rewrite(good, video+"minf/stbl/stco", put(4, be32(0xfffffff0))), either, 0},
		{"offsets beyond the end.mp4", rewrite(good, video+"minf/stbl/stco", put(8, be32(0xfffffff0))), either, 0},
		{"no time.mp4", rewrite(good, video+"minf/stbl/stts", put(12, be32(0))), either, 0},
		{"time goes back.mp4", rewrite(good, video+"minf/stbl/stts", put(12, be32(0xffffff00))), either, 0},
		{"a million frames a second.mp4", rewrite(rewrite(good, video+"mdhd", put(12, be32(1_000_000))), video+"minf/stbl/stts", put(12, be32(1))), either, 0},
		{"timescale 0.mp4", rewrite(good, video+"mdhd", put(12, be32(0))), either, 0},
		{"timescale -1.mp4", rewrite(good, video+"mdhd", put(12, be32(0xffffffff))), either, 0},
		{"movie timescale 0.mp4", rewrite(good, "moov/mvhd", put(12, be32(0))), either, 0},
		{"lasts a thousand years.mp4", rewrite(good, "moov/mvhd", put(16, be32(0xfffffffe))), either, 0},
		{"ten hours between frames.mp4", unedited(gap), refused, 0},
		{"days between frames.mp4", unedited(rewrite(good, video+"minf/stbl/stts", put(12, be32(0x7fffffff)))), refused, 0},
		{"picture of 65535x65535.mp4", rewrite(good, "moov/trak/tkhd", put(76, slices.Concat(be32(0xffff0000), be32(0xffff0000)))), either, 0},
		{"no size.mp4", rewrite(good, "moov/trak/tkhd", put(76, make([]byte, 8))), either, 0},
		{"matrix of zeros.mp4", rewrite(good, "moov/trak/tkhd", put(40, make([]byte, 36))), either, 0},
		{"matrix of noise.mp4", rewrite(good, "moov/trak/tkhd", put(40, bytes.Repeat([]byte{0x7f, 0xff, 0xff, 0xff}, 9))), either, 0},
		{"300 edits.mp4", elst(300, 40, 0), either, 0},
		{"edit of a year.mp4", elst(1, 0xfffffff0, 0), either, 0},
		{"edit before the start.mp4", elst(1, 2000, 0xfffffff0), either, 0},
		{"empty edit of a day.mp4", slices.Clone(rewrite(good, "moov/trak/edts/elst", func([]byte) []byte {
			return slices.Concat(be32(0), be32(2), be32(86_400_000), be32(0xffffffff), be32(0x10000), be32(2000), be32(0), be32(0x10000))
		})), either, 0},
		{"boxes in boxes.mp4", slices.Concat(good, nested("moov", 50_000)), either, 0},
		{"boxes in meta.mp4", slices.Concat(box("ftyp", []byte("isom"), be32(0)), nested("udta", 100_000)), refused, 0},
		{"box of size 0.mp4", slices.Concat(good, be32(0), []byte("moov")), either, 0},
		{"box of size 1.mp4", slices.Concat(box("ftyp", []byte("isom"), be32(0)), be32(1), []byte("moov"), be64(1<<62)), refused, 0},
		{"cmov bomb.mp4", cmov, refused, 0},
		{"10000 tracks.mp4", slices.Concat(box("ftyp", []byte("isom"), be32(0)), box("moov", bytes.Repeat(box("trak", box("mdia")), 10_000))), refused, 0},
		{"sample description of noise.mp4", rewrite(good, video+"minf/stbl/stsd", put(16, bytes.Repeat([]byte{0xff}, 40))), either, 0},
		{"two indexes.mp4", slices.Concat(good, good), either, 0},
		{"fragments without end.mp4", slices.Concat(c.good("mp4", "-movflags", "frag_keyframe+empty_moov"), bytes.Repeat(box("moof", box("mfhd", be64(1)), box("traf", box("tfhd", be32(0), be32(1)), box("trun", be32(0), be32(0xffffff)))), 2000)), either, 0},
		{"encrypted.mp4", c.good("mp4", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", strings.Repeat("76", 16), "-encryption_kid", strings.Repeat("a7", 16)), refused, 0},
		{"metadata of a megabyte.mp4", c.good("mp4", "-metadata", "title="+strings.Repeat("\x1b[31m<script>", 8000), "-metadata", "comment="+c.canary.text), plays, 50},
	}
}

// streams are elementary streams and the containers around them that change or
// claim what nobody films.
func (c *corpus) streams() []file {
	h264 := func(size string, seconds float64) []byte {
		return c.ffmpeg("a.h264", words(fmt.Sprintf("-f lavfi -i testsrc2=s=%s:r=25:d=%g -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25", size, seconds))...)
	}
	ts := func(size string) []byte {
		return c.ffmpeg("a.ts", words(fmt.Sprintf("-f lavfi -i testsrc2=s=%s:r=25:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25", size))...)
	}
	// Programs of a transport stream that has nothing else: a gigabyte of memory in plain ffprobe.
	var programs []byte
	for s := range 100 {
		table := []byte{0, 0xb0, 0, 0, 1, 0xc1, byte(s), 99}
		for p := range 40 {
			n := s*40 + p + 1
			table = append(table, byte(n>>8), byte(n), 0xe0|byte((n+32)>>8), byte(n+32))
		}
		table[2] = byte(len(table) - 3 + 4)
		programs = append(programs, section(0, table)...)
	}
	for n := range 4000 {
		table := []byte{2, 0xb0, 18, byte((n + 1) >> 8), byte(n + 1), 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, byte(n), 0xf0, 0}
		programs = append(programs, section(n+33, table)...)
	}
	scrambled := c.good("ts")
	leap := func(seconds string) []byte {
		return c.ffmpeg("a.ts", words("-f lavfi -i testsrc2=s=160x90:r=25:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -output_ts_offset "+seconds)...)
	}
	var leaps []byte
	for i := range 60 {
		leaps = append(leaps, leap([]string{"0", "36000", "7200", "90000"}[i%4])...)
	}
	noise := rand.New(rand.NewPCG(5, 5))
	for i := 0; i+188 <= len(scrambled); i += 188 {
		if pid := int(scrambled[i+1]&0x1f)<<8 | int(scrambled[i+2]); pid >= 0x100 { // not the tables
			scrambled[i+3] |= 0x80
			start := 4
			if scrambled[i+3]&0x20 != 0 {
				start += 1 + int(scrambled[i+4])
			}
			for k := start; k < 188; k++ {
				scrambled[i+k] = byte(noise.Uint32())
			}
		}
	}
	interlaced := c.ffmpeg("a.ts", words("-f lavfi -i testsrc2=s=160x96:r=25:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params tff=1 -flags +ildct")...)
	webm := func(size string) []byte {
		return c.ffmpeg("a.ivf", words("-f lavfi -i testsrc2=s="+size+":r=25:d=0.4 -c:v libvpx-vp9 -deadline realtime -cpu-used 8")...)
	}
	grown := append(webm("320x180"), webm("64x64")[32:]...) // frames of another size follow
	copy(grown[24:], le32(20))
	ogg := c.ffmpeg("a.ogg", words("-f lavfi -i sine=d=0.2 -c:a libvorbis")...)
	long := c.ffmpeg("long.mka", words("-f lavfi -i anullsrc=r=8000:cl=mono:d=36000 -c:a flac -compression_level 0 -frame_size 32768")...)
	film := c.ffmpeg("film.mkv", words(picture+" -c:v libx264 -preset ultrafast -pix_fmt yuv420p")...)
	tiny := words("-f lavfi -i color=black:s=16x16:r=1000:d=5 -c:v libx264 -preset ultrafast -pix_fmt yuv420p")
	ebml := element([]byte{0x1a, 0x45, 0xdf, 0xa3}, element([]byte{0x42, 0x82}, []byte("matroska")))
	void := bytes.Repeat(slices.Concat([]byte{0xec, 0x81, 0}), 200_000)
	tags := []byte("x")
	for range 20_000 {
		tags = element([]byte{0x67, 0xc8}, tags) // SimpleTag holds SimpleTags
	}
	return []file{
		{"changes its size.h264", slices.Concat(h264("160x90", 1), h264("320x240", 1), h264("64x64", 1)), either, 0},
		{"changes its size.ts", slices.Concat(ts("160x90"), ts("320x240"), ts("64x48")), either, 0},
		{"begins again.ts", slices.Concat(ts("160x90"), ts("160x90"), ts("160x90")), either, 0},
		{"larger than 8K.h264", c.ffmpeg("a.h264", words("-f lavfi -i color=s=8704x8704:r=1:d=1 -frames:v 1 -c:v libx264 -preset ultrafast -threads 1")...), refused, 0},
		{"a line.mkv", c.ffmpeg("a.mkv", words("-f lavfi -i color=s=16382x2:r=25:d=0.2 -c:v ffv1")...), either, 0},
		{"a longer line.mkv", c.ffmpeg("a.mkv", words("-f lavfi -i color=s=65534x2:r=25:d=0.2 -c:v ffv1")...), refused, 0},
		{"a column.mkv", c.ffmpeg("a.mkv", words("-f lavfi -i color=s=2x20000:r=25:d=0.2 -c:v ffv1")...), refused, 0},
		{"4000 programs.ts", programs, refused, 0},
		{"scrambled.ts", scrambled, refused, 0},
		{"leaps ten hours.ts", slices.Concat(leap("0"), leap("36000")), either, 0},
		{"leaps back ten hours.ts", slices.Concat(leap("36000"), leap("0")), either, 0},
		{"leaps 60 times.ts", leaps, either, 0},
		{"grain.mkv", c.ffmpeg("a.mkv", words("-f lavfi -i testsrc2=s=160x90:r=25:d=0.4 -pix_fmt yuv420p -c:v libsvtav1 -preset 12 -svtav1-params film-grain=50")...), plays, 10},
		{"ten bits.mp4", c.ffmpeg("a.mp4", words("-f lavfi -i testsrc2=s=160x90:r=25:d=0.4 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params log-level=none:slices=4")...), plays, 10},
		{"interlaced, it says.ts", interlaced, either, 0},
		{"5000 tiny frames.mp4", c.ffmpeg("a.mp4", tiny...), plays, 0},
		{"5000 tiny frames.h264", c.ffmpeg("a.h264", tiny...), either, 0},
		{"vp9 changes its size.ivf", grown, either, 0},
		{"chained.ogg", bytes.Repeat(ogg, 50), refused, 0},
		{"sound of ten hours.mka", long, refused, 0},
		{"film of 2 s, sound of ten hours.mkv", c.ffmpeg("a.mkv", "-i", c.keep("f.mkv", film), "-i", c.keep("s.mka", long), "-map", "0", "-map", "1", "-c", "copy"), plays, 50},
		{"nothing but void.mkv", slices.Concat(ebml, element([]byte{0x18, 0x53, 0x80, 0x67}, void)), refused, 0},
		{"tags in tags.mkv", slices.Concat(ebml, element([]byte{0x18, 0x53, 0x80, 0x67}, element([]byte{0x12, 0x54, 0xc3, 0x67}, element([]byte{0x73, 0x73}, tags)))), refused, 0},
		{"segment of unknown size.mkv", slices.Concat(ebml, []byte{0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x1f, 0x43, 0xb6, 0x75, 0xff}, 50_000)), refused, 0},
		{"clip in an element.mkv", slices.Concat(ebml, element([]byte{0xa3}, c.good("mp4"))), either, 0},
		{"index that lies.avi", slices.Concat(c.ffmpeg("a.avi", words(picture+" -c:v mjpeg")...), chunk("idx1", bytes.Repeat(slices.Concat([]byte("00dc"), le32(0x10), le32(0x7fffffff), le32(0x7fffffff)), 5000))), either, 0},
		{"a million frames a second.ivf", slices.Concat([]byte("DKIF\x00\x00\x20\x00VP80\x40\x00\x40\x00"), le32(1_000_000), le32(1), le32(200), le32(0), bytes.Repeat(slices.Concat(le32(1), le32(0), le32(0), []byte{0}), 20000)), either, 0},
		{"essence elsewhere.mxf", slices.Concat(c.ffmpeg("a.mxf", words(picture+" -c:v mpeg2video")...)[:9000], []byte(c.canary.movie)), either, 0},
		{"wav that never ends.wav", slices.Concat([]byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\xff\xff"), le32(0xffffffff), le32(0xffffffff), []byte{0xff, 0xff, 8, 0}, []byte("data\xff\xff\xff\xff"), make([]byte, 4096)), refused, 0},
		{"five minutes of black.mp4", c.ffmpeg("a.mp4", words("-f lavfi -i color=black:s=16x16:r=1:d=300 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 300")...), either, 300},
	}
}
