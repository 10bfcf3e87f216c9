package execution

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of the log.
const (
	maxLine   = 256 << 10 // CloudWatch's limit of one event
	maxBatch  = 512 << 10 // bytes that wait; then whoever writes waits
	tailBytes = 4 << 10   // what LogType=Tail returns
	flushIn   = 300 * time.Millisecond
)

// appendTime bounds one write of the log. It goes on when the caller of an
// invocation leaves.
const appendTime = 10 * time.Second

// output is the log stream of one environment: what its processes write, and the
// lines of the platform, in the order in which they came.
type output struct {
	logs          Logs
	group, stream string
	log           *slog.Logger
	now           func() time.Time

	pipe    *os.File // our copy of the end that the processes write to: for marks
	drained chan struct{}
	mark    []byte // of this environment; nobody else knows it
	marks   chan struct{}

	mu      sync.Mutex
	batch   []LogEvent
	bytes   int
	tail    []byte
	timer   *time.Timer
	flushMu sync.Mutex // batches are appended one after the other
}

// newOutput makes the stream and the pipe that the processes write to; the
// caller closes its end with closePipe.
func newOutput(logs Logs, group, stream string, log *slog.Logger) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:])
	o := &output{
		logs: logs, group: group, stream: stream, log: log, now: time.Now, pipe: w,
		drained: make(chan struct{}), mark: []byte("\x00" + hex.EncodeToString(secret[:]) + "\n"), marks: make(chan struct{}, 1),
	}
	go o.read(r)
	return o, nil
}

// read takes lines until the last process has gone. It never gives up: a process
// whose output nobody reads would hang.
func (o *output) read(r *os.File) {
	defer close(o.drained)
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		line, marked := bytes.CutSuffix(line, o.mark)
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			// A carriage return within a line is how the bootstraps write a line
			// feed within an event; a progress bar's become lines, too.
			o.add(strings.ToValidUTF8(strings.ReplaceAll(text, "\r", "\n"), "\uFFFD"))
		}
		if marked {
			o.marks <- struct{}{}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) {
				o.log.Warn("the output of a function is lost", "stream", o.stream, "err", err)
			}
			return
		}
	}
}

// catchUp returns when everything that was written before it was called is
// read, or when the environment's pipe is closed.
func (o *output) catchUp() {
	if _, err := o.pipe.Write(o.mark); err != nil {
		return
	}
	select {
	case <-o.marks:
	case <-o.drained:
	}
}

// closePipe closes our end; read ends when the processes' are closed too, which
// is when the last of a killed tree is gone. Without a sandbox a child may have
// left the tree and hold it: waiting is bounded.
func (o *output) closePipe() {
	o.pipe.Close()
	select {
	case <-o.drained:
	case <-time.After(2 * time.Second):
	}
}

// add adds one event.
func (o *output) add(message string) {
	o.mu.Lock()
	o.batch = append(o.batch, LogEvent{Time: o.now(), Message: message})
	o.bytes += len(message) + 26 // as CloudWatch counts
	o.tail = append(append(o.tail, message...), '\n')
	if len(o.tail) > 2*tailBytes {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-tailBytes:]...)
	}
	full := o.bytes >= maxBatch
	if o.timer == nil && !full {
		o.timer = time.AfterFunc(flushIn, o.flush)
	}
	o.mu.Unlock()
	if full {
		o.flush()
	}
}

// takeTail returns the last bytes of the log since it was last called.
func (o *output) takeTail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail := o.tail[max(len(o.tail)-tailBytes, 0):]
	o.tail = nil
	return bytes.Clone(tail)
}

// flush appends what waits. What the log does not take is lost, and said so.
func (o *output) flush() {
	o.flushMu.Lock()
	defer o.flushMu.Unlock()
	o.mu.Lock()
	batch := o.batch
	o.batch, o.bytes = nil, 0
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	o.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), appendTime)
	defer stop()
	if err := o.logs.Append(ctx, o.group, o.stream, batch); err != nil {
		o.log.Warn("log events of a function are lost", "group", o.group, "stream", o.stream, "events", len(batch), "err", err)
	}
}
