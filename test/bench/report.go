package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is the Markdown that the bench writes.
type report struct {
	text     bytes.Buffer
	verdicts []verdict
}

// verdict compares a figure with its target.
type verdict struct {
	what, value, target string
	met                 bool
}

// line adds a paragraph.
func (r *report) line(format string, args ...any) { fmt.Fprintf(&r.text, format+"\n\n", args...) }

// table adds a table; the first row is its head, first columns are text and the others figures.
func (r *report) table(rows ...[]string) {
	for i, row := range rows {
		fmt.Fprintf(&r.text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&r.text, "|---|%s\n", strings.Repeat("---:|", len(row)-1))
		}
	}
	r.text.WriteByte('\n')
}

// target records whether a figure is what it should be.
func (r *report) target(what, value, target string, met bool) {
	r.verdicts = append(r.verdicts, verdict{what, value, target, met})
}

// atMost is a target with an upper limit; format shows value and limit.
func (r *report) atMost(what string, value, limit float64, format string) {
	r.target(what, fmt.Sprintf(format, value), "≤ "+fmt.Sprintf(format, limit), value <= limit)
}

func (r *report) section(s section, runs int) {
	fmt.Fprintf(&r.text, "## %s\n\n", s.title)
	r.line("%s", s.about)
	load, busy := systemLoad()
	note := ""
	if busy {
		note = " **The machine was busy with other work: ratios of CPU time roughly hold, times do not.**"
	}
	r.line("%d runs; load average at the start %.2f.%s", runs, load, note)
}

func (r *report) targets() {
	if len(r.verdicts) == 0 {
		return
	}
	fmt.Fprintf(&r.text, "## Targets\n\n")
	rows := [][]string{{"measure", "figure", "target", ""}}
	for _, v := range r.verdicts {
		word := "PASS"
		if !v.met {
			word = "**over target**"
		}
		rows = append(rows, []string{v.what, v.value, v.target, word})
	}
	r.table(rows...)
}

// head says what was measured, and where.
func (r *report) head(ctx context.Context, b *bench) error {
	version, err := firstLine(ctx, b.program, "version")
	if err != nil {
		return fmt.Errorf("ask the program for its version: %w", err)
	}
	ffmpeg, err := firstLine(ctx, "ffmpeg", "-version")
	if err != nil {
		return fmt.Errorf("ask ffmpeg for its version: %w", err)
	}
	fmt.Fprint(&r.text, "# Benchmarks\n\n")
	r.line("Made by `make bench`, which measures Vodwright beside what it is compared with, in turns, on one machine. " +
		"Figures are medians, with the range in brackets. CPU time is user and system time of all processes that took part. " +
		"MB and GB are powers of ten.")
	r.table(
		[]string{"machine", ""},
		[]string{"date", time.Now().UTC().Format("2006-01-02 15:04 UTC")},
		[]string{"CPU", fmt.Sprintf("%s, %d logical cores", cpuModel(), runtime.NumCPU())},
		[]string{"memory", fmt.Sprintf("%.1f GB", float64(meminfo("MemTotal"))/1e9)},
		[]string{"system", fmt.Sprintf("%s, Linux %s", osName(), strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")))},
		[]string{"Vodwright", version},
		[]string{"ffmpeg", strings.TrimPrefix(strings.SplitN(ffmpeg, " Copyright", 2)[0], "ffmpeg version ")},
	)
	return nil
}

func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, line)
	}
	return strings.TrimSpace(line), nil
}

// systemLoad returns the load average of the last minute, and whether it says
// that something else keeps this machine from giving comparable figures.
func systemLoad() (load float64, busy bool) {
	_, _ = fmt.Sscan(readFile("/proc/loadavg"), &load)
	// Sections follow one another, so the one before is still in the average:
	// what counts is whether something runs now that is not ours.
	return load, othersRunning() > 0.3
}

// othersRunning returns how many cores are busy while the bench does nothing.
func othersRunning() float64 {
	const watch = 500 * time.Millisecond
	before := idleTime()
	began := time.Now()
	time.Sleep(watch) // a measuring window, not a wait for something
	idle := (idleTime() - before).Seconds() / time.Since(began).Seconds()
	return max(float64(runtime.NumCPU())-idle, 0)
}

// idleTime returns the time that all cores have idled since boot (proc(5), /proc/stat).
func idleTime() time.Duration {
	var name string
	var user, nice, system, idle, iowait int64
	_, _ = fmt.Sscan(readFile("/proc/stat"), &name, &user, &nice, &system, &idle, &iowait)
	return time.Duration(idle+iowait) * clockTick
}

// readFile returns "" for what cannot be read: facts for the report, none of which is vital.
func readFile(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

func cpuModel() string {
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// meminfo returns a field of /proc/meminfo in bytes, 0 if there is none.
func meminfo(field string) int64 {
	return kilobytes(readFile("/proc/meminfo"), field)
}

func osName() string {
	for line := range strings.Lines(readFile("/etc/os-release")) {
		if value, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return runtime.GOOS
}
