package corpus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/clip"
)

// make2 replaces the last step of a clip that is remade.
func (c Clip) make2(step string) Clip {
	s := plain("25")
	c.make = remade(c.Name, c.Want, s, h264+aac, step).make
	return c
}

// renameBox gives every box of an MP4 file with one name another.
func renameBox(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(from), []byte(to)) }
}

// lyingDuration makes the headers of an MP4 file claim 40 hours.
func lyingDuration(b []byte) []byte {
	for _, box := range []struct {
		name   string
		offset int // of the duration, behind the name, in version 0
	}{{"mvhd", 4 + 4 + 4 + 4}, {"tkhd", 4 + 4 + 4 + 4 + 4}} {
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte(box.name))
			if i < 0 {
				break
			}
			at += i + 4
			binary.BigEndian.PutUint32(b[at+box.offset:], 40*3600*1000)
		}
	}
	return b
}

// matrix writes a display matrix into the first track of an MP4 file: the picture's
// right is (a, b), its down is (c, d).
func matrix(a, b, c, d int32) func([]byte) []byte {
	return func(data []byte) []byte {
		at := bytes.Index(data, []byte("tkhd")) + 4 + 40
		for i, v := range []int32{a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30} {
			binary.BigEndian.PutUint32(data[at+4*i:], uint32(v))
		}
		return data
	}
}

// edit is one entry of an edit list, in milliseconds; at -1 is an empty edit.
type edit struct{ length, at int64 }

// editLists replaces the edit lists of all tracks of an MP4 file that has its index
// at its end.
func editLists(list ...edit) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.LastIndex(b, []byte("moov")) - 4
		movie := box(b[at:])
		scale := int64(binary.BigEndian.Uint32(movie[bytes.Index(movie, []byte("mvhd"))+16:]))
		out := rebuild(movie[8:], func(name string, body []byte) []byte {
			if name != "trak" {
				return body
			}
			media := int64(binary.BigEndian.Uint32(body[bytes.Index(body, []byte("mdhd"))+16:]))
			elst := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(len(list)))
			for _, e := range list {
				from := int64(-1)
				if e.at >= 0 {
					// The first frame is shown two frames late, or one AAC frame: what was there says so.
					from = e.at*media/1000 + priming(body)
				}
				elst = binary.BigEndian.AppendUint32(elst, uint32(e.length*scale/1000))
				elst = binary.BigEndian.AppendUint32(elst, uint32(int32(from)))
				elst = append(elst, 0, 1, 0, 0)
			}
			edts := wrap("edts", wrap("elst", elst))
			kept := rebuild(body, func(name string, body []byte) []byte {
				if name == "edts" {
					return nil
				}
				return body
			})
			// Behind the header.
			header := len(box(kept))
			return slices.Concat(kept[:header], edts, kept[header:])
		})
		return append(slices.Clip(b[:at]), wrap("moov", out)...)
	}
}

// priming is the media time at which the first edit of a track begins.
func priming(trak []byte) int64 {
	i := bytes.Index(trak, []byte("elst"))
	if i < 0 {
		return 0
	}
	return int64(int32(binary.BigEndian.Uint32(trak[i+4+8+4:])))
}

// box returns the box that b begins with.
func box(b []byte) []byte { return b[:binary.BigEndian.Uint32(b)] }

func wrap(name string, body []byte) []byte {
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), []byte(name), body)
}

// rebuild changes the bodies of a row of boxes; one that becomes nil is left out.
func rebuild(b []byte, change func(name string, body []byte) []byte) []byte {
	var out []byte
	for len(b) >= 8 {
		one := box(b)
		if body := change(string(one[4:8]), one[8:]); body != nil {
			out = append(out, wrap(string(one[4:8]), body)...)
		}
		b = b[len(one):]
	}
	return out
}

// within changes the bodies of the boxes at a path such as "moov/trak/mdia" of an MP4
// file that have a text in them.
func within(path, with string, change func([]byte) []byte) func([]byte) []byte {
	first, rest, deeper := strings.Cut(path, "/")
	return func(b []byte) []byte {
		return rebuild(b, func(name string, body []byte) []byte {
			switch {
			case name != first || !bytes.Contains(body, []byte(with)):
				return body
			case deeper:
				return within(rest, with, change)(body)
			}
			return change(body)
		})
	}
}

