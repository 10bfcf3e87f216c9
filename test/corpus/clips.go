package corpus

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/clip"
)

// seq counts from one number up to another, without it.
func seq(from, to int) []int {
	var out []int
	for n := from; n < to; n++ {
		out = append(out, n)
	}
	return out
}

func join(parts ...[]int) []int { return slices.Concat(parts...) }

func times(n, count int) []int { return slices.Repeat([]int{n}, count) }

func args(text string) []string { return strings.Fields(text) }

// Codecs that most clips use: ultrafast and small, with B-frames and more than one GOP.
const (
	h264 = "-c:v libx264 -preset ultrafast -crf 22 -pix_fmt yuv420p -x264-params keyint=50:bframes=2:b-adapt=0 "
	aac  = "-c:a aac -b:a 96k "
)

// seconds of most clips: long enough for two chunks.
const usual = 8

func plain(rate string) clip.Spec { return source(rate, usual) }

func silent(s clip.Spec) clip.Spec { s.Silent = true; return s }

func sized(s clip.Spec, w, h int) clip.Spec { s.Width, s.Height = w, h; return s }

// whole is what is wanted of a clip whose frames all come out, once each.
func whole(n int) Want {
	return Want{Shows: seq(0, n), Beeps: true, Rate: "25", Seconds: float64(n) / 25}
}

func (w Want) quiet() Want                  { w.Beeps = false; return w }
func (w Want) clean() Want                  { w.Clean = true; return w }
func (w Want) warned(codes ...int) Want     { w.Warning = codes; return w }
func (w Want) muted(s ...Span) Want         { w.Mute = s; return w }
func (w Want) unsure(from, to float64) Want { w.Unsure = mute(from, to); return w }
func (w Want) shaped(a float64) Want        { w.Aspect = a; return w }
func (w Want) rated(r string, flash int) Want {
	w.Rate, w.Flash, w.Seconds = r, flash, 0
	return w
}

// refused is what is wanted of a clip that is to be refused.
func refused(codes string) Want { return Want{Code: codes} }

// recipe makes a clip with one ffmpeg process of generated pictures.
func recipe(name string, w Want, s clip.Spec, arguments string) Clip {
	return Clip{Name: name, Want: w, make: encoded(s, args(arguments)...)}
}

// remade makes a clip of one that ffmpeg made: {in} and {out} stand for paths.
func remade(name string, w Want, s clip.Spec, first string, then ...string) Clip {
	return Clip{Name: name, Want: w, make: func(k *Kitchen, out string) error {
		in := k.temp("mkv")
		if strings.HasPrefix(first, ".") { // an extension
			var ext string
			ext, first, _ = strings.Cut(first[1:], " ")
			in = k.temp(ext)
		}
		if err := encoded(s, args(first)...)(k, in); err != nil {
			return err
		}
		for i, step := range then {
			to := out
			if i < len(then)-1 {
				to = k.temp("mkv")
			}
			list := args(step)
			for j, a := range list {
				list[j] = strings.NewReplacer("{in}", in, "{out}", to).Replace(a)
			}
			if err := k.ffmpeg(list...); err != nil {
				return err
			}
			in = to
		}
		return nil
	}}
}

// edited makes a clip by changing the bytes of one that ffmpeg made.
func edited(name string, w Want, s clip.Spec, extension, arguments string, change func([]byte) []byte) Clip {
	return Clip{Name: name, Want: w, make: func(k *Kitchen, out string) error {
		in := k.temp(extension)
		if err := encoded(s, args(arguments)...)(k, in); err != nil {
			return err
		}
		b, err := os.ReadFile(in)
		if err != nil {
			return err
		}
		return os.WriteFile(out, change(b), 0o600)
	}}
}

// pasted makes a clip of parts of a longer one that are put together byte by byte.
func pasted(name string, w Want, extension string, parts ...part) Clip {
	return Clip{Name: name, Want: w, make: func(k *Kitchen, out string) error {
		var all []byte
		for _, p := range parts {
			in := k.temp(extension)
			s := p.spec
			if s.Seconds == 0 {
				s = source("25", 4)
			}
			if err := encoded(s, args(p.arguments)...)(k, in); err != nil {
				return err
			}
			b, err := os.ReadFile(in)
			if err != nil {
				return err
			}
			all = append(all, b...)
		}
		return os.WriteFile(out, all, 0o600)
	}}
}

type part struct {
	spec      clip.Spec
	arguments string
}

func damage(from, to float64) func([]byte) []byte {
	return func(b []byte) []byte {
		for i := int(from * float64(len(b))); i < int(to*float64(len(b))); i++ {
			b[i] = byte(i*7 + i>>8)
		}
		return b
	}
}

func cut(at float64) func([]byte) []byte {
	return func(b []byte) []byte { return b[:int(at*float64(len(b)))] }
}

