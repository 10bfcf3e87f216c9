package mediaconvert

import (
	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// RowPaths lists the members that the support table has rows for.
func RowPaths() []string {
	var out []string
	for _, r := range supportRows() {
		out = append(out, r.path)
	}
	return out
}

// FillOne returns for each standard a function that fills in that one alone.
func FillOne() map[string]func(*mc.JobSettings) {
	out := map[string]func(*mc.JobSettings){}
	for _, r := range standards() {
		f := newFiller(&awsapi.Schema{}, []standard{r})
		out[r.path] = f.fill
	}
	return out
}

// FillAll fills in all standards.
func FillAll(s *mc.JobSettings) { newFiller(&awsapi.Schema{}, standards()).fill(s) }
