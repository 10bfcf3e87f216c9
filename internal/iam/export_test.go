package iam

import "context"

// Sweep is what Run does now and then.
func (a *Authority) Sweep(ctx context.Context) error { return a.sweep(ctx) }
