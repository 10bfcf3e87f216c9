package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// rung is a step of a ladder.
type rung struct {
	width, height int
	maxBitrate    int // bits a second
}

// ladder is the rungs of a stream, smallest first.
type ladder []rung

var (
	hd720  = ladder{{640, 360, 1_000_000}, {960, 540, 2_000_000}, {1280, 720, 3_000_000}} // the walkthrough's
	hd1080 = ladder{{960, 540, 2_000_000}, {1280, 720, 3_000_000}, {1920, 1080, 6_000_000}}
)

// top is the largest rung.
func (l ladder) top() rung { return l[len(l)-1] }

func (r rung) name() string { return strconv.Itoa(r.height) + "p" }

const (
	gopFrames      = 90
	segmentSeconds = 10
	audioBitrate   = 96_000
	defaultCRF     = 23 // x264's own, and what QVBR level 7 stands for
)

// jobDocument is a CreateJob request with the parts of the walkthrough's job that
// decide what is encoded. The destination is a folder and a name, as s3:// URI.
func jobDocument(l ladder, input, destination, tuning string) map[string]any {
	type object = map[string]any
	var outputs []any
	for _, r := range l {
		outputs = append(outputs, object{
			"nameModifier":      fmt.Sprintf("_%d", r.height),
			"containerSettings": object{"container": "M3U8", "m3u8Settings": object{}},
			"videoDescription": object{
				"width": r.width, "height": r.height,
				"codecSettings": object{"codec": "H_264", "h264Settings": object{
					"rateControlMode": "QVBR", "qvbrSettings": object{"qvbrQualityLevel": 7}, "maxBitrate": r.maxBitrate,
					"qualityTuningLevel": tuning, "codecProfile": "MAIN", "entropyEncoding": "CABAC",
					"gopSize": gopFrames, "gopSizeUnits": "FRAMES", "gopClosedCadence": 1, "sceneChangeDetect": "ENABLED",
					"numberReferenceFrames": 3, "numberBFramesBetweenReferenceFrames": 2, "gopBReference": "DISABLED",
					"adaptiveQuantization": "HIGH", "framerateControl": "INITIALIZE_FROM_SOURCE",
				}},
			},
			"audioDescriptions": []any{object{"codecSettings": object{"codec": "AAC", "aacSettings": object{
				"bitrate": audioBitrate, "sampleRate": 48000, "codingMode": "CODING_MODE_2_0", "codecProfile": "LC", "rateControlMode": "CBR",
			}}}},
		})
	}
	return object{
		"settings": object{
			"inputs": []any{object{
				"fileInput":      input,
				"audioSelectors": object{"Audio Selector 1": object{"defaultSelection": "DEFAULT"}},
			}},
			"outputGroups": []any{object{
				"name": "Apple HLS",
				"outputGroupSettings": object{"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": object{
					"destination": destination, "segmentLength": segmentSeconds, "minSegmentLength": 0,
				}},
				"outputs": outputs,
			}},
		},
	}
}

// encoderArgs are the options of the one-liner's encoder for a rung; stream is
// the specifier's end: "" for the only one, ":0" for the first of several.
func (r rung) encoderArgs(stream string, crf float64) []string {
	return []string{
		"-crf:v" + stream, strconv.FormatFloat(crf, 'f', 2, 64),
		"-maxrate:v" + stream, strconv.Itoa(r.maxBitrate), "-bufsize:v" + stream, strconv.Itoa(2 * r.maxBitrate),
	}
}

// oneLinerEncoder is what all rungs of the one-liner have in common. A preset of ""
// is x264's default, medium.
func oneLinerEncoder(preset string) []string {
	args := []string{"-c:v", "libx264"}
	if preset != "" {
		args = append(args, "-preset", preset)
	}
	return append(args, "-g", strconv.Itoa(gopFrames), "-force_key_frames", fmt.Sprintf("expr:gte(t,n_forced*%d)", segmentSeconds))
}

