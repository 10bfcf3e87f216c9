package probe_test

import (
	"os"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

func TestImages(t *testing.T) {
	p := newProber(t)
	path := generate(t, "-f", "lavfi", "-i", "color=red:size=33x21,format=rgba", "-frames:v", "1", "image.png")
	got, err := p.Image(t.Context(), path)
	if err != nil || len(got.Video) != 1 || got.Video[0].Width != 33 || got.Video[0].Height != 21 || got.Video[0].PixelFormat != "rgba" {
		t.Fatalf("%+v, %v", got, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	jpeg := generate(t, "-f", "lavfi", "-i", "color=red:size=32x20", "-frames:v", "1", "image.jpg")
	film := generate(t, "-f", "lavfi", "-i", "color=red:size=32x20:duration=1", "film.mp4")
	bad := []string{jpeg, film}
	for name, content := range map[string][]byte{"empty": {}, "half": whole[:len(whole)*2/3], "text": []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "playlist": []byte("#EXTM3U\n/etc/passwd\n")} {
		file := filepath.Join(t.TempDir(), name+".png")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, file)
	}
	for _, file := range bad {
		if got, err := p.Image(t.Context(), file); fault.KindOf(err) != fault.Invalid || fault.Of(err).Code == "" {
			t.Errorf("%s: %+v, %v", filepath.Base(file), got, err)
		}
	}
}
