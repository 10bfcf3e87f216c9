package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
)

// sumsFile lists, in the folder of a finished encode, the checksums of its files.
const sumsFile = "sums.json"

// seals is what sumsFile holds: whose files they are, too, for those of two tasks may
// have changed places.
type seals struct {
	Job   string             `json:"job"`
	Task  string             `json:"task"`
	Files map[string]content `json:"files"`
}

// seal writes down what the files of a task's encode hold, before they are kept.
func seal(dir string, task job.Task) error {
	sums, err := sumFiles(dir)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(seals{task.Job, task.Name, sums})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, sumsFile), doc)
}

// sealed reports whether the files of a task's encode hold what was written down.
func sealed(dir string, task job.Task) bool {
	doc, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return false
	}
	var want seals
	if err := json.Unmarshal(doc, &want); err != nil || want.Job != task.Job || want.Task != task.Name {
		return false
	}
	got, err := sumFiles(dir)
	return err == nil && maps.Equal(got, want.Files)
}

// footprint is what the file system knows of a folder's files: it is another one when
// any of them was written to, replaced or removed.
func footprint(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&out, "%q %d %d", e.Name(), info.Size(), info.ModTime().UnixNano())
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			fmt.Fprintf(&out, " %d %d", s.Ino, s.Ctim.Nano())
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// untouched reports whether the files that outputs were made of are what they were
// when mend had looked at them; a mismatch says which are not.
func (w *Worker) untouched(ctx context.Context, id string, seen map[string]string) error {
	for _, task := range slices.Sorted(maps.Keys(seen)) {
		dir, err := w.results.Folder(ctx, id, task)
		if err != nil && !fault.Is(err, fault.NotFound) && !errors.Is(err, errDamaged) {
			return err
		}
		if err != nil || footprint(dir) != seen[task] {
			return &mismatch{object: "the work folder's " + task, expected: "the files that were encoded", found: "them changed meanwhile"}
		}
	}
	return nil
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
// says that something does not decode, what does not decode is made again too. It
// returns the footprints of what is there then, by task.
func (w *Worker) mend(ctx context.Context, task job.Task, p *probed, wrong *mismatch, steps *stepper) (map[string]string, error) {
	seen := map[string]string{}
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
				return nil, err
			}
			if err == nil {
				seen[encode.Name] = footprint(dir)
			}
			good := err == nil && sealed(dir, encode) && w.planned(dir, encode, p)
			if good && wrong != nil && wrong.undecodable {
				err := w.decodes(ctx, dir, steps)
				if err != nil && !undecodable(err) {
					return nil, err
				}
				good = err == nil
			}
			if good {
				continue
			}
			w.cfg.Logger.WarnContext(ctx, "an encode's files are damaged: made again", "job", task.Job, "task", encode.Name)
			if err := errors.Join(w.results.Drop(task.Job, encode.Name), w.dropMade(task.Job, encode)); err != nil {
				return nil, err
			}
			if _, err := again(ctx, encode, p, func(job.Progress) { steps.beat() }); err != nil {
				return nil, err
			}
			if dir, err = w.results.Folder(ctx, task.Job, encode.Name); err != nil {
				return nil, err
			}
			seen[encode.Name] = footprint(dir)
		}
	}
	return seen, nil
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
			Args: decodeArgs("file:"+ffmpeg.SourcePath(0), VerifyFull), Sources: []string{file}, Patient: true, Progress: func(ffmpeg.Progress) { steps.beat() },
		})
		if err != nil {
			return err
		}
	}
	return nil
}
