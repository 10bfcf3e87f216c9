package receipt

import (
	_ "embed" // prices.json
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

//go:embed prices.json
var prices []byte

// Price is what the same outputs would cost by the minute at public list prices, at
// their first and highest bracket. It is no offer, and nothing is charged here.
type Price struct {
	Service  string `json:"service"`
	Dated    string `json:"dated"` // of the price list
	Source   string `json:"source"`
	Currency string `json:"currency"`
	// NormalizedMinutes is what the price list counts: minutes of output times
	// multipliers.
	NormalizedMinutes float64 `json:"normalizedMinutes"`
	// Basic and Professional are the cost if no output needs more than the basic tier,
	// and if all are of the professional one.
	Basic        float64 `json:"basic"`
	Professional float64 `json:"professional"`
	// AtLeast says that some output is counted with less than its multiplier, which the
	// list at hand does not have; why is in Outputs.
	AtLeast bool          `json:"atLeast"`
	Outputs []OutputPrice `json:"outputs"`
}

// OutputPrice is what one output counts for.
type OutputPrice struct {
	OutputGroup       int     `json:"outputGroup"`
	Output            int     `json:"output"`
	BilledSeconds     int64   `json:"billedSeconds"`
	Multiplier        float64 `json:"multiplier"`
	NormalizedMinutes float64 `json:"normalizedMinutes"`
	AtLeast           string  `json:"atLeast,omitempty"` // why it would count for more
}

// priceList is prices.json.
type priceList struct {
	Service  string `json:"service"`
	Currency string `json:"currency"`
	Dated    string `json:"dated"`
	Source   string `json:"source"`
	Basic    struct {
		PerNormalizedMinute float64 `json:"perNormalizedMinute"`
	} `json:"basic"`
	Professional struct {
		PerNormalizedMinute float64 `json:"perNormalizedMinute"`
	} `json:"professional"`
	LeastBilledSeconds int64        `json:"leastBilledSeconds"`
	Multipliers        []multiplier `json:"multipliers"`
}

// multiplier is for pictures of fewer lines than Below at no more than FramesPerSecond;
// of several the first that fits.
type multiplier struct {
	Codec           string  `json:"codec"`
	Tuning          string  `json:"tuning"`
	Below           int     `json:"below"`
	FramesPerSecond float64 `json:"framesPerSecond"`
	Multiplier      float64 `json:"multiplier"`
}

// price adds up what outputs would cost. Frame captures and sound packed apart from
// its video are part of others.
func price(outputs []Output) *Price {
	var list priceList
	if err := json.Unmarshal(prices, &list); err != nil {
		panic(err) // a part of the program
	}
	p := &Price{Service: list.Service, Dated: list.Dated, Source: list.Source, Currency: list.Currency, Outputs: []OutputPrice{}}
	for _, o := range outputs {
		if o.Part > 0 || o.Captures > 0 {
			continue
		}
		// Whole seconds, ten at least.
		billed := max((o.DurationInMs+999)/1000, list.LeastBilledSeconds)
		out := OutputPrice{OutputGroup: o.OutputGroup, Output: o.Output, BilledSeconds: billed}
		out.Multiplier, out.AtLeast = list.multiplier(o)
		out.NormalizedMinutes = rounded(float64(billed) / 60 * out.Multiplier)
		p.NormalizedMinutes += float64(billed) / 60 * out.Multiplier
		p.AtLeast = p.AtLeast || out.AtLeast != ""
		p.Outputs = append(p.Outputs, out)
	}
	p.Basic, p.Professional = cents(p.NormalizedMinutes*list.Basic.PerNormalizedMinute), cents(p.NormalizedMinutes*list.Professional.PerNormalizedMinute)
	p.NormalizedMinutes = rounded(p.NormalizedMinutes)
	return p
}

// multiplier returns that of an output, and if the list does not have it, the largest
// that it exceeds and why.
func (l priceList) multiplier(o Output) (float64, string) {
	if o.Video == nil {
		return 0, "the price of an output without video is not in the list"
	}
	lines := min(o.Video.Width, o.Video.Height) // an upright picture counts as one that lies
	var least float64
	for _, m := range l.Multipliers {
		if !strings.HasPrefix(o.Video.Codec, m.Codec) {
			continue
		}
		least = max(least, m.Multiplier)
		if lines >= m.Below {
			continue
		}
		switch {
		case o.Video.QualityTuning != m.Tuning:
			return m.Multiplier, fmt.Sprintf("the list has no multiplier for %s; counted as %s", o.Video.QualityTuning, m.Tuning)
		case rate(o.Video.FrameRate) > m.FramesPerSecond:
			return m.Multiplier, fmt.Sprintf("the list has no multiplier for more than %g frames a second", m.FramesPerSecond)
		}
		return m.Multiplier, ""
	}
	return least, fmt.Sprintf("the list has no multiplier for %s of %d lines", o.Video.Codec, lines)
}

func rate(text string) float64 {
	var r media.Rational
	if _, err := fmt.Sscanf(text, "%d/%d", &r.Num, &r.Den); err != nil || r.Den == 0 {
		return 0
	}
	return r.Float()
}

// rounded is to the thousandth.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

// cents is money, to the hundredth of a cent.
func cents(v float64) float64 { return math.Round(v*10000) / 10000 }
