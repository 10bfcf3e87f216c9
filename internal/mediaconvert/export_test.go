package mediaconvert

// RowPaths lists the members that the support table has rows for.
func RowPaths() []string {
	var out []string
	for _, r := range supportRows() {
		out = append(out, r.path)
	}
	return out
}
