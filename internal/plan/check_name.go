package plan

import "time"

// CheckName says what is wrong with the format identifiers of a NameModifier or
// SegmentModifier, or of a Destination, where fewer are allowed; nil is nothing.
// It lets the job API refuse a name before there is a source to plan for.
func CheckName(pattern string, inDestination bool) error {
	_, err := facts{start: time.Unix(0, 0), output: !inDestination}.expand(pattern)
	return err
}