// emptied takes all samples from the tables of a track's media.
func emptied(media []byte) []byte {
	return rebuild(media, func(name string, body []byte) []byte {
		switch name {
		case "minf", "stbl":
			return emptied(body)
		case "stsz":
			return make([]byte, 12)
		case "stts", "stsc", "stco":
			return make([]byte, 8)
		case "sgpd", "sbgp":
			return nil
		}
		return body
	})
}

// untimed takes the durations from a table of them.
func untimed(stts []byte) []byte {
	for at := 8; at+8 <= len(stts); at += 8 {
		clear(stts[at+4 : at+8])
	}
	return stts
}

// untimedFragments takes the durations from the fragments of a file.
func untimedFragments(b []byte) []byte {
	b = within("moov/mvex/trex", "", func(body []byte) []byte { clear(body[12:16]); return body })(b)
	b = within("moof/traf/tfhd", "", func(body []byte) []byte {
		at := 8
		for _, f := range []struct{ flag, size int }{{1, 8}, {2, 4}} {
			if int(body[3])&f.flag != 0 {
				at += f.size
			}
		}
		if body[3]&8 != 0 {
			clear(body[at : at+4])
		}
		return body
	})(b)
	return within("moof/traf/trun", "", func(body []byte) []byte {
		if body[2]&1 == 0 {
			return body
		}
		at, width := 8, 4
		for _, flag := range []byte{1, 4} {
			if body[3]&flag != 0 {
				at += 4
			}
		}
		for _, flag := range []byte{2, 4, 8} {
			if body[2]&flag != 0 {
				width += 4
			}
		}
		for ; at+width <= len(body); at += width {
			clear(body[at : at+4])
		}
		return body
	})(b)
}

// twice has each packet of a transport stream twice.
func twice(b []byte) []byte {
	var out []byte
	for p := range slices.Chunk(b, 188) {
		out = append(append(out, p...), p...)
	}
	return out
}

// pulldown sets the flags of soft 3:2 telecine on an MPEG-2 stream of 24000/1001
// frames a second, which then says that it has 30000/1001 (ISO/IEC 13818-2, 6.3).
func pulldown(b []byte) []byte {
	shown := 0
	for i := 0; i+10 < len(b); i++ {
		if b[i] != 0 || b[i+1] != 0 || b[i+2] != 1 {
			continue
		}
		switch at := i + 4; {
		case b[i+3] == 0xB3: // sequence header: frame_rate_code
			b[at+3] = b[at+3]&0xF0 | 4
		case b[i+3] == 0xB5 && b[at]>>4 == 1: // sequence extension: progressive_sequence
			b[at+1] &^= 1 << 3
		case b[i+3] == 0x00: // picture header: temporal_reference
			shown = int(b[at])<<2 | int(b[at+1])>>6
			gop := bytes.LastIndex(b[:i], []byte{0, 0, 1, 0xB8})
			if gop >= 0 { // time code: pictures of 24 a second before this GOP
				shown += gopStart(b[gop+4:])
			}
		case b[i+3] == 0xB5 && b[at]>>4 == 8: // picture coding extension
			phase := shown % 4
			b[at+3] &^= 1<<7 | 1<<1
			if phase == 0 || phase == 1 { // top_field_first
				b[at+3] |= 1 << 7
			}
			if phase == 0 || phase == 2 { // repeat_first_field
				b[at+3] |= 1 << 1
			}
			b[at+4] |= 1 << 7 // progressive_frame
		}
	}
	return b
}

// gopStart reads the time code of a GOP header as a number of pictures.
func gopStart(b []byte) int {
	hours, minutes := int(b[0]>>2&0x1F), int(b[0]&3)<<4|int(b[1]>>4)
	seconds, pictures := int(b[1]&7)<<3|int(b[2]>>5), int(b[2]&0x1F)<<1|int(b[3]>>7)
	return (hours*3600+minutes*60+seconds)*24 + pictures
}

