// Package job holds states, priorities, retry, cancel and progress of jobs.
//
// A submitted Job flows in with settings that are opaque to this room; states,
// progress and what the Runner made of the settings flow out. A job is a list of
// stages, a stage a list of tasks: the first task looks at the source and says
// what the later stages are, the tasks of a stage run side by side, and the next
// stage starts when each of them has its result.
//
// The room may touch its own Store (records, the only truth), its own TaskQueue
// (who carries which task now; can be lost and is then made again from the
// records), the Runner it is given, and an injected clock. It knows neither
// HTTP, SQL, NATS nor video.
//
// Invariants: a change of state, its event and what must follow from it outside
// of the records commit together; a task's first stored result counts and every
// other is dropped; a job ends once; Discard runs after the last task of a job
// that is over, and again until it succeeded, across restarts.
//
// How a server wires it:
//
//	records, err := store.Open(ctx, store.Config{Path: filepath.Join(data, "records.db"), Logger: log})
//	tasks, err := queue.Open(ctx, queue.Config{Dir: filepath.Join(data, "queue"), Logger: log})
//	jobs, err := job.New(job.Config{Store: records, Tasks: tasks, Runner: worker, Logger: log})
//	group.Go(func() error { return jobs.Run(ctx) }) // returns nil after ctx ended and every runner returned
//	…
//	tasks.Close(); records.Close()                   // after group.Wait, in this order
//
// The API of jobs talks to jobs (Create, Get, List, Cancel, Watch); templates,
// queues and tags are plain records that it reads and writes through the store.
package job
