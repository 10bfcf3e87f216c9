package plan_test

import (
	"time"

	"vodwright.dev/vodwright/internal/media"
)

// steadyIndex is the index of n frames at rate frames a second with a keyframe
// every gop, in a time base of 1/(rate·512).
func steadyIndex(n int, rate int64, gop int) media.FrameIndex {
	ix := media.FrameIndex{TimeBase: media.R(1, rate*512), LastDuration: 512}
	for i := range n {
		ix.PTS = append(ix.PTS, int64(i)*512)
		if i%gop == 0 {
			ix.Keys = append(ix.Keys, i)
		}
	}
	return ix
}

// sourceFacts are what a probe would say of clips that are easy to say in a word.
func sourceFacts(name string) media.Source {
	src := media.Source{
		Format: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 52 * time.Second,
		Video: []media.VideoStream{{
			Index: 0, Codec: "h264", Width: 1280, Height: 720, PixelFormat: "yuv420p", SampleAspect: media.R(1, 1),
			FrameRate: media.R(24, 1), AverageRate: media.R(24, 1), TimeBase: media.R(1, 24*512),
		}},
		Audio: []media.AudioStream{{Index: 1, Codec: "aac", SampleRate: 48000, Channels: 2, Layout: "stereo", TimeBase: media.R(1, 48000), Language: "eng"}},
	}
	switch name {
	case "720p24":
	case "silent":
		src.Audio = nil
	}
	return src
}
