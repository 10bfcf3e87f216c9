package mpegts

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Mending is what has to be changed in a transport stream so that a reader which takes
// a PID for one elementary stream, and every packet for a new one, reads all of it.
//
// Streams keep the PIDs that they have first: a video or a sound that moves to another
// PID, or changes places with another one, is moved back. A sound that goes on in
// another codec, on its PID or elsewhere, gets a PID of its own, which is told. The
// program map lists all of them from the start. Packets that are sent twice
// (ISO/IEC 13818-1, 2.4.3.3) are there once.
type Mending struct {
	Doubled int64    // packets that are the one before once more
	Moved   bool     // streams have other PIDs from some place on
	Sequels []Sequel // sounds that go on in another codec, in the order of the file

	epochs []epoch
	tables [pids]bool // PIDs of the PAT and of program maps
	pat    []byte     // sections
	pmt    []byte
	pmtPID int
}

// Sequel is where a sound goes on in another codec.
type Sequel struct {
	Of       int   // the PID of the sound that goes on
	PID      int   // of what it goes on as
	PTS      int64 // of its first PES packet, 33 bits; -1 without
	Pictures int   // PES packets of video that begin before it
}

// epoch is the time of one program map.
type epoch struct {
	packet  int64 // the one that completes it
	streams []elementary
	pcr     int
	to      map[int]int // PID → PID in the mended stream, of those that have another one
}

// elementary is an entry of a program map.
type elementary struct {
	pid, kind   int
	descriptors []byte
}

// Bounds of what is kept of a stream.
const (
	pids        = 1 << 13
	mostEpochs  = 1000
	mostSection = 1024
)

// Survey reads a transport stream to its end and returns what is to be mended in it;
// nil is nothing, or that it is none. Errors are those of r.
func Survey(r io.Reader) (*Mending, error) {
	p, err := newPacketReader(r)
	if p == nil || err != nil {
		return nil, err
	}
	s := surveyor{whole: true}
	s.sections[0] = &sectionReader{}
	s.m.tables[0] = true
	for n := int64(0); ; n++ {
		b, err := p.next(s.keep)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		s.packet(n, b)
	}
	if s.whole {
		s.place()
	}
	if !s.whole || !s.m.Moved && len(s.m.Sequels) == 0 {
		s.m.epochs, s.m.Moved, s.m.Sequels = nil, false, nil
	}
	if s.m.Doubled == 0 && s.m.epochs == nil {
		return nil, nil
	}
	return &s.m, nil
}

// surveyor is the state of a Survey.
type surveyor struct {
	m        Mending
	sections [pids]*sectionReader // by PID
	pids     [pids]*lately
	pictures int
	begins   []begin // of sound, in every epoch
	whole    bool    // there is one program, whose maps are understood
}

// begin is the first PES packet of a sound in an epoch.
type begin struct {
	epoch, pid, pictures int
	pts                  int64
}

// lately is the last packet of a PID.
type lately struct {
	packet  []byte
	own     []byte // room of its own for packet
	doubled bool
	epoch   int // in which it began a PES packet last
}

// keep makes the last packets independent of the buffer that they were read into.
func (s *surveyor) keep() {
	for _, l := range s.pids {
		if l != nil {
			l.keep()
		}
	}
}

func (l *lately) keep() {
	if len(l.packet) > 0 {
		l.own = append(l.own[:0], l.packet...)
		l.packet = l.own
	}
}

// again reports whether b is the packet before it once more, and remembers it.
func (l *lately) again(b []byte) bool {
	same := b[3]&0x10 != 0 && len(l.packet) > 0 && !l.doubled && b[3] == l.packet[3] && bytes.Equal(payload(b), payload(l.packet))
	l.packet, l.doubled = b, same
	return same
}

// payload returns what is behind the header and the adaptation field.
func payload(b []byte) []byte {
	from := 4
	if b[3]&0x20 != 0 {
		from += 1 + int(b[4])
	}
	if b[3]&0x10 == 0 || from > len(b) {
		return nil
	}
	return b[from:]
}

func pidOf(b []byte) int { return int(b[1]&0x1f)<<8 | int(b[2]) }

