package job

import (
	"cmp"
	"slices"
)

// Line is what waits of one job, for who chooses whose task goes next.
type Line struct {
	Job      string
	Priority int
	Running  int // tasks of the job that the chooser has out

	had int // count at its latest turn
}

// lowestTurn is every how many tasks one goes to the line that has waited longest for
// a turn, whatever its priority: 3 % of the work, so that nothing waits for ever.
const lowestTurn = 32

// Turns orders lines by whose task goes next. It is for one goroutine at a time; the
// zero value is ready.
//
//  1. A higher priority goes first, tasks that are Promoted before all.
//  2. Of equal ones, the job with fewer tasks running: jobs share what there is.
//  3. Of these, the one that had its turn longest ago; one that had none yet first.
//  4. Of these, the older job (the lesser ID).
//
// One task in lowestTurn that is not Promoted goes by 3 and 4 alone. Processes that choose each for itself
// share evenly too: by 3 each goes round.
type Turns struct {
	count int            // tasks that were given out
	had   map[string]int // job → count at its latest turn
}

// Order sorts lines: the first with a task gets the turn.
func (t *Turns) Order(lines []Line) {
	if len(t.had) > 2*len(lines)+64 { // jobs that are over
		had := make(map[string]int, len(lines))
		for _, l := range lines {
			had[l.Job] = t.had[l.Job]
		}
		t.had = had
	}
	t.fill(lines)
	slices.SortFunc(lines, t.compare)
}

// First returns which of the lines Order would put first, for less than sorting them.
func (t *Turns) First(lines []Line) int {
	t.fill(lines)
	first := 0
	for i := range lines {
		if t.compare(lines[i], lines[first]) < 0 {
			first = i
		}
	}
	return first
}

// fill looks up what comparing needs, once for each line.
func (t *Turns) fill(lines []Line) {
	for i := range lines {
		lines[i].had = t.had[lines[i].Job]
	}
}

func (t *Turns) compare(a, b Line) int {
	if a, b := a.Priority >= Promoted, b.Priority >= Promoted; a != b { // somebody waits for one now
		if a {
			return -1
		}
		return 1
	}
	if t.count%lowestTurn != lowestTurn-1 {
		if c := cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Running, b.Running)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.had, b.had), cmp.Compare(a.Job, b.Job))
}

// Took notes that a job had its turn.
func (t *Turns) Took(job string) {
	if t.had == nil {
		t.had = map[string]int{}
	}
	t.count++
	t.had[job] = t.count
}
