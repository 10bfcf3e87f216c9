package main

import (
	"context"
	"time"

	"vodwright.dev/vodwright/internal/cloudfront/wafv2"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/internal/waf"
)

// firewallLog implements waf.Log over CloudWatch Logs.
type firewallLog struct{ logs *logs.Logs }

func (l firewallLog) Append(ctx context.Context, group, stream string, messages []waf.Message) error {
	events := make([]logs.Event, len(messages))
	for i, m := range messages {
		events[i] = logs.Event{Time: m.Time, Message: m.Text}
	}
	return l.logs.Append(ctx, group, stream, events)
}

// firewallLines reads what the firewall logged of a distribution (firewallLog writes it).
func firewallLines(records *store.Store) wafv2.Log {
	return func(ctx context.Context, distribution string, from, until time.Time, limit int) ([]wafv2.Logged, error) {
		events, err := records.LogEvents(ctx, logs.EventQuery{Group: "aws-waf-logs-" + distribution, From: from, Until: until, Limit: limit})
		if fault.Is(err, fault.NotFound) {
			return nil, nil // nothing has matched yet
		}
		out := make([]wafv2.Logged, len(events))
		for i, e := range events {
			out[i] = wafv2.Logged{Time: e.Time, Text: e.Message}
		}
		return out, err
	}
}
