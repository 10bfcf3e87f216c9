package remote

import (
	"context"
	"strings"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// List returns a page of keys whose newest version is no delete marker.
func (e *Engine) List(ctx context.Context, bucket string, in catalog.ListInput) (catalog.Page, error) {
	return e.list(ctx, bucket, in, true)
}

// ListVersions returns a page of all versions and delete markers.
func (e *Engine) ListVersions(ctx context.Context, bucket string, in catalog.ListInput) (catalog.Page, error) {
	return e.list(ctx, bucket, in, false)
}

const (
	mostLines  = 1000 // that one query returns
	fewLines   = 8    // where most lines are below one common prefix
	linesSteps = 4    // by which it becomes more or fewer
)

// lister collects a page.
type lister struct {
	in    catalog.ListInput
	page  catalog.Page
	count int
	group string // the common prefix that was added last
}

// add adds a line, or what it is rolled up in; full says that there is no more room.
func (l *lister) add(line catalog.Listed) (full bool) {
	if l.group != "" && strings.HasPrefix(line.Key, l.group) {
		return false
	}
	if l.count == l.in.Max {
		l.page.More = true
		return true
	}
	l.count++
	if l.group = l.in.RollUp(line.Key); l.group != "" {
		l.page.CommonPrefixes = append(l.page.CommonPrefixes, l.group)
		l.page.After, l.page.AfterVersion = l.group, ""
		return false
	}
	l.page.Items = append(l.page.Items, line)
	l.page.After, l.page.AfterVersion = line.Key, line.Version.ID
	return false
}

func (e *Engine) list(ctx context.Context, bucket string, in catalog.ListInput, latest bool) (catalog.Page, error) {
	b, err := e.Bucket(ctx, bucket)
	if err != nil || in.Max <= 0 {
		return catalog.Page{}, err
	}
	l := &lister{in: in}
	at := catalog.Window{Prefix: in.Prefix, From: in.After, Past: true, Latest: latest, Max: min(in.Max+1, mostLines)}
	if in.After == "" {
		at.Past = false
	}
	if in.After != "" && in.RollUp(in.After) == in.After {
		l.group = in.After // what it stands for was listed
		at.From, at.Past = string(catalog.Successor(in.After)), false
	} else if in.AfterVersion != "" {
		if at.Before, err = e.index.VersionSequence(ctx, b.ID, in.After, in.AfterVersion); err != nil {
			return l.page, err
		}
		if at.Before == "" {
			at.Before = in.AfterVersion // it went: those that are older by their ids
		}
	}
	for {
		lines, err := e.index.ObjectVersions(ctx, b.ID, at)
		if err != nil {
			return l.page, err
		}
		before := l.count
		for _, line := range lines {
			if l.add(line) {
				return l.page, nil
			}
		}
		if len(lines) < at.Max {
			if at.Before == "" {
				return l.page, nil
			}
			at.Before, at.Past = "", true // the key's versions ended: on to the next key
			continue
		}
		last := lines[len(lines)-1]
		switch {
		case l.group != "" && strings.HasPrefix(last.Key, l.group):
			at.From, at.Past, at.Before = string(catalog.Successor(l.group)), false, ""
		case latest:
			at.From, at.Past = last.Key, true
		default:
			at.From, at.Before = last.Key, last.Version.Sequence
		}
		// Where queries find little but one common prefix, smaller ones do.
		if added := l.count - before; added < len(lines)/linesSteps {
			at.Max = max(at.Max/linesSteps, fewLines)
		} else {
			at.Max = min(at.Max*linesSteps, mostLines)
		}
	}
}