// oneLiner returns the arguments of the ffmpeg command that people write to make
// the same ladder as HLS in a folder.
func (l ladder) oneLiner(clip, dir, preset string, crf []float64) []string {
	split := fmt.Sprintf("[0:v]split=%d", len(l))
	var scales, streams string
	var maps, rates []string
	for i, r := range l {
		split += fmt.Sprintf("[s%d]", i)
		scales += fmt.Sprintf(";[s%d]scale=%d:%d[v%d]", i, r.width, r.height, i)
		maps = append(maps, "-map", fmt.Sprintf("[v%d]", i), "-map", "0:a:0")
		rates = append(rates, r.encoderArgs(":"+strconv.Itoa(i), crf[i])...)
		streams += fmt.Sprintf(" v:%d,a:%d", i, i)
	}
	args := []string{"-y", "-nostdin", "-v", "error", "-i", clip, "-filter_complex", split + scales}
	args = append(append(append(args, maps...), oneLinerEncoder(preset)...), rates...)
	return append(args,
		"-c:a", "aac", "-b:a", strconv.Itoa(audioBitrate), "-ar", "48000", "-ac", "2",
		"-f", "hls", "-hls_time", strconv.Itoa(segmentSeconds), "-hls_playlist_type", "vod",
		"-master_pl_name", "index.m3u8", "-hls_segment_filename", filepath.Join(dir, "stream_%v_%05d.ts"),
		"-var_stream_map", strings.TrimSpace(streams), filepath.Join(dir, "stream_%v.m3u8"))
}

// encodeRung makes one rung as the one-liner does, alone and without sound.
func encodeRung(ctx context.Context, clip, out, preset string, r rung, crf float64) error {
	args := []string{"-y", "-nostdin", "-v", "error", "-i", clip, "-map", "0:v:0", "-vf", fmt.Sprintf("scale=%d:%d", r.width, r.height)}
	args = append(append(args, oneLinerEncoder(preset)...), r.encoderArgs("", crf)...)
	_, _, err := output(ctx, "ffmpeg", append(args, "-an", "-f", "mpegts", out)...)
	return err
}

// variants returns the media playlists of the stream in a folder, by ladder order.
// Any multivariant playlist at all says which they are.
func (l ladder) variants(dir string) ([]string, error) {
	out := make([]string, len(l))
	playlists, err := filepath.Glob(filepath.Join(dir, "*.m3u8"))
	if err != nil {
		return out, err
	}
	size := regexp.MustCompile(`RESOLUTION=(\d+)x(\d+)`)
	for _, p := range playlists {
		data, err := os.ReadFile(p)
		if err != nil {
			return out, err
		}
		lines := strings.Split(string(data), "\n")
		for i, line := range lines {
			m := size.FindStringSubmatch(line)
			if m == nil || !strings.HasPrefix(line, "#EXT-X-STREAM-INF:") || i+1 == len(lines) {
				continue
			}
			for k, r := range l {
				if m[1] == strconv.Itoa(r.width) && m[2] == strconv.Itoa(r.height) {
					out[k] = filepath.Join(dir, filepath.FromSlash(strings.TrimSpace(lines[i+1])))
				}
			}
		}
	}
	for k, p := range out {
		if p == "" {
			return out, fmt.Errorf("the stream in %q has no %s", dir, l[k].name())
		}
	}
	return out, nil
}

// pictures is what a file or stream holds of video.
type pictures struct {
	frames int
	bytes  int64 // of the video alone, without container and sound
}

func picturesOf(ctx context.Context, path string) (pictures, error) {
	out, _, err := output(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=size", "-of", "csv=p=0", path)
	if err != nil {
		return pictures{}, err
	}
	var p pictures
	for _, f := range strings.Fields(string(out)) {
		n, err := strconv.ParseInt(strings.Trim(f, ","), 10, 64)
		if err != nil {
			continue // side data of a packet
		}
		p.frames++
		p.bytes += n
	}
	if p.frames == 0 {
		return p, fmt.Errorf("no video in %q", path)
	}
	return p, nil
}

// ssim compares a rung, frame by frame, with the clip scaled to the rung's size
// by ffmpeg's default scaler (bicubic), the one-liner's. 1 is identical.
func ssim(ctx context.Context, playlist, clip string, r rung) (float64, error) {
	// Frames are paired by number: both sides have the same ones, which is checked apart.
	graph := fmt.Sprintf("[0:v]settb=1/1000,setpts=N[a];[1:v]scale=%d:%d,format=yuv420p,settb=1/1000,setpts=N[b];[a][b]ssim=shortest=1", r.width, r.height)
	return ssimOf(ctx, graph, playlist, clip)
}

// ssimOf runs a filter graph that ends in ssim, over all planes.
func ssimOf(ctx context.Context, graph, got, want string) (float64, error) {
	_, stderr, err := output(ctx, "ffmpeg", "-nostdin", "-i", got, "-i", want, "-filter_complex", graph, "-an", "-f", "null", "-")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`SSIM .*All:([0-9.]+)`).FindSubmatch(stderr)
	if m == nil {
		return 0, errors.New("ffmpeg reported no SSIM")
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func writeJSON(path string, doc any) error {
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
