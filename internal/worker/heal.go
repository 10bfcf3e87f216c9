package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// healed is what was set right in a source before anything looked at it, kept beside
// it: media programs would show less of it than there is. The same file is healed in
// the same way by every worker.
type healed struct {
	Warnings []plan.Warning
	Sequels  []mpegts.Sequel
}

// healedSuffix is of the file beside a source that holds its healed.
const healedSuffix = ".healed"

// heal (decision 0027) writes a file anew where what it says of its streams and their times has to be
// set right. The file at path is replaced, not written to: it may be an object's own.
func heal(path string) (*healed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the input: %w", err)
	}
	var out healed
	tell := func(code int, text string) {
		out.Warnings = append(out.Warnings, plan.Warning{Code: code, Message: text})
	}
	if m := mp4.Mend(f, info.Size()); len(m.Patches) > 0 {
		if m.Untimed {
			tell(plan.WarnMended, "the source does not say how long each of its frames lasts: its length was shared out among them")
		}
		if m.Shifted {
			tell(plan.WarnMended, "the source's edit list passes over a delay that its frames do not have: they are shown from the first one on")
		}
		return &out, rewrite(path, func(w *os.File) error {
			if _, err := io.Copy(w, f); err != nil {
				return err
			}
			for _, p := range m.Patches {
				if _, err := w.WriteAt(p.Data, p.Offset); err != nil {
					return err
				}
			}
			return nil
		})
	}
	m, err := mpegts.Survey(f)
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	if m == nil {
		return nil, nil
	}
	if m.Moved {
		tell(plan.WarnMended, "streams of the source get other PIDs on their way, as where recordings are joined: they go on")
	}
	if len(m.Sequels) > 0 {
		tell(receipt.WarnUnsteady, "the sound of the source goes on in another codec on its way; it was made one")
	}
	out.Sequels = m.Sequels
	return &out, rewrite(path, func(w *os.File) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return m.Copy(w, f)
	})
}

// rewrite replaces a file by what write makes.
func rewrite(path string, write func(*os.File) error) error {
	part := path + ".new"
	w, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return diskFault(err)
	}
	if err := errors.Join(write(w), w.Close()); err != nil {
		return diskFault(err)
	}
	return os.Rename(part, path)
}

// healedOf reads what was set right in the source at path; the zero healed is nothing.
func healedOf(path string) (healed, error) {
	var h healed
	doc, err := os.ReadFile(path + healedSuffix)
	if os.IsNotExist(err) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(doc, &h)
	}
	if err != nil {
		return h, fmt.Errorf("read what was healed: %w", err)
	}
	return h, nil
}

// join makes one sound of those that the same sound goes on as.
func (h *healed) join(src *media.Source) {
	type place struct{ index, channels int }
	found := map[int]place{} // by PID
	for _, a := range src.Audio {
		found[a.PID] = place{a.Index, a.Channels}
	}
	for _, o := range src.Other {
		if o.Kind == "audio" && o.PID > 0 { // too far away to be looked at
			found[o.PID] = place{index: o.Index}
		}
	}
	for _, s := range h.Sequels {
		to, ok := found[s.PID]
		of := slices.IndexFunc(src.Audio, func(a media.AudioStream) bool { return a.PID == s.Of })
		if !ok || of < 0 {
			continue
		}
		a := &src.Audio[of]
		a.Sequels = append(a.Sequels, media.Sequel{Index: to.index, Channels: to.channels, PTS: s.PTS, Pictures: s.Pictures})
		a.Duration = 0
	}
	part := func(pid int) bool {
		return slices.ContainsFunc(h.Sequels, func(s mpegts.Sequel) bool { return s.PID == pid && s.Of != pid })
	}
	src.Audio = slices.DeleteFunc(src.Audio, func(a media.AudioStream) bool { return part(a.PID) })
	src.Other = slices.DeleteFunc(src.Other, func(o media.OtherStream) bool { return part(o.PID) })
}
