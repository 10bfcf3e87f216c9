package store

import "context"

// OthersUse is what a change of the schema asks first.
func (s *Store) OthersUse(ctx context.Context, have int64) error { return s.othersUse(ctx, have) }
