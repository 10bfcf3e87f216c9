package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// realClip is a film trailer that stands beside the checkout on machines where
// the project is developed; others generate a clip or name theirs with -clip.
const realClip = "../shared/media/real_sintel_trailer_720p_52s.mp4"

// film is a clip that a ladder is made of.
type film struct {
	kind   string
	path   string
	about  string // for the report
	frames int
	ladder ladder
}

// films are the clips that stand beside the checkout; those that are short are
// shown several times.
var films = []struct {
	kind, file string
	times      int
	ladder     ladder
}{
	{"film, 720p", "real_sintel_trailer_720p_52s.mp4", 1, hd720},
	{"animation, 1080p", "prop_mpeg2_1080p.ts", 6, hd1080},
	{"camera, 720p", "real_dog_720p.mp4", 2, hd720},
	{"phone, 1080p", "real_phone_1080p_5s.mp4", 3, hd1080},
}

// findFilms returns the clips to encode: the one that was asked for, those beside
// the checkout, else a generated one.
func (b *bench) findFilms(ctx context.Context) ([]film, error) {
	var out []film
	switch _, err := os.Stat(realClip); {
	case b.clip != "":
		out = append(out, film{kind: "clip", path: b.clip, about: fmt.Sprintf("`%s`", filepath.Base(b.clip)), ladder: hd720})
	case errors.Is(err, os.ErrNotExist):
		f := film{kind: "generated, 720p", path: filepath.Join(b.dir, "film.mp4"), about: "a generated clip: pans, a moving object, cuts and grain", ladder: hd720}
		b.logf("making a clip: no -clip, and no %s", realClip)
		if err := makeFilm(ctx, f.path); err != nil {
			return nil, err
		}
		out = append(out, f)
	default:
		for i, c := range films {
			f := film{kind: c.kind, path: filepath.Join(filepath.Dir(realClip), c.file), about: fmt.Sprintf("%s: `%s`", c.kind, c.file), ladder: c.ladder}
			if c.times > 1 {
				longer := filepath.Join(b.dir, fmt.Sprintf("film%d.mp4", i))
				f.about += fmt.Sprintf(", %d times over", c.times)
				if _, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-stream_loop", fmt.Sprint(c.times-1), "-i", f.path, "-map", "0:v:0", "-map", "0:a:0",
					"-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k", longer); err != nil {
					return nil, err
				}
				f.path = longer
			}
			out = append(out, f)
		}
	}
	for i := range out {
		if err := out[i].look(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// look fills in what a clip is.
func (f *film) look(ctx context.Context) error {
	path, err := filepath.Abs(f.path)
	if err != nil {
		return err
	}
	f.path = path
	about, err := describe(ctx, path, f.ladder.top())
	if err != nil {
		return err
	}
	f.about += ", " + about
	p, err := picturesOf(ctx, path)
	f.frames = p.frames
	return err
}

// describe tells what a clip is, and refuses one that cannot make the ladder.
func describe(ctx context.Context, path string, top rung) (string, error) {
	out, _, err := output(ctx, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name,width,height,avg_frame_rate:format=duration", "-of", "json", path)
	if err != nil {
		return "", err
	}
	var doc struct {
		Streams []struct {
			Type          string `json:"codec_type"`
			Codec         string `json:"codec_name"`
			Width, Height int
			Rate          string `json:"avg_frame_rate"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return "", fmt.Errorf("decode ffprobe's answer about %q: %w", path, err)
	}
	var video, audio string
	for _, s := range doc.Streams {
		switch {
		case s.Type == "video" && video == "":
			video = fmt.Sprintf("%d×%d, %s frames a second, %s", s.Width, s.Height, strings.TrimSuffix(s.Rate, "/1"), s.Codec)
			if s.Width*top.height != s.Height*top.width || s.Height < top.height {
				return "", fmt.Errorf("%q is %d×%d: the ladder needs 16:9 and at least %d×%d", path, s.Width, s.Height, top.width, top.height)
			}
		case s.Type == "audio" && audio == "":
			audio = s.Codec
		}
	}
	if video == "" || audio == "" {
		return "", fmt.Errorf("%q needs both a picture and sound", path)
	}
	var seconds float64
	_, _ = fmt.Sscan(doc.Format.Duration, &seconds)
	return fmt.Sprintf("%.1f s of %s and %s", seconds, video, audio), nil
}

// makeFilm generates 50 seconds of 720p that are about as hard to encode as film:
// ten scenes with cuts between them, each a textured background that pans, an
// object that turns and moves on its own, and grain. Seeds are fixed: it is the
// same clip everywhere.
func makeFilm(ctx context.Context, out string) error {
	// Places on the edge of the Mandelbrot set, where there is detail of every size.
	places := [][3]string{
		{"-0.743643887", "-0.131825904", "0.004"},
		{"-0.16", "1.0405", "0.03"},
		{"-1.25066", "0.02012", "0.002"},
		{"0.2850", "0.0100", "0.02"},
		{"-0.7453", "0.1127", "0.006"},
	}
	still := func(size string, place [3]string) string {
		return fmt.Sprintf("mandelbrot=s=%s:rate=1:start_x=%s:start_y=%s:start_scale=%s:maxiter=500,trim=end_frame=1,gblur=sigma=1.5,loop=-1:1:0,fps=24,setpts=N/24/TB",
			size, place[0], place[1], place[2])
	}
	const scenes, seconds = 10, 5
	var graph, all strings.Builder
	for k := range scenes {
		fmt.Fprintf(&graph, "%s,hue=h=%d:s=0.5,crop=1280:720:x='160+150*sin(t/%d+%d)':y='90+80*cos(t/%d)'[b%d];", still("1600x900", places[k%len(places)]), 36*k, 2+k%3, k, 3+k%4, k)
		fmt.Fprintf(&graph, "%s,hue=h=%d:s=0.7,rotate='t/%d':ow=400:oh=400[f%d];", still("520x520", places[(k+2)%len(places)]), 80*k, 4+k%5, k)
		fmt.Fprintf(&graph, "[b%d][f%d]overlay=x='440+400*sin(t*%d/2+%d)':y='160+120*sin(1.7*t)',noise=alls=%d:allf=t:all_seed=%d,trim=end_frame=%d,format=yuv420p,setsar=1[s%d];",
			k, k, 1+k%3, k, 4+k%3, k+1, 24*seconds, k)
		fmt.Fprintf(&all, "[s%d]", k)
	}
	fmt.Fprintf(&graph, "%sconcat=n=%d[v];", &all, scenes)
	fmt.Fprintf(&graph, "anoisesrc=color=pink:seed=1:amplitude=0.3:r=48000:d=%d,tremolo=f=0.5:d=0.8,aformat=channel_layouts=stereo[a]", scenes*seconds)
	_, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-filter_complex", graph.String(), "-map", "[v]", "-map", "[a]",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "aac", "-b:a", "192k", out)
	if err != nil {
		return fmt.Errorf("make a clip: %w", err)
	}
	return nil
}