func (s *surveyor) packet(n int64, b []byte) {
	pid := pidOf(b)
	if pid == 0x1fff || b[1]&0x80 != 0 {
		return
	}
	l := s.pids[pid]
	if l == nil {
		l = &lately{epoch: -1}
		s.pids[pid] = l
	}
	if l.again(b) {
		if s.sections[pid] == nil && pid >= 0x20 { // tables are the same anyway
			s.m.Doubled++
		}
		return
	}
	if tables := s.sections[pid]; tables != nil {
		tables.add(b, func(section []byte) { s.section(n, pid, section) })
		return
	}
	if b[1]&0x40 == 0 || len(s.m.epochs) == 0 {
		return
	}
	pes := payload(b)
	if len(pes) < 9 || pes[0] != 0 || pes[1] != 0 || pes[2] != 1 {
		return
	}
	now := len(s.m.epochs) - 1
	streams := s.m.epochs[now].streams
	at := slices.IndexFunc(streams, func(e elementary) bool { return e.pid == pid })
	switch {
	case at < 0:
	case streams[at].video() != "":
		s.pictures++
	case l.epoch < now && streams[at].sound() != "":
		l.epoch = now
		pts := int64(-1)
		if pes[7]&0x80 != 0 && len(pes) >= 14 {
			pts = int64(pes[9]>>1&7)<<30 | int64(pes[10])<<22 | int64(pes[11]>>1)<<15 | int64(pes[12])<<7 | int64(pes[13]>>1)
		}
		s.begins = append(s.begins, begin{now, pid, s.pictures, pts})
	}
}

// section reads a section of the PAT or of a program map.
func (s *surveyor) section(n int64, pid int, b []byte) {
	if len(b) < 12 || b[5]&1 == 0 || crc32(b) != 0 { // not yet in force, or damaged
		return
	}
	body := b[8 : len(b)-4]
	switch {
	case pid == 0 && b[0] == 0:
		program := -1
		for ; len(body) >= 4; body = body[4:] {
			if body[0] == 0 && body[1] == 0 { // of the network
				continue
			}
			if program >= 0 {
				s.whole = false
			}
			program = int(body[2]&0x1f)<<8 | int(body[3])
			if s.m.pat == nil {
				s.m.pmtPID = program
			}
			if s.sections[program] == nil {
				s.sections[program] = &sectionReader{}
				s.m.tables[program] = true
			}
		}
		if s.m.pat == nil && program >= 0 {
			s.m.pat = slices.Clone(b)
		}
		s.whole = s.whole && b[7] == 0 // in one section
	case pid != 0 && b[0] == 2 && len(body) >= 4:
		e := epoch{packet: n, pcr: int(body[0]&0x1f)<<8 | int(body[1])}
		if s.m.pmt == nil {
			s.m.pmt = slices.Clone(b)
		}
		skip := min(4+int(body[2]&3)<<8+int(body[3]), len(body))
		for body = body[skip:]; len(body) >= 5; {
			length := min(5+int(body[3]&3)<<8+int(body[4]), len(body))
			e.streams = append(e.streams, elementary{int(body[1]&0x1f)<<8 | int(body[2]), int(body[0]), slices.Clone(body[5:length])})
			body = body[length:]
		}
		if last := len(s.m.epochs) - 1; last >= 0 && slices.EqualFunc(s.m.epochs[last].streams, e.streams, elementary.same) {
			return
		}
		if len(s.m.epochs) == mostEpochs {
			s.whole = false
			return
		}
		s.m.epochs = append(s.m.epochs, e)
	}
}

func (e elementary) same(other elementary) bool {
	return e.pid == other.pid && e.kind == other.kind && bytes.Equal(e.descriptors, other.descriptors)
}

// descriptor returns the body of a descriptor, nil without.
func (e elementary) descriptor(tag byte) []byte {
	for b := e.descriptors; len(b) >= 2 && len(b) >= 2+int(b[1]); b = b[2+int(b[1]):] {
		if b[0] == tag {
			return b[2 : 2+int(b[1])]
		}
	}
	return nil
}

// video names the codec of a video, "" for what is none.
func (e elementary) video() string {
	switch e.kind {
	case 0x01, 0x02:
		return "mpeg2"
	case 0x10, 0x1b, 0x24, 0x33, 0x42, 0xd1, 0xea:
		return fmt.Sprintf("%#x", e.kind)
	}
	if e.kind == 0x06 {
		if r := string(e.descriptor(0x05)); r == "HEVC" || r == "AV01" || r == "VC-1" {
			return r
		}
	}
	return ""
}

