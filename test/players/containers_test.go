package players

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checkMPEGTS has the segments of a media playlist, one after the other, taken
// apart by tstools, and looks at what a receiver needs: counters without a jump,
// tables at the start of each segment, a clock at least every 100 ms.
func checkMPEGTS(t *testing.T, list mediaPlaylist) {
	t.Helper()
	name := filepath.Base(list.file)
	var whole []byte
	for _, s := range list.segments {
		data, err := os.ReadFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		checkTables(t, s.uri, data)
		whole = append(whole, data...)
	}
	file := filepath.Join(t.TempDir(), "whole.ts")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	checkPackets(t, name, whole)
	for _, args := range [][]string{{"tsinfo", "-max", "1000000", file}, {"tsreport", "-timing", file}, {"tsreport", "-buffering", file}} {
		out, complaints := tool(t, args[0], args[1:]...)
		if m := regexp.MustCompile(`(?m)^(###|!!!).*$`).FindAllString(out, -1); len(m) > 0 || complaints != "" {
			t.Errorf("%s: %s: %v %s", name, strings.Join(args[:2], " "), m, complaints)
		}
		if args[0] == "tsinfo" {
			for _, s := range probe(t, list.segments[0].file) {
				kind := map[string]string{"h264": "H.264", "aac": "ADTS"}[s.Codec]
				if !strings.Contains(out, kind) {
					t.Errorf("%s: tsinfo tells of no %s:\n%s", name, kind, out)
				}
			}
		}
		if args[1] == "-buffering" && (!strings.Contains(out, "Bad (>.1s) gaps: 0") || !regexp.MustCompile(`DTS-last DTS: min=\d`).MatchString(out) || regexp.MustCompile(`DTS-last DTS: min=-`).MatchString(out)) {
			t.Errorf("%s: tsreport: %s", name, out)
		}
		for _, m := range regexp.MustCompile(`duplicate packets: (\d+)`).FindAllStringSubmatch(out, -1) {
			if m[1] != "0" {
				t.Errorf("%s: tsreport: %s", name, m[0])
			}
		}
	}
	if _, complaints := tool(t, "ffmpeg", "-nostdin", "-v", "warning", "-i", file, "-c", "copy", "-f", "mp4", "-y", file+".mp4"); complaints != "" {
		t.Errorf("%s: copied into an MP4: %s", name, complaints)
	}
}

const packet = 188

// checkTables expects a PAT and the PMT that it names before all else.
func checkTables(t *testing.T, name string, data []byte) {
	t.Helper()
	if len(data) < 3*packet || len(data)%packet != 0 {
		t.Fatalf("%s: %d bytes are no packets", name, len(data))
	}
	pid := func(i int) int { return int(binary.BigEndian.Uint16(data[i*packet+1:])) & 0x1fff }
	program := int(binary.BigEndian.Uint16(data[5+10:])) & 0x1fff // the first program of the PAT
	if pid(0) != 0 || pid(1) != program {
		t.Errorf("%s begins with packets of PIDs %d and %d, want a PAT and its PMT, %d", name, pid(0), pid(1), program)
	}
}

// checkPackets follows the counters and the clock through all packets.
func checkPackets(t *testing.T, name string, data []byte) {
	t.Helper()
	counters := map[int]byte{}
	clock, clocks := int64(-1), 0
	for at := 0; at < len(data); at += packet {
		p := data[at : at+packet]
		if p[0] != 0x47 {
			t.Fatalf("%s: no packet at %d", name, at)
		}
		if p[1]&0x80 != 0 {
			t.Errorf("%s: the packet at %d says that it is broken", name, at)
		}
		pid := int(binary.BigEndian.Uint16(p[1:])) & 0x1fff
		counter, payload, adapts := p[3]&15, p[3]&0x10 != 0, p[3]&0x20 != 0
		if last, seen := counters[pid]; seen && payload && counter != (last+1)&15 || seen && !payload && counter != last {
			t.Errorf("%s: PID %d counts %d after %d at %d", name, pid, counter, last, at)
		}
		counters[pid] = counter
		if adapts && p[4] > 0 && p[5]&0x10 != 0 {
			pcr := int64(binary.BigEndian.Uint32(p[6:]))<<1 | int64(p[10]>>7)
			if d := pcr - clock; clock >= 0 && (d <= 0 || d > 9000) {
				t.Errorf("%s: %d ms from one PCR to the next at %d", name, d/90, at)
			}
			clock = pcr
			clocks++
		}
	}
	if clocks < 2 {
		t.Errorf("%s: %d PCRs", name, clocks)
	}
}

// checkMP4 expects a file that plays while it loads: its index in front, brands
// that players know, nothing that ffprobe or mediainfo would complain of.
func checkMP4(t *testing.T, p packaging, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for at := 0; at < len(data); {
		if at+8 > len(data) {
			t.Fatalf("%s: %d bytes after the last box", filepath.Base(file), len(data)-at)
		}
		size, kind := int(binary.BigEndian.Uint32(data[at:])), string(data[at+4:at+8])
		if size == 1 && at+16 <= len(data) {
			size = int(binary.BigEndian.Uint64(data[at+8:]))
		}
		if size < 8 || at+size > len(data) {
			t.Fatalf("%s: box %q of %d bytes at %d", filepath.Base(file), kind, size, at)
		}
		if kind == "ftyp" && !bytes.Contains(data[at:at+size], []byte("isom")) && !bytes.Contains(data[at:at+size], []byte("mp42")) {
			t.Errorf("brands %q", data[at+8:at+size])
		}
		order = append(order, kind)
		at += size
	}
	if order[0] != "ftyp" || slices.Index(order, "moov") < 0 || slices.Index(order, "moov") > slices.Index(order, "mdat") {
		t.Errorf("boxes %v: the index is not in front", order)
	}
	streams := probe(t, file)
	if want := len(p.heights) + len(p.voices); len(streams) != want {
		t.Errorf("%d tracks, want %d", len(streams), want)
	}
	out, _ := tool(t, "mediainfo", "--Output=General;%IsStreamable%", file)
	if strings.TrimSpace(out) != "Yes" {
		t.Errorf("mediainfo: is it streamable? %s", out)
	}
	if out, _ = tool(t, "mediainfo", "--Output=Video;%FrameCount%", file); len(p.heights) > 0 && strings.TrimSpace(out) != fmt.Sprint(p.source.frames()-int64(p.start)) {
		t.Errorf("mediainfo counts %s frames, want %d", out, p.source.frames())
	}
	if out, _ = tool(t, "mediainfo", "--Full", file); strings.Contains(out, "Conformance") {
		t.Errorf("mediainfo: %s", out)
	}
}
