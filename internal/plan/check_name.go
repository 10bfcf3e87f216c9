package plan

import "time"

// CheckDASHName is CheckName for the NameModifier of a DASH group. numbered is true
// if it tells segments apart by $Number$ or $Time$.
func CheckDASHName(pattern string) (numbered bool, err error) {
	name, err := facts{start: time.Unix(0, 0), output: true, dash: true}.expand(pattern)
	return placeholder.MatchString(name), err
}

// CheckName says what is wrong with the format identifiers of a NameModifier or
// SegmentModifier, or of a Destination, where fewer are allowed; nil is nothing.
// It lets the job API refuse a name before there is a source to plan for.
func CheckName(pattern string, inDestination bool) error {
	_, err := facts{start: time.Unix(0, 0), output: !inDestination}.expand(pattern)
	return err
}