// sound names the codec of a sound, "" for what is none.
func (e elementary) sound() string {
	switch e.kind {
	case 0x03, 0x04:
		return "mpeg"
	case 0x0f:
		return "aac"
	case 0x81:
		return "ac3"
	case 0x87, 0x84:
		return "eac3"
	case 0x11, 0x1c, 0x80, 0x82, 0x83, 0x85, 0x86, 0xa1, 0xa2, 0x8a:
		return fmt.Sprintf("%#x", e.kind)
	case 0x06:
		for tag, name := range map[byte]string{0x6a: "ac3", 0x7a: "eac3", 0x7b: "dts", 0x7c: "aac"} {
			if e.descriptor(tag) != nil {
				return name
			}
		}
		switch r := string(e.descriptor(0x05)); r {
		case "AC-3":
			return "ac3"
		case "EAC3":
			return "eac3"
		case "DTS1", "DTS2", "DTS3":
			return "dts"
		case "BSSD", "Opus":
			return r
		}
	}
	return ""
}

func (e elementary) language() string {
	if b := e.descriptor(languageDescriptor); len(b) >= 3 {
		return string(b[:3])
	}
	return ""
}

// place decides the PIDs of all streams, and the map that lists them.
func (s *surveyor) place() {
	if len(s.m.epochs) < 2 || s.m.pat == nil {
		return
	}
	first := s.m.epochs[0]
	taken := map[int]bool{}
	for pid, l := range s.pids {
		taken[pid] = l != nil
	}
	taken[0x1fff] = true
	for _, e := range s.m.epochs {
		for _, st := range e.streams {
			taken[st.pid] = true
		}
	}
	free := func() int {
		for pid := 0x1ff0; pid > 0x20; pid-- {
			if !taken[pid] {
				taken[pid] = true
				return pid
			}
		}
		s.whole = false
		return 0
	}
	var videos, sounds []elementary // under the PIDs that they keep
	listed := slices.Clone(first.streams)
	for _, st := range first.streams {
		switch {
		case st.video() != "":
			videos = append(videos, st)
		case st.sound() != "":
			sounds = append(sounds, st)
		}
	}
	if len(videos) == 0 {
		return
	}
	type going struct {
		of    int
		codec string
	}
	sequels := map[going]int{}
	on := map[int]int{} // where a sound is, by the PID that it keeps
	goesOn := func(of, pid int, begin int) {
		if last, moved := on[of]; moved && last == pid || !moved && of == pid {
			return
		}
		on[of] = pid
		b := s.begins[begin]
		s.m.Sequels = append(s.m.Sequels, Sequel{Of: of, PID: pid, PTS: b.pts, Pictures: b.pictures})
	}
	for i := range s.m.epochs[1:] {
		e := &s.m.epochs[i+1]
		e.to = map[int]int{}
		video, sound := 0, 0
		var used []int
		give := func(st elementary, pid int) {
			if used = append(used, pid); st.pid != pid {
				e.to[st.pid] = pid
				s.m.Moved = true
			}
		}
		var rest []elementary
		for _, st := range e.streams {
			switch {
			case st.video() != "" && video < len(videos) && videos[video].video() == st.video():
				give(st, videos[video].pid)
				video++
			case st.video() != "":
				video++
				rest = append(rest, st)
			case st.sound() != "":
				k := sound
				sound++
				if at := slices.IndexFunc(sounds, func(o elementary) bool {
					return st.language() != "" && o.language() == st.language() && !slices.Contains(used, o.pid)
				}); at >= 0 {
					k = at
				}
				if k >= len(sounds) || slices.Contains(used, sounds[k].pid) {
					rest = append(rest, st)
					continue
				}
				at := slices.IndexFunc(s.begins, func(b begin) bool { return b.epoch == i+1 && b.pid == st.pid })
				if sounds[k].sound() == st.sound() {
					if give(st, sounds[k].pid); at >= 0 {
						goesOn(sounds[k].pid, sounds[k].pid, at)
					}
					continue
				}
				if at < 0 {
					rest = append(rest, st)
					continue
				}
				key := going{sounds[k].pid, st.sound()}
				pid, ok := sequels[key]
				if !ok {
					pid = free()
					sequels[key] = pid
					listed = append(listed, elementary{pid, st.kind, st.descriptors})
				}
				used = append(used, sounds[k].pid)
				e.to[st.pid] = pid
				goesOn(sounds[k].pid, pid, at)
			default:
				rest = append(rest, st)
			}
		}
		for _, st := range rest {
			if same := slices.IndexFunc(listed, st.same); same >= 0 && !slices.Contains(used, st.pid) {
				continue // as it was
			}
			pid := st.pid
			if slices.ContainsFunc(listed, func(o elementary) bool { return o.pid == pid }) {
				pid = free()
				e.to[st.pid] = pid
			}
			listed = append(listed, elementary{pid, st.kind, st.descriptors})
		}
	}
	s.m.pmt = programMap(s.m.pmt, first.pcr, listed)
	if len(s.m.pmt) > mostSection {
		s.whole = false
	}
}