// quick are clips that are tested each time, one or two of each kind of trouble.
var quick = args(`
	matroska-live.mkv bluray.m2ts avi-h264.avi program.mpg op1a.mxf theora.ogv recorder.webm fragments-lying.mp4 no-sync-table.mp4 raw.h264
	vp9.webm xvid-packed.avi h263.3gp prores.mov camcorder.dv still.png
	interlaced-tff.ts interlaced-bff.mov said-interlaced.mp4 telecined-soft.ts turned-90.mp4 mirrored-turned.mp4 degenerate-matrix.mp4
	anamorphic.ts odd-size-444.mp4 one-pixel.mkv hdr10.mp4 shape-changes.ts second-is-default.mkv cover-art.mp4 captions.ts
	fast-240.mp4 one-frame.mp4 late-start.ts wrap.ts jump-forwards.ts jump-back-little.ts gap-of-2-seconds.ts program-of-two.mpg
	lost-frames.avi program-swaps.ts packets-twice.ts no-durations.mp4 no-durations-fragments.mp4 no-offsets.mp4 starts-at-zero.ts decoding-order.mxf
	edit-start.mp4 edit-several.mp4 edit-back.mp4 variable.mp4
	sound-late.mp4 sound-gap.ts sound-drift.mkv sound-16-channels.mkv sound-channels-change.ts sound-codec-returns.ts only.m4a only.mp3 sound-where-video-is-due.mp3
	cut.mkv cut-index-in-front.mp4 cut-no-index.mp4 damaged.ts damaged-start.ts noise.mp4 encrypted.mp4 encrypted-fragments.mp4 sound-empty.mp4 radio-first.ts`)

// Generated lists the clips that are made here.
func Generated() []Clip {
	all := slices.Concat(containers(), codecs(), pictureKinds(), timing(), soundKinds(), broken())
	for i := range all {
		all[i].Quick = slices.Contains(quick, all[i].Name)
	}
	return all
}

