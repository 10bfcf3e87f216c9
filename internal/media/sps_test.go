package media

import (
	"encoding/hex"
	"testing"
)

// x264's parameter sets: profiles, chroma formats, cropping, fields, emulation prevention.
var parameterSets = []struct {
	sps           string
	width, height int
}{
	{"6764000cacd941419f9f011000000300100000030320f1429960", 320, 180},
	{"6742c00bd902cde224c044000003000400000300c83c50a920", 162, 90},
	{"677a000dbcd941519e222f011000000300100000030320f1429960", 322, 182},
	{"67f4000d919b282a33c2119808800000030080000019078a14cb", 321, 181},
	{"674d4028eca03c0113f2e022000003000200000300641e30632c", 1920, 1080},
	{"6764001eacd940b424d8088000000300800000190f8a14cb", 720, 576},
}

func TestPictureSize(t *testing.T) {
	for _, tt := range parameterSets {
		sps, err := hex.DecodeString(tt.sps)
		if err != nil {
			t.Fatal(err)
		}
		w, h, ok := PictureSize(sps)
		if !ok || w != tt.width || h != tt.height {
			t.Errorf("%s: %d×%d, %v; want %d×%d", tt.sps, w, h, ok, tt.width, tt.height)
		}
		for n := range 9 {
			if w, h, ok := PictureSize(sps[:n]); ok {
				t.Errorf("%d bytes of %s are %d×%d", n, tt.sps, w, h)
			}
		}
	}
}

// FuzzPictureSize holds that no parameter set crashes the reader or is of a size
// that no picture has.
func FuzzPictureSize(f *testing.F) {
	for _, tt := range parameterSets {
		sps, _ := hex.DecodeString(tt.sps)
		f.Add(sps)
	}
	f.Fuzz(func(t *testing.T, sps []byte) {
		if w, h, ok := PictureSize(sps); ok && (w <= 0 || h <= 0 || w > 1<<16 || h > 1<<17) {
			t.Errorf("%d×%d", w, h)
		}
	})
}
