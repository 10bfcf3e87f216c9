// Package sim runs the scheduler (internal/job: admission, dispatch by turns, carriers)
// at sizes that no machine here has: records and queue in memory, tasks that take
// recorded times of a simulated clock and do nothing. `make sim` runs it at 1,000
// workers and 100,000 jobs; its tests at a small size.
package sim
