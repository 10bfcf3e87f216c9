package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// meter shows long work on stderr: a live bar on a terminal, a line for every
// tenth otherwise, one JSON object a line with --json. One bar is live at a time.
type meter struct {
	out    io.Writer
	json   bool
	bars   *mpb.Progress // nil off a terminal
	mu     sync.Mutex
	bar    *mpb.Bar
	name   string
	phase  string
	tenths int
}

func newMeter(p *program) *meter {
	m := &meter{out: p.stderr, json: p.json, tenths: -1}
	if f, ok := p.stderr.(*os.File); ok && !p.json && isatty.IsTerminal(f.Fd()) {
		m.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(48), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithAutoRefresh())
	}
	return m
}

// show sets what is being done, in which phase, and how far it is in percent.
func (m *meter) show(name, phase string, percent int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	percent = min(max(percent, 0), 100)
	changed := name != m.name
	if changed {
		m.finishBar()
		m.name, m.tenths = name, -1
	}
	phaseChanged := changed || phase != m.phase
	m.phase = phase
	switch {
	case m.json:
		if phaseChanged || percent/10 != m.tenths {
			m.tenths = percent / 10
			_ = json.NewEncoder(m.out).Encode(map[string]any{"progress": map[string]any{"name": name, "phase": phase, "percent": percent}})
		}
	case m.bars != nil:
		if m.bar == nil {
			m.bar = m.bars.New(100, mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("█").Padding("░"),
				mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.Any(func(decor.Statistics) string {
					m.mu.Lock()
					defer m.mu.Unlock()
					return fmt.Sprintf("%-12s", m.phase)
				})),
				mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6})))
		}
		m.bar.SetCurrent(int64(percent))
	case phaseChanged || percent/10 != m.tenths:
		m.tenths = percent / 10
		fmt.Fprintf(m.out, "%s  %-12s %3d%%\n", name, phase, percent)
	}
}

// finishBar leaves a bar where it is. Callers hold the lock.
func (m *meter) finishBar() {
	if m.bar != nil {
		bar := m.bar
		m.bar = nil
		m.mu.Unlock()
		bar.Abort(false)
		bar.Wait()
		m.mu.Lock()
	}
}

// close ends the display; the meter is of no use after it.
func (m *meter) close() {
	m.mu.Lock()
	m.finishBar()
	m.mu.Unlock()
	if m.bars != nil {
		m.bars.Wait()
	}
}
