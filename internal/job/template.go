package job

import "time"

// TemplateFilter says which templates a list holds, and in which order. The zero
// TemplateFilter lists the first 20 by name.
type TemplateFilter struct {
	Category   string // empty is any
	ByCreation bool   // ordered by creation instead of by name
	Descending bool
	Limit      int    // 0 is 20
	After      string // name of the last template of the page before, which may be gone; empty starts

	AfterCreated time.Time // when that one was made; for a list by creation
}