func containers() []Clip {
	s, w := plain("25"), whole(200)
	return []Clip{
		recipe("mp4.mp4", w.clean(), s, h264+aac),
		recipe("mov-pcm.mov", w.clean(), s, h264+"-c:a pcm_s24le"),
		recipe("matroska.mkv", w.clean(), s, h264+aac),
		recipe("matroska-live.mkv", w.clean(), s, h264+aac+"-live 1"),
		recipe("transport.ts", w, s, h264+aac),
		recipe("transport-ac3.ts", w, s, h264+"-c:a ac3"),
		recipe("bluray.m2ts", w, s, h264+"-c:a ac3 -f mpegts -mpegts_m2ts_mode 1"),
		recipe("flash.flv", w, s, h264+aac),
		recipe("avi-h264.avi", w, s, h264+"-c:a pcm_s16le"),
		recipe("program.mpg", w, s, "-c:v mpeg2video -g 12 -bf 2 -b:v 1M -c:a mp2 -f dvd"),
		recipe("dvd.vob", w, s, "-c:v mpeg2video -g 12 -bf 2 -b:v 1M -c:a ac3 -f vob"),
		recipe("h264.vob", w, s, h264+"-c:a mp2 -f vob"),
		recipe("hevc.vob", w, s, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:keyint=50:bframes=3 -c:a mp2 -f vob"),
		recipe("mpeg1.mpg", w, s, "-c:v mpeg1video -g 12 -bf 2 -b:v 1M -c:a mp2"),
		recipe("op1a.mxf", w, s, "-c:v mpeg2video -g 12 -bf 2 -b:v 2M -c:a pcm_s16le"),
		recipe("windows.wmv", w.unsure(0, 0.5), s, "-c:v wmv2 -b:v 1M -c:a wmav2"),
		recipe("theora.ogv", w, s, "-c:v libtheora -q:v 8 -c:a libvorbis"),
		recipe("webm.webm", w, s, "-c:v libvpx -deadline realtime -cpu-used 8 -g 50 -auto-alt-ref 1 -lag-in-frames 10 -b:v 500k -c:a libopus"),
		recipe("recorder.webm", w, s, "-c:v libvpx -deadline realtime -cpu-used 8 -g 50 -b:v 500k -c:a libopus -live 1"),
		recipe("fragments.mp4", w, s, h264+aac+"-movflags frag_keyframe+empty_moov"),
		recipe("fragments-of-frames.mp4", w, s, h264+aac+"-movflags frag_every_frame+empty_moov+default_base_moof"),
		edited("fragments-lying.mp4", w, s, "mp4", h264+aac+"-movflags frag_keyframe+empty_moov", lyingDuration),
		edited("mp4-lying.mp4", w, s, "mp4", h264+aac, lyingDuration),
		edited("no-sync-table.mp4", w, s, "mp4", h264+aac, renameBox("stss", "free")),
		remade("piped.mkv", w, s, h264+aac, "-i {in} -c copy -f matroska -cues_to_front 0 pipe:1 -c copy {out}"),
		recipe("raw.h264", w.quiet(), silent(s), h264),
		recipe("raw.hevc", w.quiet(), silent(s), "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:keyint=50:bframes=2"),
		recipe("raw.m2v", w.quiet(), silent(s), "-c:v mpeg2video -g 12 -bf 2 -b:v 1M"),
		recipe("raw.m4v", w.quiet(), silent(s), "-c:v mpeg4 -g 25 -b:v 1M -f m4v"),
		recipe("raw.obu", w.quiet(), silent(source("25", 2)), "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p -f obu").upTo(50),
		recipe("frames.y4m", refused("1030"), silent(s), "-pix_fmt yuv420p"),
	}
}

func (c Clip) upTo(n int) Clip {
	c.Want.Shows = c.Want.Shows[:n]
	c.Want.Seconds = 0
	return c
}

func codecs() []Clip {
	s, w := plain("25"), whole(200)
	short := source("25", 3)
	return []Clip{
		recipe("hevc.mp4", w.clean(), s, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:keyint=50:bframes=3:open-gop=1 "+aac),
		recipe("hevc.ts", w, s, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:keyint=50:bframes=3 "+aac),
		recipe("open-gop.mp4", w.clean(), s, "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params keyint=40:open-gop=1:bframes=4:ref=4 "+aac),
		recipe("intra-refresh.ts", w, s, "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params keyint=40:intra-refresh=1:bframes=0 "+aac),
		recipe("vp9.webm", w.clean(), s, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -auto-alt-ref 1 -lag-in-frames 10 -b:v 400k -c:a libopus"),
		recipe("vp9.mp4", w.clean(), s, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -b:v 400k "+aac),
		recipe("av1.mp4", whole(75).clean(), short, "-c:v libsvtav1 -preset 12 -g 40 -pix_fmt yuv420p "+aac),
		recipe("av1.mkv", whole(75).clean(), short, "-c:v libsvtav1 -preset 12 -g 40 -pix_fmt yuv420p -c:a libopus"),
		recipe("mpeg4.avi", w, s, "-c:v mpeg4 -bf 2 -g 40 -b:v 1M -c:a pcm_s16le"),
		recipe("xvid-packed.avi", Want{Decoded: true}, s, "-c:v libxvid -bf 2 -g 40 -b:v 1M -c:a pcm_s16le"),
		recipe("mpeg4.mp4", w.clean(), s, "-c:v mpeg4 -bf 2 -g 40 -b:v 1M "+aac),
		recipe("divx3.avi", Want{Decoded: true, Seconds: usual}, s, "-c:v msmpeg4 -g 40 -b:v 1M -c:a pcm_s16le"),
		recipe("h263.3gp", w, sized(s, 176, 144), "-c:v h263 -g 40 -b:v 500k -c:a aac -ar 16000 -ac 1"),
		recipe("sorenson.flv", w, s, "-c:v flv1 -g 40 -b:v 500k -c:a libmp3lame -ar 44100"),
		recipe("prores.mov", whole(75).clean(), short, "-c:v prores_ks -profile:v 3 -c:a pcm_s16le"),
		recipe("prores-4444.mov", whole(75).clean(), short, "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le -c:a pcm_s16le"),
		recipe("dnxhr.mov", whole(25).clean(), source("25", 1), "-vf scale=256:144,setsar=1 -c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p -c:a pcm_s16le"),
		recipe("motion-jpeg.mov", w.clean(), s, "-c:v mjpeg -q:v 3 -c:a pcm_s16le"),
		recipe("motion-jpeg.avi", w, s, "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p -c:a pcm_s16le"),
		recipe("png.mov", whole(75).clean(), short, "-c:v png -c:a pcm_s16le"),
		recipe("animation.mov", whole(75).clean(), short, "-c:v qtrle -c:a pcm_s16le"),
		recipe("raw-video.avi", whole(75), short, "-c:v rawvideo -pix_fmt yuv420p -c:a pcm_s16le"),
		recipe("raw-video.mov", whole(75).clean(), short, "-c:v rawvideo -pix_fmt uyvy422 -c:a pcm_s16le"),
		recipe("v210.mov", whole(75).clean(), short, "-c:v v210 -c:a pcm_s16le"),
		recipe("ffv1.mkv", whole(75).clean(), short, "-c:v ffv1 -c:a flac"),
		recipe("huffyuv.avi", whole(75), short, "-c:v huffyuv -c:a pcm_s16le"),
		recipe("cinepak.mov", whole(25), source("25", 1), "-c:v cinepak -c:a pcm_s16le"),
		recipe("camcorder.dv", whole(50).shaped(4./3), source("25", 2), "-vf scale=720:576,setdar=4/3 -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le -ar 48000 -f dv"),
		recipe("camcorder.mov", whole(50), source("25", 2), "-vf scale=720:576,setdar=16/9 -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le"),
		recipe("animation.gif", refused("1030"), silent(source("25", 2)), "-vf split[a][b];[a]palettegen[p];[b][p]paletteuse"),
		recipe("animation.apng", refused("1030"), silent(source("25", 2)), "-f apng -plays 1"),
		recipe("animation.webp", refused("1010|1030"), silent(source("25", 1)), "-c:v libwebp_anim"),
		recipe("still.png", refused("1010|1030"), silent(source("25", 1)), "-frames:v 1 -f image2 -update 1"),
		recipe("still.jpg", refused("1010|1030"), silent(source("25", 1)), "-frames:v 1 -f image2 -update 1"),
	}
}

func pictureKinds() []Clip {
	s, w := plain("25"), whole(200)
	fields := plain("50")
	// Two frames of the 50 make one of 25: its first field carries the even number.
	interlaced := Want{Shows: every(2, 0, 400), Near: 1, Beeps: true, Rate: "25", Flash: 50, Warning: []int{900006}}
	film := source("24000/1001", usual)
	return []Clip{
		recipe("interlaced-tff.ts", interlaced, fields, "-vf tinterlace=interleave_top,fieldorder=tff -flags +ildct+ilme -c:v mpeg2video -g 12 -bf 2 -b:v 2M -top 1 -c:a mp2"),
		recipe("interlaced-bff.mov", interlaced, fields, "-vf tinterlace=interleave_bottom,setfield=bff -flags +ildct+ilme -c:v mpeg2video -g 12 -b:v 2M -top 0 -c:a pcm_s16le"),
		recipe("interlaced-mbaff.mp4", interlaced, fields, "-vf tinterlace=interleave_top,setfield=tff -flags +ildct+ilme -c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params tff=1:keyint=40:bframes=2 "+aac),
		recipe("interlaced-mbaff.ts", interlaced, fields, "-vf tinterlace=interleave_bottom,setfield=bff -flags +ildct+ilme -c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params bff=1:keyint=40:bframes=2 "+aac),
		recipe("interlaced.mkv", interlaced, fields, "-vf tinterlace=interleave_top,setfield=tff -flags +ildct+ilme -c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params tff=1:keyint=40:bframes=2 "+aac),
		recipe("said-interlaced.mp4", w, s, "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params fake-interlaced=1:keyint=40 "+aac),
		recipe("telecined-hard.ts", Want{Near: 2, Beeps: true, Rate: "30000/1001", Flash: 24}, film, "-vf telecine -flags +ildct+ilme -c:v mpeg2video -g 15 -b:v 2M -c:a mp2"),
		edited("telecined-soft.m2v", whole(192).quiet().rated("24000/1001", 24), silent(film), "m2v", "-c:v mpeg2video -g 12 -bf 2 -b:v 1M", pulldown),
		softTelecine("telecined-soft.ts", whole(192).rated("24000/1001", 24), film),
		remade("turned-90.mp4", w.shaped(96./160), s, "-vf transpose=cclock "+h264+aac, "-i {in} -c copy -metadata:s:v rotate=270 {out}").turned(270, "transpose=clock"),
		remade("turned-180.mov", w, s, "-vf hflip,vflip "+h264+aac, "-i {in} -c copy -metadata:s:v rotate=180 {out}"),
		remade("turned-270.mp4", w, s, "-vf transpose=clock "+h264+aac, "-i {in} -c copy -metadata:s:v rotate=90 {out}").turned(90, "transpose=cclock"),
		edited("mirrored.mp4", w, s, "mp4", "-vf hflip "+h264+aac, matrix(-1, 0, 0, 1)),
		edited("mirrored-turned.mp4", w, s, "mp4", "-vf transpose=cclock_flip "+h264+aac, matrix(0, 1, 1, 0)),
		edited("upside-down.mp4", w, s, "mp4", "-vf vflip "+h264+aac, matrix(1, 0, 0, -1)),
		edited("degenerate-matrix.mp4", w, s, "mp4", h264+aac, matrix(0, 0, 0, 0)),
		edited("scaled-matrix.mp4", w, s, "mp4", h264+aac, matrix(2, 0, 0, 2)),
		recipe("anamorphic.mp4", w.shaped(16./9), sized(s, 180, 144), "-aspect 16:9 "+h264+aac),
		recipe("anamorphic.ts", w.shaped(4./3), sized(s, 176, 144), "-aspect 4:3 -c:v mpeg2video -b:v 1M -c:a mp2"),
		remade("anamorphic-container.mkv", w.shaped(2), s, h264+aac, "-i {in} -c copy -aspect 2:1 {out}"),
		recipe("odd-size.webm", w.shaped(161./97), s, "-vf scale=161:97 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 500k -c:a libopus"),
		recipe("odd-size-444.mp4", w.shaped(161./97), s, "-vf scale=161:97 -c:v libx264 -preset ultrafast -pix_fmt yuv444p "+aac),
		recipe("10-bit.mp4", w.clean(), s, "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le "+aac),
		recipe("422-10-bit.mov", w.clean(), s, "-c:v libx264 -preset ultrafast -pix_fmt yuv422p10le -c:a pcm_s16le"),
		recipe("444.mkv", w.clean(), s, "-c:v libx264 -preset ultrafast -pix_fmt yuv444p "+aac),
		recipe("12-bit.mkv", whole(25), source("25", 1), "-c:v libx265 -preset ultrafast -pix_fmt yuv420p12le -x265-params log-level=none "+aac),
		recipe("rgb.mkv", w, s, "-c:v libx264rgb -preset ultrafast "+aac),
		recipe("gray.mp4", w, s, "-c:v libx264 -preset ultrafast -pix_fmt gray "+aac),
		recipe("full-range.mp4", w, s, "-vf scale=out_range=pc -c:v libx264 -preset ultrafast -pix_fmt yuvj420p -color_range pc "+aac),
		recipe("alpha.webm", w.quiet(), silent(s), "-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 0 -pix_fmt yuva420p -b:v 500k"),
		recipe("hdr10.mp4", w.warned(900007), s, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -x265-params log-level=none:keyint=50 "+aac),
		recipe("hlg.mkv", w.warned(900007), s, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc -x265-params log-level=none:keyint=50 "+aac),
		recipe("one-pixel.mkv", Want{}, silent(source("25", 1)), "-vf scale=1:1 -c:v ffv1"),
		recipe("4k.mp4", whole(10).quiet(), silent(sized(source("25", 1), 3840, 2160)), "-frames:v 10 "+h264),
		pasted("size-changes.ts", Want{Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{spec: sized(source("25", 4), 320, 180), arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 104"}),
		pasted("shape-changes.ts", Want{Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{spec: sized(source("25", 4), 240, 180), arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 104"}),
		pasted("parameters-change.ts", Want{Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{arguments: "-c:v libx264 -profile:v baseline -preset veryfast -pix_fmt yuv420p " + aac + "-muxdelay 0 -output_ts_offset 104"}),
		remade("two-videos.mp4", w, s, h264+aac, "-i {in} -f lavfi -i testsrc=s=96x64:r=30:d=5 -map 0 -map 1 -c copy -c:v:1 libx264 {out}"),
		remade("second-is-default.mkv", w, s, h264+aac, "-f lavfi -i testsrc=s=96x64:r=30:d=5 -i {in} -map 0:v -map 1 -c copy -c:v:0 libx264 -disposition:v:0 0 -disposition:v:1 default {out}"),
		remade("cover-art.mp4", w, s, h264+aac, "-f lavfi -i color=red:s=64x64:d=0.04 -i {in} -map 1 -map 0:v -c copy -c:v:1 mjpeg -disposition:v:1 attached_pic {out}"),
		remade("cover-art.mkv", w, s, h264+aac, "-f lavfi -i color=red:s=64x64:d=0.04 -i {in} -map 1 -map 0:v -c copy -c:v:1 mjpeg -disposition:v:1 attached_pic {out}"),
		remade("picture-of-the-film-first.mp4", w.warned(900033), s, h264+aac, "-f lavfi -i color=red:s=64x64:d=0.04 -i {in} -map 0 -map 1 -c copy -c:v:0 mjpeg {out}"),
		remade("audio-first.mp4", w.clean(), s, h264+aac, "-i {in} -map 0:a -map 0:v -c copy {out}"),
		captions("captions.ts", "HELLO OUT THERE", w, s, aac),
		captions("captions.mp4", "IN AN MP4", w, s, aac),
		recipe("timecode.mov", w.clean(), s, h264+aac+"-timecode 01:02:03:04"),
	}
}

func every(step, from, to int) []int {
	var out []int
	for n := from; n < to; n += step {
		out = append(out, n)
	}
	return out
}

// lost shows n frames of which every seventh is the one before.
func lost(n int) []int {
	list := seq(0, n)
	for i := 6; i < n; i += 7 {
		list[i]--
	}
	return list
}

func timing() []Clip {
	s, w := plain("25"), whole(200)
	ntsc := plain("30000/1001")
	return []Clip{
		recipe("ntsc.ts", whole(240).rated("30000/1001", 30), ntsc, h264+aac),
		recipe("ntsc.mkv", whole(240).rated("30000/1001", 30), ntsc, h264+aac),
		recipe("fast-120.mp4", whole(480).rated("120", 120), source("120", 4), h264+aac),
		recipe("fast-240.mp4", Want{Shows: every(2, 0, 480), Near: 1, Rate: "120", Beeps: true, Flash: 240, Warning: []int{900004}}, source("240", 2), h264+aac),
		recipe("slow-1.mp4", whole(8).rated("1", 1).quiet(), s, "-r 1 "+h264+aac).showing(nil),
		recipe("slide-show.mkv", Want{}, silent(source("1/4", 24)), "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"),
		recipe("one-frame.mp4", whole(1).quiet().rated("25", 25), silent(s), "-frames:v 1 "+h264),
		recipe("one-frame.mkv", whole(1).quiet().rated("25", 25), silent(s), "-frames:v 1 "+h264),
		recipe("one-frame.ts", whole(1).quiet().rated("25", 25), silent(s), "-frames:v 1 "+h264),
		recipe("two-frames.mp4", whole(2).quiet().rated("25", 25), silent(s), "-frames:v 2 "+h264),
		recipe("video-only.mp4", w.quiet(), silent(s), h264),
		recipe("late-start.mkv", w, s, h264+aac+"-output_ts_offset 3600"),
		recipe("late-start.ts", w, s, h264+aac+"-output_ts_offset 50000"),
		recipe("late-start.flv", w, s, h264+aac+"-output_ts_offset 100"),
		recipe("late-start.mp4", w, s, h264+aac+"-output_ts_offset 20 -use_editlist 0"),
		recipe("wrap.ts", w, s, h264+aac+"-muxdelay 0 -output_ts_offset 95440.7"),
		recipe("wrap-at-once.ts", w, s, h264+aac+"-muxdelay 0 -output_ts_offset 95443.6"),
		recipe("wrap-mpeg2.ts", w, s, "-c:v mpeg2video -g 12 -bf 2 -b:v 1M -c:a mp2 -muxdelay 0 -output_ts_offset 95439"),
		jump("jump-forwards.ts", 1000), jump("jump-far.ts", 40000), jump("jump-back.ts", -1000), jump("jump-a-minute.ts", 60), jump("jump-back-little.ts", -3),
		pasted("gap-of-2-seconds.ts", Want{Shows: join(seq(0, 100), times(99, 50), seq(0, 100)), Beeps: true, Mute: mute(4, 6), Warning: []int{900005}}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 106"}),
		pasted("program-of-two.mpg", Want{Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "mpg",
			part{arguments: "-c:v mpeg2video -g 12 -bf 2 -b:v 1M -c:a mp2 -f dvd"}, part{arguments: "-c:v mpeg2video -g 12 -bf 2 -b:v 1M -c:a mp2 -f dvd"}),
		// ffmpeg reads the first of them.
		pasted("chained.ogv", Want{Shows: seq(0, 100), Beeps: true, Warning: []int{900031}}, "ogv",
			part{arguments: "-c:v libtheora -q:v 8 -c:a libvorbis"}, part{arguments: "-c:v libtheora -q:v 8 -c:a libvorbis"}),
		pasted("raw-of-two.h264", Want{Shows: join(seq(0, 100), seq(0, 100))}, "h264",
			part{spec: silent(source("25", 4)), arguments: h264}, part{spec: silent(source("25", 4)), arguments: h264}),
		// An edit list that begins between keyframes, and one second into the sound.
		remade("edit-start.mp4", Want{Shows: seq(35, 200), Beeps: true, Rate: "25"}, s, ".mp4 "+h264+aac, "-ss 1.4 -i {in} -c copy {out}"),
		edited("edit-empty.mp4", Want{Shows: seq(0, 200), Beeps: true}, s, "mp4", h264+aac, editLists(edit{2000, -1}, edit{usual * 1000, 0})),
		edited("edit-several.mp4", Want{Shows: join(seq(25, 100), seq(150, 200)), Beeps: true, Rate: "25"}, s, "mp4", h264+aac, editLists(edit{3000, 1000}, edit{2000, 6000})),
		edited("edit-back.mp4", Want{Shows: join(seq(100, 150), seq(0, 50)), Beeps: true, Rate: "25"}, s, "mp4", h264+aac, editLists(edit{2000, 4000}, edit{2000, 0})),
		edited("edit-short.mp4", Want{Shows: seq(0, 100), Beeps: true, Rate: "25"}, s, "mp4", h264+aac, editLists(edit{4000, 0})),
		recipe("variable.mp4", Want{}, ntsc, "-vf select=gt(mod(n*n\\,7)\\,0),settb=1/600,setpts=PTS+2*sin(N*1.7) -fps_mode vfr -enc_time_base 1/600 "+h264+aac),
		recipe("variable.mkv", Want{}, ntsc, "-vf select=gt(mod(n*n\\,5)\\,0) -fps_mode vfr "+h264+aac),
		recipe("lost-frames.mkv", Want{Shows: join(seq(0, 99), times(98, 5), seq(104, 200)), Beeps: true, Rate: "25", Warning: []int{900005}}, s, "-vf select=not(between(n\\,99\\,103)) -fps_mode vfr "+h264+aac),
		// Every seventh picture is an empty chunk, which a decoder does not tell from what it holds back.
		recipe("lost-frames.avi", Want{Shows: lost(200), Rate: "25", Beeps: true, Warning: []int{900003}}, s, "-vf select=lt(mod(n\\,7)\\,6) -fps_mode vfr -c:v mpeg4 -bf 2 -g 40 -b:v 1M -c:a pcm_s16le"),
		// Other PIDs from its middle on, or each the other's.
		pasted("program-moves.ts", Want{Shows: join(seq(0, 100), seq(0, 100)), Rate: "25", Beeps: true, Warning: []int{900036}}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + aac + "-mpegts_start_pid 0x300 -muxdelay 0 -output_ts_offset 104"}),
		pasted("program-swaps.ts", Want{Shows: join(seq(0, 100), seq(0, 100)), Rate: "25", Beeps: true, Warning: []int{900036}}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + aac + "-streamid 0:0x101 -streamid 1:0x100 -muxdelay 0 -output_ts_offset 104"}),
		edited("packets-twice.ts", w, s, "ts", h264+aac, twice),
		edited("no-durations.mp4", w.warned(900036), s, "mp4", h264+aac, within("moov/trak/mdia/minf/stbl/stts", "", untimed)),
		edited("no-durations-fragments.mp4", w.warned(900036), s, "mp4", h264+aac+"-movflags frag_keyframe+delay_moov", untimedFragments),
		edited("no-offsets.mp4", w.warned(900036), s, "mp4", h264+aac, renameBox("ctts", "free")),
		// Its sound begins at zero and its picture later, as its clock is: neither is to move.
		remade("starts-at-zero.ts", Want{Shows: seq(50, 200), Beeps: true, Rate: "25", Warning: []int{240001}}, s, h264+aac, "-i {in} -vf select=gte(n\\,50) -fps_mode passthrough "+h264+"-c:a copy -muxdelay 0 {out}"),
		// More segments in one piece than an expression of ffmpeg has terms.
		recipe("one-piece-long.avi", whole(1299).rated("5000/1001", 5).quiet(), source("5000/1001", 260), "-c:v mpeg4 -bf 2 -g 40 -b:v 1M -c:a libmp3lame"),
		recipe("decoding-order.mxf", w, s, h264+"-c:a pcm_s24le"),
		recipe("hour.mkv", Want{Rate: "1"}, silent(source("1", 3600)), "-vf scale=64:36 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60"),
		remade("no-dts.avi", w, s, ".mov "+h264+"-c:a pcm_s16le", "-i {in} -c copy {out}"),
		remade("zero-durations.mp4", w, s, h264+aac, "-i {in} -c copy -bsf:v setts=pts=PTS:dts=DTS:duration=0 {out}"),
	}
}

// showing replaces the counters that are wanted.
func (c Clip) showing(shows []int) Clip {
	c.Want.Shows = shows
	return c
}

// turned says that the picture is turned; whatever ffmpeg makes of the tag.
func (c Clip) turned(int, string) Clip {
	c.Want.Aspect = 160. / 96
	return c
}

// jump is a transport stream whose clock leaps by some seconds in its middle.
func jump(name string, by int) Clip {
	return pasted(name, Want{Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
		part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 2000"}, part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset " + fmt.Sprint(2004+by)})
}

func soundKinds() []Clip {
	s, w := plain("25"), whole(200)
	only := Want{Sound: true, Seconds: usual}
	return []Clip{
		remade("sound-late.mp4", w.muted(mute(0, 1.5)[0]), s, h264+aac, "-i {in} -itsoffset 0 -ss 1.5 -i {in} -map 0:v -map 1:a -c:v copy -c:a aac -af asetpts=PTS+1.5/TB {out}").note(240000),
		remade("sound-late.ts", w.muted(mute(0, 1.5)[0]), s, h264+aac, "-i {in} -ss 1.5 -i {in} -map 0:v -map 1:a -c:v copy -c:a aac -af asetpts=PTS+1.5/TB -muxdelay 0 {out}").note(240000),
		remade("sound-early.mkv", Want{Shows: seq(50, 200), Beeps: true, Warning: []int{240001}}, s, h264+aac, "-i {in} -vf select=gte(n\\,50) -fps_mode passthrough "+h264+"-c:a copy {out}"),
		remade("sound-short.mp4", w.muted(mute(5, 8)[0]), s, h264+aac, "-i {in} -c copy -t 5 -map 0:a -c:a aac {out}").make2("-i {in} -t 5 -i {in} -map 0:v -map 1:a -c:v copy -c:a aac {out}"),
		remade("sound-long.mp4", whole(100), s, h264+aac, "-i {in} -i {in} -map 0:v -map 1:a -frames:v 100 -fps_mode passthrough -c:v libx264 -preset ultrafast -c:a copy {out}"),
		remade("sound-gap.mkv", w.muted(mute(2.5, 4.5)[0]).warned(900054), s, h264+aac, "-i {in} -c:v copy -af aselect=not(between(t\\,2.5\\,4.5)) -c:a aac {out}"),
		remade("sound-gap.ts", w.muted(mute(2.5, 4.5)[0]).warned(900054), s, h264+aac, "-i {in} -c:v copy -af aselect=not(between(t\\,2.5\\,4.5)) -c:a aac -muxdelay 0 {out}"),
		// The sound's clock is one per mille off: its times say so, its number of samples does not.
		remade("sound-drift.mkv", w, s, h264+aac, "-i {in} -c:v copy -af asetrate=48000*1.004,aresample=48000,asetpts=PTS*1.004 -c:a pcm_s16le {out}"),
		recipe("sound-96k.mkv", w, s, h264+"-c:a flac -ar 96000"),
		recipe("sound-8k.mov", w, s, h264+"-c:a pcm_mulaw -ar 8000 -ac 1"),
		recipe("sound-71.mkv", w, s, h264+"-ac 8 -c:a flac"),
		recipe("sound-51.mp4", w, s, h264+"-ac 6 -c:a aac"),
		recipe("sound-3-channels.mov", w, s, "-af pan=3c|c0=c0|c1=c1|c2=c0 "+h264+"-c:a pcm_s16le"),
		recipe("sound-16-channels.mkv", w, s, "-af pan=16c|c0=c0|c1=c1|c2=c0 "+h264+"-c:a pcm_s16le"),
		recipe("sound-float.mov", w, s, h264+"-c:a pcm_f32le"),
		recipe("sound-alac.mov", w, s, h264+"-c:a alac"),
		recipe("sound-opus.mp4", w, s, h264+"-c:a libopus"),
		pasted("sound-rate-changes.ts", Want{Warning: []int{900052}, Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + aac + "-muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + aac + "-ar 44100 -muxdelay 0 -output_ts_offset 104"}),
		pasted("sound-channels-change.ts", Want{Warning: []int{900052}, Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + "-c:a ac3 -ac 2 -muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + "-c:a ac3 -ac 6 -muxdelay 0 -output_ts_offset 104"}),
		pasted("sound-codec-changes.ts", Want{Warning: []int{900052}, Shows: join(seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + "-c:a mp2 -muxdelay 0 -output_ts_offset 100"}, part{arguments: h264 + "-c:a ac3 -ac 6 -muxdelay 0 -output_ts_offset 104"}),
		// There and back, while the clock leaps.
		pasted("sound-codec-returns.ts", Want{Warning: []int{900052, 900030}, Shows: join(seq(0, 100), seq(0, 100), seq(0, 100)), Beeps: true}, "ts",
			part{arguments: h264 + aac}, part{arguments: h264 + "-c:a mp2 -ac 1"}, part{arguments: h264 + aac}),
		remade("radio-first.ts", w, s, h264+aac, "-i {in} -f lavfi -i sine=d=8 -map 1 -map 0 -c copy -c:a:0 mp2 -program title=a:st=0 -program title=b:st=1:st=2 {out}"),
		edited("sound-empty.mp4", w.quiet().warned(900000), s, "mp4", h264+aac, within("moov/trak/mdia", "soun", emptied)),
		recipe("only.m4a", only, s, "-vn "+aac),
		recipe("only.mp3", only, s, "-vn -c:a libmp3lame"),
		recipe("only.wav", only, s, "-vn"),
		recipe("only.flac", only, s, "-vn"),
		recipe("only.ogg", only, s, "-vn -c:a libvorbis"),
		recipe("only.opus", only, s, "-vn -c:a libopus"),
		recipe("only.aac", only, s, "-vn -c:a aac -f adts"),
		recipe("only.ac3", only, s, "-vn -c:a ac3"),
		recipe("only.mka", only, s, "-vn -c:a aac"),
		recipe("only.ts", only, s, "-vn -c:a mp2"),
		recipe("only-late.mka", only, s, "-vn -c:a aac -output_ts_offset 100"),
		recipe("only.wma", only, s, "-vn -c:a wmav2"),
		recipe("only.amr", Want{Code: "1010|1030", Sound: true}, s, "-vn -c:a adpcm_ima_wav -f wav").as(only),
		recipe("sound-where-video-is-due.m4a", refused("1020"), s, "-vn "+aac),
		recipe("sound-where-video-is-due.mp3", refused("1020"), s, "-vn -c:a libmp3lame"),
		remade("covered.mp3", refused("1020"), s, "-vn -c:a libmp3lame", "-i {in} -f lavfi -i color=red:s=64x64:d=0.04 -map 0:a -map 1:v -c:a copy -c:v mjpeg -disposition:v attached_pic {out}"),
	}
}

func (c Clip) as(w Want) Clip { c.Want = w; return c }

// note adds a warning that is to be told.
func (c Clip) note(code int) Clip {
	c.Want.Warning = append(c.Want.Warning, code)
	return c
}

func broken() []Clip {
	s, w := plain("25"), whole(200)
	rough := w
	rough.Rough = true
	part := Want{Rough: true}
	return []Clip{
		edited("cut.ts", part, s, "ts", h264+aac, cut(0.6)),
		edited("cut.mkv", part, s, "mkv", h264+aac, cut(0.6)),
		edited("cut.webm", part, s, "webm", "-c:v libvpx -deadline realtime -cpu-used 8 -g 50 -b:v 500k -c:a libopus", cut(0.6)),
		edited("cut.avi", part, s, "avi", "-c:v mpeg4 -b:v 1M -c:a libmp3lame", cut(0.6)),
		edited("cut.flv", part, s, "flv", h264+aac, cut(0.6)),
		edited("cut.mpg", part, s, "mpg", "-c:v mpeg2video -b:v 1M -c:a mp2 -f dvd", cut(0.6)),
		edited("cut-index-in-front.mp4", part, s, "mp4", h264+aac+"-movflags +faststart", cut(0.6)),
		edited("cut-fragments.mp4", part, s, "mp4", h264+aac+"-movflags frag_keyframe+empty_moov", cut(0.6)),
		edited("cut-no-index.mp4", refused("1010"), s, "mp4", h264+aac, cut(0.9)),
		edited("damaged.mp4", rough, s, "mp4", h264+aac+"-movflags +faststart", damage(0.4, 0.5)),
		edited("damaged.ts", rough.quiet(), s, "ts", h264+aac, damage(0.4, 0.45)),
		edited("damaged.mkv", rough.quiet(), s, "mkv", h264+aac, damage(0.4, 0.45)),
		edited("damaged-start.ts", Want{Shows: seq(50, 200), Warning: []int{240001}}, s, "ts", h264+aac, damage(0, 0.1)),
		edited("damaged.mpg", rough.quiet(), s, "mpg", "-c:v mpeg2video -b:v 1M -c:a mp2 -f dvd", damage(0.4, 0.45)),
		edited("damaged.avi", part, s, "avi", "-c:v mpeg4 -b:v 1M -c:a libmp3lame", damage(0.4, 0.45)),
		edited("noise.mp4", refused("1010|1030|1075"), s, "mp4", h264+aac, damage(0, 1)),
		recipe("encrypted-fragments.mp4", refused("1091"), s, h264+aac+"-movflags frag_keyframe+empty_moov -encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"),
		recipe("encrypted.mp4", refused("1091"), s, h264+aac+"-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"),
	}
}
