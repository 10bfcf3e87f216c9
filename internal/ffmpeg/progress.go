package ffmpeg

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// parseProgress reads ffmpeg's -progress stream to its end and calls report at
// the end of each block. advanced says that anything moved since the block before:
// frames, time or bytes. Keys it does not know and lines that are too long are
// passed over: the writer is not trusted.
func parseProgress(r io.Reader, report func(at Progress, advanced bool)) error {
	in := bufio.NewReaderSize(r, 4096)
	var at, before Progress
	var size, sizeBefore int64
	skip := false
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			skip = true
			continue
		}
		if !skip {
			key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte("="))
			n, number := int64(0), false
			if ok {
				v, err := strconv.ParseInt(string(value), 10, 64)
				n, number = v, err == nil && v >= 0
			}
			switch {
			case number && string(key) == "frame":
				at.Frame = max(at.Frame, n)
			case number && string(key) == "out_time_us" && n < int64(1<<53):
				at.OutTime = max(at.OutTime, time.Duration(n)*time.Microsecond)
			case number && string(key) == "total_size":
				size = n
			case ok && string(key) == "progress":
				report(at, at != before || size != sizeBefore)
				before, sizeBefore = at, size
			}
		}
		skip = false
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
