package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// audio encodes one audio track of the whole source, or a piece of it. A task and a
// viewer who want the same at once get the same.
func (w *Worker) audio(ctx context.Context, task job.Task, p *probed, report func(job.Progress)) (job.Result, error) {
	key := taskKey{task.Job, task.Name}
	for {
		w.mu.Lock()
		m := w.sounds[key]
		if m == nil {
			m = &soundMaking{done: make(chan struct{})}
			w.sounds[key] = m
			w.mu.Unlock()
			m.result, m.err = w.makeSound(ctx, task, p, report)
			w.mu.Lock()
			delete(w.sounds, key)
			w.mu.Unlock()
			close(m.done)
			return m.result, m.err
		}
		w.mu.Unlock()
		select {
		case <-m.done:
		case <-ctx.Done():
			return job.Result{}, context.Cause(ctx)
		}
		if m.err == nil {
			return m.result, nil
		} // what went wrong may be the other's alone
	}
}

// taskKey names a task of a job.
type taskKey struct{ job, task string }

// soundMaking is an audio encode, or a piece of one, that is being made.
type soundMaking struct {
	done   chan struct{} // closed when the rest is set
	result job.Result
	err    error
}

func (w *Worker) makeSound(ctx context.Context, task job.Task, p *probed, report func(job.Progress)) (job.Result, error) {
	var t audioTask
	if err := json.Unmarshal(task.Payload, &t); err != nil {
		return job.Result{}, fmt.Errorf("decode task %q: %w", task.Name, err)
	}
	if output, kept := w.results.Kept(task.Job, task.Name); kept {
		return job.Result{Output: output}, nil
	}
	s := &soundTask{w: w, task: task, p: p, encode: t.encode(&p.Plan)}
	s.passes = 1
	if s.encode.Loudness != nil {
		s.passes = 2
	}
	total := s.encode.Samples * 1000 / int64(s.encode.SampleRate) // milliseconds
	s.progress = func(at ffmpeg.Progress) {
		report(job.Progress{Done: min(total*int64(s.pass)+at.OutTime.Milliseconds(), total*int64(s.passes)), Total: total * int64(s.passes)})
	}
	err := s.run(ctx, true)
	if errors.Is(err, errLate) { // the container led behind the place, or there is no sound before it
		s.pass = 0
		err = s.run(ctx, false)
	}
	var warnings []job.Warning
	if errors.Is(err, errUnsteady) && s.encode.Steady != nil {
		err = s.steady(ctx, nil)
		warnings = []job.Warning{{Code: receipt.WarnUnsteady, Message: "the sound of the source changes its rate or its channels on its way; it was made one"}}
	}
	if errors.Is(err, errUnsteady) {
		err = fault.New(fault.Invalid, "1075", "the sound of the input changes its format on its way, where it cannot be followed").
			WithHint("convert its sound to one rate and one number of channels first")
	}
	if err != nil {
		return job.Result{}, err
	}
	return job.Result{Output: s.output, Warnings: append(warnings, tellSilence(s.silences)...)}, nil
}

// tellSilence warns of sound that could not be decoded, or was not there though its
// stream goes on.
func tellSilence(list []plan.Silence) []job.Warning {
	if len(list) == 0 {
		return nil
	}
	first, total := list[0], 0.0
	for _, s := range list {
		total += s.To - s.From
	}
	text := fmt.Sprintf("the source has no sound that can be decoded from %.1f s to %.1f s", first.From, first.To)
	switch {
	case len(list) > 1:
		text = fmt.Sprintf("the source has no sound that can be decoded at %d places, %.1f s in all (first from %.1f s to %.1f s)", len(list), total, first.From, first.To)
	case first.End:
		text = fmt.Sprintf("the source has no sound that can be decoded from %.1f s on: it ends there, or goes on as a stream of another kind", first.From)
	}
	return []job.Warning{{Code: receipt.WarnSilence, Message: text + "; silence stands there"}}
}

// soundTask is one run of an audio task.
type soundTask struct {
	w            *Worker
	task         job.Task
	p            *probed
	encode       plan.AudioEncode
	progress     func(ffmpeg.Progress)
	pass, passes int
	output       json.RawMessage
	sources      []string // in place of the encode's Files, unless nil
	silences     []plan.Silence
}

// errUnsteady says that an encode began anew on its way, since its source's sound
// changed its format.
var errUnsteady = errors.New("the sound changes its format")

// steady makes the encode from files that keep their format, after making those
// that are not made yet.
func (s *soundTask) steady(ctx context.Context, made []string) error {
	st := s.encode.Steady
	if len(made) < len(st.Streams) {
		next := st.Streams[len(made)]
		return s.w.process(ctx, s.task, s.p, []int{next.File}, next.Args, s.progress, func(dir string) error {
			return s.steady(ctx, append(made, filepath.Join(dir, plan.SteadyFile)))
		})
	}
	again := *s
	again.encode, again.sources, again.pass = st.Encode, made, 0
	err := again.run(ctx, false)
	s.output, s.silences = again.output, again.silences
	return err
}

// process runs one media process of the encode.
func (s *soundTask) process(ctx context.Context, args []string, use func(dir string) error) error {
	if s.sources != nil {
		return s.w.media(ctx, s.task, s.sources, args, s.progress, nil, use)
	}
	return s.w.process(ctx, s.task, s.p, s.encode.Files, args, s.progress, use)
}

