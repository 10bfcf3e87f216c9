package disk

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// reference lists as S3 says, from a sorted slice.
func reference(lines []Listed, in ListInput) (items, groups []string) {
	for _, l := range lines {
		if !strings.HasPrefix(l.Key, in.Prefix) {
			continue
		}
		if g := in.RollUp(l.Key); g != "" {
			if len(groups) == 0 || groups[len(groups)-1] != g {
				groups = append(groups, g)
			}
			continue
		}
		items = append(items, l.Key+" "+l.Version.ID)
	}
	return items, groups
}

func TestListsGiveEveryLineOnceInOrder(t *testing.T) {
	e := newEngine(t)
	b := bucket(t, e, "lists", VersioningEnabled)
	rng := rand.New(rand.NewPCG(1, 2))
	var all, latest []Listed
	alphabet := []string{"a", "b", "a/", "b/", "-", ".", "0", "é", "@", "a/b/"}
	made := map[string]bool{}
	for len(made) < 60 {
		key := ""
		for range 1 + rng.IntN(4) {
			key += alphabet[rng.IntN(len(alphabet))]
		}
		if catalog.CheckKey(key) != nil || made[key] {
			continue
		}
		made[key] = true
		var vs []Version
		for range 1 + rng.IntN(4) {
			vs = append(vs, put(t, e, b, key, "x"))
		}
		if rng.IntN(4) == 0 {
			d, err := e.Delete(b, key, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, Version{ID: d.VersionID, Marker: true})
		}
		slices.Reverse(vs)
		for _, v := range vs {
			all = append(all, Listed{Key: key, Version: v})
		}
		if !vs[0].Marker {
			latest = append(latest, Listed{Key: key, Version: vs[0]})
		}
	}
	byKey := func(a, b Listed) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortStableFunc(all, byKey)
	slices.SortStableFunc(latest, byKey)
	for _, delimiter := range []string{"", "/", "b", "é"} {
		for _, prefix := range []string{"", "a", "a/", "a/b", "b/a", "zz", "é", "a/b/"} {
			for _, size := range []int{1, 2, 3, 7, 1000} {
				for name, c := range map[string]struct {
					list func(string, ListInput) (Page, error)
					want []Listed
				}{"versions": {e.ListVersions, all}, "objects": {e.List, latest}} {
					in := ListInput{Prefix: prefix, Delimiter: delimiter, Max: size}
					wantItems, wantGroups := reference(c.want, in)
					var items, groups []string
					for pages := 0; ; pages++ {
						page, err := c.list(b, in)
						if err != nil {
							t.Fatal(err)
						}
						if n := len(page.Items) + len(page.CommonPrefixes); n > size {
							t.Fatalf("%d lines on a page of %d", n, size)
						}
						for _, l := range page.Items {
							items = append(items, l.Key+" "+l.Version.ID)
						}
						groups = append(groups, page.CommonPrefixes...)
						if !page.More || pages > 2000 {
							break
						}
						in.After = page.After
						if name == "versions" {
							in.AfterVersion = page.AfterVersion
						}
					}
					if !slices.Equal(items, wantItems) || !slices.Equal(groups, wantGroups) {
						t.Fatalf("%s prefix %q delimiter %q pages of %d:\n got %q %q\nwant %q %q", name, prefix, delimiter, size, items, groups, wantItems, wantGroups)
					}
				}
			}
		}
	}
}
