package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

// automatedJobs is what became of the jobs of one automation.
type automatedJobs struct {
	AtWork   int `json:"atWork"`
	Complete int `json:"complete"`
	Failed   int `json:"failed"`
	// AtLeast says that there are older jobs that nobody looked at.
	AtLeast bool `json:"atLeast,omitempty"`
	// LastFailure is of the newest job that failed.
	LastFailure *automatedFailure `json:"lastFailure,omitempty"`
}

type automatedFailure struct {
	Job     string    `json:"job"`
	Input   string    `json:"input"`
	Code    int       `json:"code"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// text is what people read of the jobs, with how to see more.
func (j *automatedJobs) text(logGroup string) string {
	if j == nil {
		return ""
	}
	least := ""
	if j.AtLeast {
		least = "at least "
	}
	out := fmt.Sprintf("  jobs %s%d at work, %d complete, %d failed\n", least, j.AtWork, j.Complete, j.Failed)
	if f := j.LastFailure; f != nil {
		out += fmt.Sprintf("  last failure %s, job %s of %s: %d %s\n", f.At.Format(time.RFC3339), f.Job, f.Input, f.Code, f.Message)
		out += fmt.Sprintf("  all failures aws logs filter-log-events --log-group-name %s --filter-pattern '{ $.outcome = \"*FAILED\" }'\n", logGroup)
	}
	return out
}

// jobPages bounds how many pages of 20 jobs of each status are read to count.
const jobPages = 25

// countJobs counts the jobs of each automation by the mark that they have. A caller
// who may not list jobs sees none: all is nil then.
func (a automator) countJobs(ctx context.Context, list []automated) error {
	counts := map[string]*automatedJobs{} // by the automation's name
	for _, one := range list {
		counts[one.Name] = &automatedJobs{}
	}
	atWork := map[string]bool{} // ids
	for _, status := range []string{"SUBMITTED", "PROGRESSING", "COMPLETE", "ERROR"} {
		more, err := a.countStatus(ctx, status, counts, atWork)
		if fault.Is(err, fault.Denied) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range counts {
			c.AtLeast = c.AtLeast || more
		}
	}
	for i := range list {
		list[i].Jobs = counts[list[i].Name]
	}
	return nil
}

// countStatus counts the jobs of one state. Jobs move on between the lists: one that
// was counted in an earlier state is counted in this one instead.
func (a automator) countStatus(ctx context.Context, status string, counts map[string]*automatedJobs, atWork map[string]bool) (more bool, err error) {
	token := ""
	for range jobPages {
		var page struct {
			Jobs []struct {
				jobAnswer
				UserMetadata map[string]string `json:"userMetadata"`
				Settings     struct {
					Inputs []struct {
						FileInput string `json:"fileInput"`
					} `json:"inputs"`
				} `json:"settings"`
				Timing struct {
					FinishTime float64 `json:"finishTime"` // seconds since 1970
				} `json:"timing"`
			} `json:"jobs"`
			NextToken string `json:"nextToken"`
		}
		if err := a.client.jobsCall(ctx, "GET", "/jobs?maxResults=20&order=DESCENDING&status="+status+"&nextToken="+url.QueryEscape(token), nil, &page); err != nil {
			return false, fmt.Errorf("count jobs: %w", err)
		}
		for _, j := range page.Jobs {
			rule, _, _ := event.ParseJobMark(j.UserMetadata[event.MarkMetadata])
			c := counts[rule]
			if c == nil {
				continue
			}
			if atWork[j.ID] {
				delete(atWork, j.ID)
				c.AtWork--
			}
			switch {
			case status == "COMPLETE":
				c.Complete++
			case status != "ERROR":
				atWork[j.ID] = true
				c.AtWork++
			default:
				if c.Failed++; c.LastFailure == nil {
					c.LastFailure = &automatedFailure{Job: j.ID, Code: j.ErrorCode, Message: j.ErrorMessage, At: time.UnixMilli(int64(j.Timing.FinishTime * 1000)).UTC()}
					if len(j.Settings.Inputs) > 0 {
						c.LastFailure.Input = j.Settings.Inputs[0].FileInput
					}
				}
			}
		}
		if token = page.NextToken; token == "" {
			return false, nil
		}
	}
	return true, nil
}