// errLate says that a process did not begin to decode before the place it was to use.
var errLate = errors.New("decoding began too late")

// levelled is what was measured of an encode and done about it, kept in loudnessFile
// beside it.
type levelled struct {
	Input  plan.Measured
	GainDB float64
	Output plan.Measured // with the gain, before it is encoded
}

const loudnessFile = "loudness.json"

// run makes the encode. With seek it begins in the middle of sources where the plan says so.
func (s *soundTask) run(ctx context.Context, seek bool) error {
	ways := func(args []string) []string {
		if seek {
			return args
		}
		return plan.WithoutSeek(args)
	}
	args := ways(s.encode.Args)
	var level levelled
	if l := s.encode.Loudness; l != nil {
		var err error
		if args, level, err = s.level(ctx, args, ways(l.Measure), seek); err != nil {
			return err
		}
	}
	return s.process(ctx, args, func(dir string) error {
		if err := s.entered(dir, seek); err != nil {
			return err
		}
		if s.encode.Loudness != nil {
			doc, err := json.Marshal(level)
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(dir, loudnessFile), doc); err != nil {
				return err
			}
		}
		if err := checkAudio(dir, s.encode); err != nil {
			return err
		}
		if err := s.listen(dir); err != nil {
			return err
		}
		var err error
		s.output, err = s.w.retain(ctx, dir, s.task)
		return err
	})
}

// listen reads the traces of what was decoded, and removes them.
func (s *soundTask) listen(dir string) error {
	s.silences = nil
	for _, h := range s.encode.Heard {
		path := filepath.Join(dir, h.File)
		f, err := os.Open(path)
		if os.IsNotExist(err) { // nothing at all was decoded
			f, err = os.Open(os.DevNull)
		}
		if err != nil {
			return err
		}
		list, err := plan.ParseHeard(f, h)
		f.Close()
		if err != nil {
			return fmt.Errorf("read what was heard: %w", err)
		}
		s.silences = append(s.silences, list...)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// entered looks at the traces of where a process began to decode, and removes them.
func (s *soundTask) entered(dir string, seek bool) error {
	for _, name := range s.encode.Entries {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			if !seek {
				continue
			}
			return fault.New(fault.Internal, "1999", "the encoder left no trace of where it began: %w", pathless(err))
		}
		if info.Size() == 0 && seek {
			return errLate
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// How exactly a limited sound meets its target, and how often it is tried: what the
// limiter takes away is added before it.
const (
	loudnessStep  = 0.05 // LU
	loudnessTries = 4
	mostMakeUp    = 12 // dB, of a sound that has nothing but peaks
)

// level measures the sound and returns the arguments of the encode with the gain that
// it needs.
func (s *soundTask) level(ctx context.Context, args, measure []string, seek bool) ([]string, levelled, error) {
	l := s.encode.Loudness
	input, err := s.measure(ctx, measure, seek)
	if err != nil {
		return nil, levelled{}, err
	}
	out := levelled{Input: input, Output: input}
	if !l.Correct || math.IsInf(input.LKFS, 0) || input.LKFS < l.Gate {
		return args, out.finite(), nil
	}
	gain := round(l.Target - input.LKFS)
	limited := input.TruePeak+gain > l.Ceiling
	out.Output = plan.Measured{LKFS: input.LKFS + gain, TruePeak: input.TruePeak + gain}
	first := gain
	for range loudnessTries {
		if !limited {
			break
		}
		s.passes++
		if out.Output, err = s.measure(ctx, plan.Level(measure, gain, true, s.encode.SampleRate, l.Ceiling), seek); err != nil {
			return nil, levelled{}, err
		}
		off := round(l.Target - out.Output.LKFS)
		if math.Abs(off) <= loudnessStep || gain+off > first+mostMakeUp {
			break
		}
		gain = round(gain + off)
	}
	out.GainDB = gain
	return plan.Level(args, gain, limited, s.encode.SampleRate, l.Ceiling), out.finite(), nil
}

// round is to the hundredth of a dB, which is what the arguments say.
func round(dB float64) float64 { return math.Round(dB*100) / 100 }

// silentDB stands for nothing at all.
const silentDB = -120

func silent() plan.Measured { return plan.Measured{LKFS: silentDB, TruePeak: silentDB} }

// finite makes silence a number, which JSON needs.
func (l levelled) finite() levelled {
	for _, v := range []*float64{&l.Input.LKFS, &l.Input.TruePeak, &l.Output.LKFS, &l.Output.TruePeak} {
		if math.IsInf(*v, 0) || math.IsNaN(*v) {
			*v = silentDB
		}
	}
	return l
}

// measure runs a measuring process.
func (s *soundTask) measure(ctx context.Context, args []string, seek bool) (m plan.Measured, err error) {
	err = s.process(ctx, args, func(dir string) error {
		if err := s.entered(dir, seek); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(dir, s.encode.Loudness.File))
		if err != nil {
			return fault.New(fault.Internal, "1999", "the loudness was not measured: %w", pathless(err))
		}
		m, err = plan.ParseLoudness(f, s.encode.Loudness.Algorithm)
		return errors.Join(err, f.Close())
	})
	s.pass++
	return m, err
}
