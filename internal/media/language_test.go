package media_test

import (
	"testing"

	"vodwright.dev/vodwright/internal/media"
)

func TestLanguageCode(t *testing.T) {
	for tag, want := range map[string]string{
		"de-CH": "deu", "DEU": "deu", "de": "deu", "zh-Hant-TW": "zho", "gsw-CH": "gsw", "zu": "zul", "aa": "aar", "ENG": "eng",
		"": "", "x": "", "d1": "", "german": "", "xx": "", ",d": "", "-CH": "", "i-klingon": "",
	} {
		if got := media.LanguageCode(tag); got != want {
			t.Errorf("%q is %q, want %q", tag, got, want)
		}
	}
}
