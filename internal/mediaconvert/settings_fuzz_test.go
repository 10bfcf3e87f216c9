package mediaconvert_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

// changes are what a member of a document is replaced by.
var changes = []any{
	nil, true, 0, -1, 1, 2, 7, 29.97, 1e300, 1 << 31, 1<<31 - 1, 1 << 53, "", "AUTO", "ENABLED", "DISABLED", "NONE", "SPECIFIED", "INITIALIZE_FROM_SOURCE", "CBR", "VBR", "QVBR",
	"FOLLOW_INPUT", "s3://b/k", "s3://", "https://h/f.mp4", "$dt$", "$w$", "_1", "../x", "00:00:01:00", "99:99:99:99", "eng", "MULTI_PASS_HQ", "GOP_MULTIPLE", "SECONDS", "FRAMES",
	"DEGREES_90", "M3U8", "MP4", "RAW", "M2TS", "CMFC", "MPD", "AAC", "H_264", "H_265", "FRAME_CAPTURE", "HLS_GROUP_SETTINGS", "FILE_GROUP_SETTINGS", "CMAF_GROUP_SETTINGS", "DASH_ISO_GROUP_SETTINGS",
	[]any{},
	map[string]any{},
	[]any{1},
	[]any{"s3://b/k"},
}

// copied returns a value that shares nothing with v.
func copied(v any) any {
	doc, _ := json.Marshal(v) // of what JSON can hold
	var again any
	_ = json.Unmarshal(doc, &again)
	return again
}

// change replaces, removes, doubles or moves one member of a document, chosen by dice.
func change(v any, dice func(int) int) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if len(keys) == 0 || dice(12) == 0 {
			return copied(changes[dice(len(changes))])
		}
		k := keys[dice(len(keys))]
		switch dice(16) {
		case 0:
			delete(v, k)
		case 1:
			v[keys[dice(len(keys))]] = copied(v[k])
		default:
			v[k] = change(v[k], dice)
		}
		return v
	case []any:
		if len(v) == 0 {
			return copied(changes[dice(len(changes))])
		}
		i := dice(len(v))
		switch dice(8) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return append(v, copied(v[i]))
		}
		v[i] = change(v[i], dice)
		return v
	}
	return copied(changes[dice(len(changes))])
}

// FuzzSettings changes a few members of real documents, which a fuzzer of bytes
// seldom does: what is accepted is planned, or refused for what the source is.
func FuzzSettings(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var documents [][]byte
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if d := archive.Files[0].Data; json.Valid(d) {
			documents = append(documents, d)
		}
	}
	for i := range documents {
		f.Add(uint8(i), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
		f.Add(uint8(i), []byte{250, 17, 3, 91, 66, 4, 33, 8, 12, 200, 7, 1, 90, 18})
	}
	f.Fuzz(func(t *testing.T, which uint8, bytes []byte) {
		dice := func(n int) int {
			if len(bytes) == 0 {
				return 0
			}
			b := int(bytes[0])
			bytes = bytes[1:]
			return b % n
		}
		var doc any
		if err := json.Unmarshal(documents[int(which)%len(documents)], &doc); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if len(bytes) > 0 {
				doc = change(doc, dice)
			}
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		d, err := mediaconvert.ParseDocument(text)
		if err != nil || mediaconvert.CheckSettings(d.Request.Settings).Err() != nil {
			return
		}
		request, err := json.Marshal(d.Request.Settings)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := plan.ParseSettings(request)
		if err != nil {
			t.Fatalf("accepted settings that the plan cannot read: %v\n%s", err, request)
		}
		p, err := plan.New(plan.Input{Settings: settings, Files: anyFootage(settings), JobStart: time.Unix(1700000000, 0)})
		if fault.Is(err, fault.Internal) || err == nil && len(p.Groups) != len(settings.OutputGroups) {
			t.Fatalf("accepted settings that cannot be planned: %v\n%s", err, request)
		}
	})
}