// softTelecine is a film with repeat flags and sound in a transport stream.
func softTelecine(name string, w Want, s clip.Spec) Clip {
	return Clip{Name: name, Want: w, make: func(k *Kitchen, out string) error {
		plain, flagged := k.temp("mkv"), k.temp("mkv")
		if err := encoded(s, args("-an -c:v mpeg2video -g 12 -bf 2 -b:v 1M")...)(k, plain); err != nil {
			return err
		}
		b, err := os.ReadFile(plain)
		if err != nil {
			return err
		}
		if err := os.WriteFile(flagged, pulldown(b), 0o600); err != nil {
			return err
		}
		sound := k.temp("mp2")
		if err := encoded(s, args("-vn -c:a mp2")...)(k, sound); err != nil {
			return err
		}
		// Frame n begins with field 2.5n, rounded up: they last three and two fields in turn.
		const fields = "ceil(2.5*round(%[1]s*TB*24000/1001))*1001/60000/TB"
		times := fmt.Sprintf("setts=pts="+fields, "PTS") + fmt.Sprintf(":dts="+fields, "DTS")
		return k.ffmpeg("-i", flagged, "-i", sound, "-map", "0:v", "-map", "1:a", "-c", "copy", "-bsf:v", times, out)
	}}
}

// captioned writes a caption into the frames of an H.264 stream that has access
// unit delimiters and no B-frames: each frame has two bytes of it (ATSC A/53 part 4,
// CEA-608), from the second on.
func captioned(text string) func([]byte) []byte {
	pairs := [][2]byte{{0x14, 0x20}, {0x14, 0x20}, {0x14, 0x2E}, {0x14, 0x2E}, {0x14, 0x70}, {0x14, 0x70}} // load, erase, row 15
	for i := 0; i < len(text); i += 2 {
		pair := [2]byte{text[i], 0}
		if i+1 < len(text) {
			pair[1] = text[i+1]
		}
		pairs = append(pairs, pair)
	}
	pairs = append(pairs, [2]byte{0x14, 0x2F}, [2]byte{0x14, 0x2F}) // show
	pairs = append(pairs, make([][2]byte, 100)...)
	pairs = append(pairs, [2]byte{0x14, 0x2C}, [2]byte{0x14, 0x2C}) // erase what is shown
	odd := func(b byte) byte {
		if bits.OnesCount8(b)%2 == 0 {
			b |= 0x80
		}
		return b
	}
	return func(b []byte) []byte {
		var out []byte
		frame := -1
		delimiter := []byte{0, 0, 0, 1, 9}
		for {
			at := bytes.Index(b, delimiter)
			if at < 0 {
				return append(out, b...)
			}
			end := at + len(delimiter) + 1 // the delimiter has one byte
			out = append(out, b[:end]...)
			b = b[end:]
			var pair [2]byte
			if frame++; frame >= 1 && frame <= len(pairs) {
				pair = pairs[frame-1]
			}
			payload := append([]byte{0xB5, 0, 0x31}, "GA94\x03\xC1\xFF\xFC"...)
			payload = append(payload, odd(pair[0]), odd(pair[1]), 0xFF)
			out = append(out, 0, 0, 0, 1, 6, 4, byte(len(payload)))
			out = append(out, payload...)
			out = append(out, 0x80)
		}
	}
}

// captions is a clip with a caption in its frames.
func captions(name, text string, w Want, s clip.Spec, arguments string) Clip {
	w.Caption = text
	return Clip{Name: name, Want: w, make: func(k *Kitchen, out string) error {
		plain, marked := k.temp("h264"), k.temp("h264")
		if err := encoded(s, args("-an -c:v libx264 -preset ultrafast -crf 22 -pix_fmt yuv420p -x264-params keyint=50:bframes=0:aud=1")...)(k, plain); err != nil {
			return err
		}
		b, err := os.ReadFile(plain)
		if err != nil {
			return err
		}
		if err := os.WriteFile(marked, captioned(text)(b), 0o600); err != nil {
			return err
		}
		return k.ffmpeg(slices.Concat([]string{"-r", "25", "-i", marked}, s.Input()[4:], args("-map 0:v -map 1:a -c:v copy"), args(arguments), []string{out})...)
	}}
}
