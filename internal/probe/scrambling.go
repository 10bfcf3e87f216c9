package probe

import (
	"errors"
	"fmt"
	"io"
	"os"

	"vodwright.dev/vodwright/internal/fault"
)

// Bounds of what is read to see whether a transport stream is scrambled.
const (
	tsPacket      = 188
	scramblePiece = 1 << 20
)

// checkScrambling refuses a transport stream whose beginning is scrambled. The
// demuxer takes scrambled payload for pictures.
func checkScrambling(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	data := make([]byte, scramblePiece)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read the input: %w", err)
	}
	if scrambled(data[:n]) {
		return fault.New(fault.Invalid, codeEncrypted, "the input is encrypted")
	}
	return nil
}

// scrambled says whether most packets with a payload are (ISO/IEC 13818-1, section
// 2.4.3.3: transport_scrambling_control). Packets are 188 bytes, or 192 or 204 with
// what some recorders add.
func scrambled(data []byte) bool {
	for _, size := range []int{tsPacket, 192, 204} {
		for start := range min(size, len(data)) {
			packets, clouded := 0, 0
			for at := start; at+tsPacket <= len(data) && data[at] == 0x47; at += size {
				if pid := int(data[at+1]&0x1f)<<8 | int(data[at+2]); pid < 0x20 || pid == 0x1fff || data[at+3]&0x10 == 0 {
					continue // tables, stuffing, and packets without a payload
				}
				packets++
				if data[at+3]&0x80 != 0 {
					clouded++
				}
			}
			if packets > 8 {
				return clouded*2 > packets
			}
		}
	}
	return false
}