// programMap returns the section of a program map like one that is there, for these streams.
func programMap(like []byte, pcr int, streams []elementary) []byte {
	info := min(4+int(like[10]&3)<<8+int(like[11]), len(like)-12)
	out := slices.Clone(like[:8+info])
	out[8], out[9] = 0xe0|byte(pcr>>8), byte(pcr)
	for _, e := range streams {
		out = append(out, byte(e.kind), 0xe0|byte(e.pid>>8), byte(e.pid), 0xf0|byte(len(e.descriptors)>>8), byte(len(e.descriptors)))
		out = append(out, e.descriptors...)
	}
	length := len(out) - 3 + 4
	out[1], out[2] = out[1]&0xf0|byte(length>>8), byte(length)
	crc := crc32(out)
	return append(out, byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc))
}

// Copy writes the mended stream of what Survey read. Its packets have 188 bytes.
// Errors are those of r and w.
func (m *Mending) Copy(w io.Writer, r io.Reader) error {
	p, err := newPacketReader(r)
	if p == nil || err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	c := copying{m: m, out: out, tables: map[int]byte{}}
	for n := int64(0); ; n++ {
		b, err := p.next(c.keep)
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		if err := c.packet(n, b); err != nil {
			return err
		}
	}
}

// copying is the state of a Copy.
type copying struct {
	m        *Mending
	out      io.Writer
	epoch    int
	pids     [pids]*lately
	counters [pids]*counter // by PID in the mended stream
	tables   map[int]byte   // continuity counters of the tables
	packed   [packetSize]byte
}

// counter is the continuity counter of a stream that comes of several PIDs.
type counter struct{ from, epoch, shift, last int }

func (c *copying) keep() {
	for _, l := range c.pids {
		if l != nil {
			l.keep()
		}
	}
}

func (c *copying) packet(n int64, b []byte) error {
	pid := pidOf(b)
	if pid == 0x1fff {
		return nil
	}
	l := c.pids[pid]
	if l == nil {
		l = &lately{}
		c.pids[pid] = l
	}
	if b[1]&0x80 == 0 && l.again(b) {
		return nil
	}
	if len(c.m.epochs) == 0 {
		_, err := c.out.Write(b)
		return err
	}
	for c.epoch+1 < len(c.m.epochs) && n >= c.m.epochs[c.epoch+1].packet {
		c.epoch++
	}
	if c.m.tables[pid] {
		if b[1]&0x40 == 0 {
			return nil
		}
		if pid == 0 {
			return c.table(0, c.m.pat)
		}
		return c.table(c.m.pmtPID, c.m.pmt)
	}
	to, moved := c.m.epochs[c.epoch].to[pid]
	if !moved {
		to = pid
	}
	k := c.counters[to]
	if k == nil {
		k = &counter{from: pid, epoch: c.epoch, last: -1}
		c.counters[to] = k
	}
	count := int(b[3] & 0xf)
	if k.from != pid {
		next := k.last + 1
		if b[3]&0x10 == 0 {
			next = k.last
		}
		k.from, k.shift = pid, next-count
	}
	k.last = (count + k.shift) & 0xf
	copy(c.packed[:], b)
	c.packed[1], c.packed[2] = b[1]&0xe0|byte(to>>8), byte(to)
	c.packed[3] = b[3]&0xf0 | byte(k.last)
	_, err := c.out.Write(c.packed[:])
	return err
}

// table writes a section in as many packets as it needs.
func (c *copying) table(pid int, section []byte) error {
	rest := append([]byte{0}, section...) // pointer_field
	for start := byte(0x40); len(rest) > 0; start = 0 {
		p := slices.Repeat([]byte{0xff}, packetSize)
		p[0], p[1], p[2], p[3] = syncByte, start|byte(pid>>8), byte(pid), 0x10|c.tables[pid]
		c.tables[pid] = (c.tables[pid] + 1) & 0xf
		rest = rest[copy(p[4:], rest):]
		if _, err := c.out.Write(p); err != nil {
			return err
		}
	}
	return nil
}
