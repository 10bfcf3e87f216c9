package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
)

// sumsFile lists, in the folder of a finished encode, the checksums of its files.
const sumsFile = "sums.json"

// seal writes down what the files of an encode hold, before they are kept.
func seal(dir string) error {
	sums, err := sumFiles(dir)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(sums)
	if err != nil {
		return err
	}
	return diskFault(os.WriteFile(filepath.Join(dir, sumsFile), doc, 0o600))
}

// sealed reports whether the files of an encode hold what was written down.
func sealed(dir string) bool {
	doc, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return false
	}
	var want map[string]content
	if err := json.Unmarshal(doc, &want); err != nil {
		return false
	}
	got, err := sumFiles(dir)
	if err != nil || len(got) != len(want) {
		return false
	}
	for name, c := range want {
		if got[name] != c {
			return false
		}
	}
	return true
}

// sumFiles reads every file of a folder.
func sumFiles(dir string) (map[string]content, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sums := map[string]content{}
	for _, e := range entries {
		if e.Name() == sumsFile || e.Name() == madeFile {
			continue
		}
		if sums[e.Name()], err = sumFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// sumFile reads a file.
func sumFile(path string) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	sum := &summer{w: io.Discard}
	_, err = io.Copy(sum, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return content{}, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return sum.content, nil
}

// mend makes again what a job's encodes left behind and is no longer what they
// wrote: a file that has changed on the disk or is gone. After a mismatch that
// says that something does not decode, what does not decode is made again too.
func (w *Worker) mend(ctx context.Context, task job.Task, p *probed, wrong *mismatch, steps *stepper) error {
	for _, stage := range stages(task.Job, &p.Plan) {
		for _, encode := range stage {
			var again func(context.Context, job.Task, *probed, func(job.Progress)) (job.Result, error)
			switch kind, _, _ := strings.Cut(encode.Name, "/"); kind {
			case "chunk":
				again = w.chunk
			case "audio":
				again = w.audio
			default:
				continue
			}
			steps.beat()
			dir, err := w.results.Folder(ctx, task.Job, encode.Name)
			if err != nil && !fault.Is(err, fault.NotFound) && !errors.Is(err, errDamaged) {
				return err
			}
			good := err == nil && sealed(dir) && w.planned(dir, encode, p)
			if good && wrong != nil && wrong.undecodable {
				err := w.decodes(ctx, dir, steps)
				if err != nil && !undecodable(err) {
					return err
				}
				good = err == nil
			}
			if good {
				continue
			}
			w.cfg.Logger.WarnContext(ctx, "an encode's files are damaged: made again", "job", task.Job, "task", encode.Name)
			if err := errors.Join(w.results.Drop(task.Job, encode.Name), w.dropMade(task.Job, encode)); err != nil {
				return err
			}
			if _, err := again(ctx, encode, p, func(job.Progress) { steps.beat() }); err != nil {
				return err
			}
		}
	}
	return nil
}

// planned reports whether an encode's files are what the plan asks for. Its maker
// has found so; that is held true only of makers on this machine.
func (w *Worker) planned(dir string, encode job.Task, p *probed) bool {
	if w.cfg.Depot == nil {
		return true
	}
	var chunk chunkTask
	var audio audioTask
	if strings.HasPrefix(encode.Name, "audio/") {
		return json.Unmarshal(encode.Payload, &audio) == nil && checkAudio(dir, audio.encode(&p.Plan)) == nil
	}
	if json.Unmarshal(encode.Payload, &chunk) != nil {
		return false
	}
	ladder := p.Plan.Ladders[chunk.Ladder]
	return checkChunk(dir, ladder, ladder.Chunks[chunk.Chunk]) == nil
}

// decodes decodes every media file of an encode.
func (w *Worker) decodes(ctx context.Context, dir string, steps *stepper) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		if filepath.Ext(file) != ".mp4" {
			continue
		}
		_, err := w.cfg.FFmpeg.Run(ctx, ffmpeg.Command{
			Args: decodeArgs("file:"+ffmpeg.SourcePath(0), VerifyFull), Sources: []string{file}, Progress: func(ffmpeg.Progress) { steps.beat() },
		})
		if err != nil {
			return err
		}
	}
	return nil
}
