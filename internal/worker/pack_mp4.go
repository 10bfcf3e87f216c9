package worker

import (
	"io"

	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// movie makes an MP4 in one piece.
func (f *finisher) movie(t *tracks, bucket string, o plan.Output) (int64, error) {
	movie := mp4.Movie{CompositionShift: !o.Movie.EditList, IndexLast: o.Movie.IndexLast, FreeSpace: o.Movie.FreeSpace, Brand: o.Movie.Brand}
	var err error
	if movie.Video, err = t.video(o.Ladder, o.Rung); err != nil {
		return 0, err
	}
	audio, err := t.audio(o)
	if err != nil {
		return 0, err
	}
	for i, a := range audio {
		movie.Audio = append(movie.Audio, mp4.MovieAudio{Audio: a, Language: f.plan.Audios[o.Audios[i]].Language, Name: o.AudioNames[i]})
	}
	return f.file(mediaFile, bucket, o.Key, func(out io.Writer) error {
		_, err := mp4.WriteProgressive(out, movie)
		return err
	})
}
