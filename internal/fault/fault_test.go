package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestKindsSurviveWrapping(t *testing.T) {
	err := fmt.Errorf("open input %q: %w", "a.mp4", New(NotFound, "NoSuchKey", "the key %q does not exist: %w", "a.mp4", io.EOF).WithHint("list it"))
	f := Of(err)
	if f.Kind != NotFound || f.Code != "NoSuchKey" || f.Hint != "list it" || !errors.Is(err, io.EOF) {
		t.Errorf("got %+v", f)
	}
	if !Is(err, NotFound) || Is(err, Internal) || Is(nil, Internal) || Is(nil, NotFound) {
		t.Error("Is mistakes kinds")
	}
	if KindOf(io.EOF) != Internal || KindOf(nil) != Internal || Of(nil) != nil {
		t.Error("what carries no kind is Internal")
	}
}

func TestEveryKindHasItsBehaviour(t *testing.T) {
	seen := map[int]Kind{}
	for k := Internal; k <= Canceled; k++ {
		if k.String() == "" || k.HTTPStatus() < 400 || k.ExitCode() == 0 {
			t.Errorf("kind %d: %q, status %d, exit %d", k, k, k.HTTPStatus(), k.ExitCode())
		}
		if other, dup := seen[k.ExitCode()]; dup {
			t.Errorf("%s and %s exit alike", k, other)
		}
		seen[k.ExitCode()] = k
	}
}
