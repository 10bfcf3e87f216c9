package receipt

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteJSON writes the document, indented, with a newline at its end.
func (r *Receipt) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Summary is the receipt in a few lines.
func (r *Receipt) Summary() string {
	var b strings.Builder
	rungs := 0
	for _, l := range r.Ladders {
		rungs += len(l.Rungs)
	}
	fmt.Fprintf(&b, "%d %s of video in %d %s", rungs, plural(rungs, "encode"), r.Work.Chunks, plural(r.Work.Chunks, "chunk"))
	if r.Check != nil {
		fmt.Fprintf(&b, ", %s in %d objects", size(r.Check.Bytes), r.Check.Objects)
	}
	fmt.Fprintf(&b, "; %.1f CPU seconds, %.1f s (probe %.1f, encode %.1f, finish %.1f)", r.Work.CPUSeconds+r.Work.WastedCPUSeconds, r.Time.TotalSeconds, r.Time.ProbeSeconds, r.Time.EncodeSeconds, r.Time.FinishSeconds)
	if r.Work.Retries > 0 {
		fmt.Fprintf(&b, ", %d retried", r.Work.Retries)
	}
	b.WriteString("\n")
	if p := r.Price; p != nil {
		fmt.Fprintf(&b, "%s (%s): %s\n", p.Service, p.Dated, p.words())
	}
	return b.String()
}

func (p *Price) words() string {
	least := ""
	if p.AtLeast {
		least = "at least "
	}
	return fmt.Sprintf("%s%.4f %s at its basic tier, %.4f at its professional one (%.2f normalized minutes)", least, p.Basic, p.Currency, p.Professional, p.NormalizedMinutes)
}

// Text is the receipt for people.
func (r *Receipt) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s: %s", r.Job, r.Status)
	if r.Error != nil {
		fmt.Fprintf(&b, " %d: %s", r.Error.Code, r.Error.Message)
	}
	b.WriteString("\n")
	for _, in := range r.Inputs {
		fmt.Fprintf(&b, "\n%s\n  %s, %s, %.3f s\n", in.URI, in.Container, size(in.Bytes), in.DurationSeconds)
		for _, v := range in.Video {
			fmt.Fprintf(&b, "  video %s %d×%d, %s fps", v.Codec, v.Width, v.Height, v.FrameRate)
			if v.Rotation != 0 {
				fmt.Fprintf(&b, ", to be turned by %d°", v.Rotation)
			}
			if v.Interlaced {
				b.WriteString(", interlaced")
			}
			if c := v.Color; c.Transfer != "" || c.Primaries != "" {
				fmt.Fprintf(&b, ", colour %s/%s/%s", c.Primaries, c.Transfer, c.Matrix)
			}
			b.WriteString("\n")
		}
		for _, a := range in.Audio {
			fmt.Fprintf(&b, "  audio %s %d Hz, %d %s\n", a.Codec, a.SampleRate, a.Channels, plural(a.Channels, "channel"))
		}
	}
	if len(r.Healed) > 0 {
		b.WriteString("\nHealed\n")
		for _, n := range r.Healed {
			fmt.Fprintf(&b, "  %d %s: %s\n", n.Code, n.What, n.Message)
		}
	}
	if len(r.Warnings) > 0 {
		b.WriteString("\nWarnings\n")
		for _, n := range r.Warnings {
			fmt.Fprintf(&b, "  %d: %s\n", n.Code, n.Message)
		}
	}
	if len(r.Outputs) > 0 {
		b.WriteString("\nOutputs\n")
	}
	for _, o := range r.Outputs {
		fmt.Fprintf(&b, "  %s\n    %s, %.3f s, %d bit/s", o.URI, size(o.Bytes), float64(o.DurationInMs)/1000, o.AverageBPS)
		if o.PeakBPS > 0 {
			fmt.Fprintf(&b, ", %d in the largest of %d segments", o.PeakBPS, o.Segments)
		}
		b.WriteString("\n")
		if v := o.Video; v != nil {
			fmt.Fprintf(&b, "    %s %d×%d, %s fps, %d frames, %d keyframes; %d bit/s, %d in any %d ms", v.Codec, v.Width, v.Height, v.FrameRate, v.Frames, v.Keyframes, v.AverageBPS, v.WindowPeakBPS, v.WindowInMs)
			if q := v.Quality; q != nil && q.SSIM != nil {
				fmt.Fprintf(&b, "; SSIM %.5f, lowest %.5f", q.SSIM.Mean, q.SSIM.Lowest)
			}
			if q := v.Quality; q != nil && q.VMAF != nil {
				fmt.Fprintf(&b, "; VMAF %.2f, lowest %.2f", q.VMAF.Mean, q.VMAF.Lowest)
			}
			b.WriteString("\n")
		}
		if a := o.Audio; a != nil {
			fmt.Fprintf(&b, "    %s %d Hz, %d %s\n", a.Codec, a.SampleRate, a.Channels, plural(a.Channels, "channel"))
		}
	}
	b.WriteString("\nWork\n")
	for _, t := range r.Work.Tasks {
		fmt.Fprintf(&b, "  %-7s %d of %d done, %.2f CPU seconds in %.2f s", t.Kind, t.Done, t.Tasks, t.CPUSeconds, t.WallSeconds)
		if t.Failures+t.GivenBack+t.Lost > 0 {
			fmt.Fprintf(&b, "; %d failed, %d given back, %d lost, %.2f CPU seconds for nothing", t.Failures, t.GivenBack, t.Lost, t.WastedCPUSeconds)
		}
		b.WriteString("\n")
	}
	for _, w := range r.Work.Workers {
		fmt.Fprintf(&b, "  on %s: %d %s, %.2f CPU seconds\n", w.Name, w.Tasks, plural(w.Tasks, "task"), w.CPUSeconds)
	}
	t := r.Time
	fmt.Fprintf(&b, "  queued %.2f s, probe %.2f, encode %.2f, finish %.2f; in all %.2f\n", t.QueuedSeconds, t.ProbeSeconds, t.EncodeSeconds, t.FinishSeconds, t.TotalSeconds)
	if p := r.Price; p != nil {
		fmt.Fprintf(&b, "\nThe same outputs by the minute: %s, prices of %s\n  %s\n", p.Service, p.Dated, p.words())
	}
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f KB", float64(n)/1e3)
}
