package media

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestInputArgsCarryTheBounds(t *testing.T) {
	args := InputArgs()
	option := func(name string) string {
		i := slices.Index(args, name)
		if i < 0 || i%2 != 0 {
			t.Fatalf("%s is not an option in %q", name, args)
		}
		return args[i+1]
	}
	if got := option("-max_streams"); got != strconv.Itoa(MaxStreams) {
		t.Errorf("-max_streams %s", got)
	}
	if got := option("-max_pixels"); got != strconv.Itoa(MaxPixels) {
		t.Errorf("-max_pixels %s", got)
	}
	for _, opens := range []string{"hls", "dash", "concat", "image2", "tty", "lavfi", "sdp", "webm_dash_manifest", "imf", "svg_pipe", "mpegtsraw"} {
		if slices.Contains(strings.Split(option("-format_whitelist"), ","), opens) {
			t.Errorf("%s is an input format", opens)
		}
	}
	args[1] = "changed"
	if InputArgs()[1] != "file,pipe" {
		t.Error("callers share the arguments")
	}
}
