package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"
)

// firstTaskName is the name of the task of stage 0.
const firstTaskName = "probe"

// retryLoops is how long loops wait after the records or the queue failed them.
const retryLoops = time.Second

// admitLoop lets jobs progress as room comes up.
func (c *Coordinator) admitLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.admitAll(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "admit jobs", "err", err)
			sleep(ctx, retryLoops)
			continue
		}
		select {
		case <-c.admitWake:
		case <-ctx.Done():
		}
	}
}

// jobsAmong is among how many tasks that are carried there is to be one job at least: a
// long job then leaves others most of the places.
const jobsAmong = 8

// hungry reports whether more jobs should progress than Config.Jobs: there may be more
// places for tasks than this process has, wherever they are. Each that is taken should
// find the next task waiting, and several jobs should share them.
func (c *Coordinator) hungry() bool {
	if !c.elastic {
		return false
	}
	jobs, carried, waiting := c.live.load()
	return waiting < carried || jobs < carried/jobsAmong
}

// admitAll fills every queue, and then goes round the queues for as long as there is
// more to be had than they fill.
func (c *Coordinator) admitAll(ctx context.Context) error {
	queues, err := c.store.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if q.Status != QueueActive {
			continue
		}
		for more := true; more; {
			if more, err = c.admitOne(ctx, q.Name, c.cfg.Jobs); err != nil {
				return err
			}
		}
	}
	for some := true; some; {
		some = false
		for range queues {
			if !c.hungry() {
				return nil
			}
			c.round++
			q := queues[c.round%len(queues)]
			if q.Status != QueueActive {
				continue
			}
			more, err := c.admitOne(ctx, q.Name, math.MaxInt32)
			if err != nil {
				return err
			}
			some = some || more
		}
	}
	return nil
}

// admitOne lets the next job of a queue progress, if there is one and room for it.
func (c *Coordinator) admitOne(ctx context.Context, queue string, limit int) (bool, error) {
	c.commits.Lock()
	defer c.commits.Unlock()
	j, ok, err := c.store.AdmitJob(ctx, queue, limit, c.start)
	if err != nil || !ok {
		return false, err
	}
	c.live.show(j, []StageTally{{Stage: 0, Phase: j.Phase, Tasks: 1}})
	c.log.InfoContext(ctx, "job started", "job", j.ID)
	wake(c.relayWake)
	return true, nil
}

// start gives an admitted job its first task.
func (c *Coordinator) start(tx Tx, j *Job) error {
	if err := j.move(admit); err != nil {
		return err
	}
	j.Started, j.Stage = c.now(), 0
	j.mark("PROBING", j.Started)
	metadata := maps.Clone(c.cfg.Defaults)
	if metadata == nil {
		metadata = map[string]string{}
	}
	maps.Copy(metadata, j.UserMetadata)
	payload, err := json.Marshal(FirstTask{
		Job: j.ID, Request: j.Request, Role: j.Role, Queue: j.Queue,
		UserMetadata: metadata, Created: j.Created, Started: j.Started,
	})
	if err != nil {
		return fmt.Errorf("encode first task of job %s: %w", j.ID, err)
	}
	first := Task{Job: j.ID, Name: firstTaskName, Phase: j.Phase, Payload: payload}
	return errors.Join(
		tx.AddTasks([]Task{first}),
		tx.Emit(Event{At: j.Started, Kind: EventProgressing, Detail: json.RawMessage("{}")}),
		tx.Post(Errand{Kind: PublishStage, Number: 0, Due: j.Started}),
	)
}
