package worker

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// aacPacker packs segments of packed audio (RFC 8216, 3.4).
type aacPacker struct{ stream *mpegts.Stream }

func (p aacPacker) segment(out io.Writer, i int) ([]keyFrame, error) {
	_, err := p.stream.WritePackedSegment(out, i)
	return nil, err
}

func (p aacPacker) begun(io.Writer, int) error { return nil }

// adts makes a file of AAC frames.
func (f *finisher) adts(t *tracks, bucket string, o plan.Output) (int64, error) {
	audio, err := t.audio(o)
	if err != nil {
		return 0, err
	}
	return f.file(mediaFile, bucket, o.Key, func(out io.Writer) error {
		_, err := mpegts.WriteADTS(out, audio[0], f.plan.Audios[o.Audios[0]].MPEG2)
		return err
	})
}

// loudnessLogs makes the CSV files of what was measured of an output's audio.
func (f *finisher) loudnessLogs(ctx context.Context, bucket string, o plan.Output) error {
	for i, key := range o.LoudnessLogs {
		if key == "" {
			continue
		}
		encode := f.plan.Audios[o.Audios[i]]
		var level levelled
		if encode.Loudness != nil { // silence is not measured
			file, err := f.w.results.File(ctx, f.job, audioName(o.Audios[i]), loudnessFile)
			var doc []byte
			if err == nil {
				doc, err = os.ReadFile(file)
			}
			if err == nil {
				err = json.Unmarshal(doc, &level)
			}
			if err != nil {
				return fmt.Errorf("read the loudness of %s: %w", encode.File, err)
			}
		} else {
			level = levelled{Input: silent(), Output: silent()}
		}
		_, err := f.file(mediaFile, bucket, key, func(out io.Writer) error { return writeLoudness(out, encode.Loudness, level) })
		if err != nil {
			return err
		}
	}
	return nil
}

// writeLoudness writes a log: a line of names, a line of numbers.
func writeLoudness(out io.Writer, l *plan.Loudness, level levelled) error {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	names := []string{"Algorithm", "Target LKFS", "Input Integrated LKFS", "Gain dB", "Output Integrated LKFS"}
	values := []string{"", "", number(level.Input.LKFS), number(level.GainDB), number(level.Output.LKFS)}
	if l != nil {
		values[0] = l.Algorithm
		if l.Correct {
			values[1] = number(l.Target)
		}
	}
	if l == nil || l.TruePeak {
		names = append(names, "Input True Peak dBTP", "Output True Peak dBTP")
		values = append(values, number(level.Input.TruePeak), number(level.Output.TruePeak))
	}
	w := csv.NewWriter(out)
	w.UseCRLF = true
	if err := w.WriteAll([][]string{names, values}); err != nil {
		return err
	}
	return w.Error()
}
