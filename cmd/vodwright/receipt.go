package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"vodwright.dev/vodwright/internal/receipt"
)

type receiptCmd struct {
	dataFlag
	Job string `arg:"" help:"ID or ARN of a job."`
}

func (receiptCmd) Help() string {
	return `Prints what a job was and took: its sources and what was healed in them, the ladder,
what every output came to as it was read back, chunks, retries, workers, CPU seconds,
time by stage, and what the same outputs would cost by the minute at public list
prices. Of a job that runs, until now.

Examples:
  vodwright receipt 1515368087458-qnoxtd
  vodwright receipt 1515368087458-qnoxtd --json | jq .work.cpuSeconds`
}

// Run asks the server for the receipt.
func (c *receiptCmd) Run(p *program) error {
	s, err := connect(p, c.Data)
	if err != nil {
		return err
	}
	id := c.Job[strings.LastIndexByte(c.Job, '/')+1:]
	var doc json.RawMessage
	if err := s.jobsCall(p.ctx, http.MethodGet, "/jobs/"+url.PathEscape(id)+"/receipt", nil, &doc); err != nil {
		return err
	}
	var r receipt.Receipt
	if err := json.Unmarshal(doc, &r); err != nil {
		return fmt.Errorf("decode receipt: %w", err)
	}
	return p.print(doc, r.Text())
}
