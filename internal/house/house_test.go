package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "vodwright.dev/vodwright/"

// floor orders the rooms: a room may import rooms of lower floors, and of its
// own floor only where sameFloor says so. From the top: the command, the front
// of the house, the adapters, the domain, the machinery, the facts.
var floor = map[string]int{
	"cmd/vodwright": 6,

	"internal/mediaconvert": 5, "internal/eventbridge": 5, "internal/lambda": 5, "internal/cloudfront": 5, "internal/worker": 5, "internal/fleet": 5, "internal/edge": 5,
	"internal/store": 5, "internal/queue": 5, "internal/front": 5, "internal/console": 5, "internal/tlsca": 5,

	"internal/event": 4, "internal/early": 4, "internal/object": 4, "internal/object/catalog": 4, "internal/object/config": 4, "internal/object/disk": 4, "internal/object/remote": 4, "internal/object/gateway": 4, "internal/job": 4, "internal/plan": 4, "internal/iam": 4, "internal/cluster": 4, "internal/function": 4, "internal/logs": 4, "internal/waf": 4, "internal/receipt": 4,

	"internal/probe": 3, "internal/fetch": 3,
	"internal/ffmpeg": 2, "internal/awsapi/apiserver": 2,

	"internal/clip": 1, "internal/limit": 1, "internal/policy": 1, "internal/media": 1, "internal/hls": 1, "internal/dash": 1, "internal/mpegts": 1, "internal/mp4": 1,
	"internal/awsapi": 1, "internal/awsapi/sigv4": 1, "internal/awsapi/mediaconvert": 1, "internal/awsapi/cloudfront": 1, "internal/awsapi/wafv2": 1,
	"internal/awsapi/iam": 1, "internal/awsapi/sts": 1, "internal/awsapi/lambda": 1, "internal/awsapi/logs": 1, "internal/awsapi/events": 1,

	"internal/fault": 0,
}

// sameFloor lists the imports between rooms of one floor, each with its reason.
var sameFloor = map[string][]string{
	"internal/store":               {"internal/cloudfront", "internal/mediaconvert"},                                                                                                     // implements the stores that they declare
	"internal/object":              {"internal/event", "internal/object/catalog", "internal/object/config", "internal/object/disk", "internal/object/remote", "internal/object/gateway"}, // its parts: bytes, and S3 over them
	"internal/object/gateway":      {"internal/event", "internal/object/catalog", "internal/object/config"},
	"internal/object/catalog":      {"internal/event"}, // a version's coming is one
	"internal/object/remote":       {"internal/event", "internal/object/catalog"},
	"internal/object/config":       {"internal/event"},                            // what a bucket tells whom
	"internal/object/disk":         {"internal/event", "internal/object/catalog"}, // an object's creation is an event
	"internal/fleet":               {"internal/worker"},                           // carries for it what it cannot reach
	"internal/clip":                {"internal/media"},                            // rationals
	"internal/receipt":             {"internal/job", "internal/plan"},             // the record of a job, and what was planned
	"internal/early":               {"internal/job"},                              // whose states it follows
	"internal/hls":                 {"internal/media"},
	"internal/dash":                {"internal/media"},
	"internal/mp4":                 {"internal/media"},
	"internal/mpegts":              {"internal/media", "internal/mp4"}, // access units come from MP4 tracks
	"internal/awsapi/mediaconvert": {"internal/awsapi"},
	"internal/awsapi/cloudfront":   {"internal/awsapi"},
	"internal/awsapi/wafv2":        {"internal/awsapi"},
	"internal/awsapi/iam":          {"internal/awsapi"},
	"internal/awsapi/sts":          {"internal/awsapi"},
	"internal/awsapi/lambda":       {"internal/awsapi"},
	"internal/awsapi/logs":         {"internal/awsapi"},
	"internal/awsapi/events":       {"internal/awsapi"},
}

// pure rooms take arguments and give results: no files, network, clock, context or log.
var pure = []string{
	"internal/policy", "internal/plan", "internal/media", "internal/hls", "internal/dash", "internal/mpegts", "internal/mp4", "internal/fault", "internal/clip", "internal/limit", "internal/receipt",
	"internal/edge/viewersign", "internal/event/pattern",
	"internal/awsapi", "internal/awsapi/mediaconvert", "internal/awsapi/cloudfront", "internal/awsapi/wafv2",
	"internal/awsapi/iam", "internal/awsapi/sts", "internal/awsapi/lambda", "internal/awsapi/logs", "internal/awsapi/events",
}

var impure = []string{"os", "os/exec", "net", "context", "log", "log/slog", "io/ioutil", "syscall", "golang.org/x/sys/unix", "database/sql"}

// only says which rooms alone may import a package: the walls around processes, SQL and libraries.
var only = map[string][]string{
	"os/exec":                           {"internal/ffmpeg", "internal/function/execution", "cmd/vodwright"},
	"database/sql":                      {"internal/store"},
	"modernc.org/sqlite":                {"internal/store"},
	"github.com/nats-io/nats.go":        {"internal/queue"},
	"github.com/nats-io/nats-server/v2": {"internal/queue"},
	"github.com/versity/versitygw":      {"internal/object/gateway"},
	"github.com/Eyevinn/mp4ff":          {"internal/mp4"},
	"github.com/corazawaf":              {"internal/waf"},
}

// floorOf gives a room's floor; a folder below a room is part of it unless the table says otherwise.
func floorOf(room string) (int, bool) {
	for r := room; r != "."; r = path.Dir(r) {
		if f, ok := floor[r]; ok {
			return f, true
		}
	}
	return 0, false
}

func within(room string, rooms []string) bool {
	return slices.ContainsFunc(rooms, func(r string) bool { return room == r || strings.HasPrefix(room, r+"/") })
}

type file struct {
	room, name string
	ast        *ast.File
	test       bool
}

func projectFiles(t *testing.T) []file {
	t.Helper()
	var out []file
	root := filepath.Join("..", "..")
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(p, ".go") {
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			out = append(out, file{room: path.Dir(rel), name: rel, ast: parsed, test: strings.HasSuffix(rel, "_test.go")})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d files found: the rules would check nothing", len(out))
	}
	return out
}

func imports(f file) []string {
	var out []string
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func TestRoomsImportDownwardsOnly(t *testing.T) {
	for _, f := range projectFiles(t) {
		if f.test || f.room == "internal/house" {
			continue
		}
		mine, known := floorOf(f.room)
		if !known {
			t.Errorf("%s: room %s has no floor: add it to the table in this test and to docs/ARCHITECTURE.md", f.name, f.room)
			continue
		}
		for _, p := range imports(f) {
			other, ours := strings.CutPrefix(p, module)
			if !ours || other == f.room {
				continue
			}
			theirs, known := floorOf(other)
			inside := strings.HasPrefix(other, f.room+"/") || strings.HasPrefix(f.room, other+"/")
			if known && (theirs < mine || theirs == mine && (inside || slices.Contains(sameFloor[f.room], other))) {
				continue
			}
			t.Errorf("%s imports %s: not below it", f.name, other)
		}
	}
}

func TestPureRoomsStayPure(t *testing.T) {
	for _, f := range projectFiles(t) {
		if f.test || !slices.Contains(pure, f.room) {
			continue
		}
		for _, p := range imports(f) {
			if slices.Contains(impure, p) || (strings.HasPrefix(p, "net/") && p != "net/url" && p != "net/netip" && p != "net/http") || p == "net/http" && f.room != "internal/fault" {
				t.Errorf("%s imports %s, but %s is pure", f.name, p, f.room)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, sel.Sel.Name) {
				t.Errorf("%s uses time.%s, but %s is pure", f.name, sel.Sel.Name, f.room)
			}
			return true
		})
	}
}

func TestWalls(t *testing.T) {
	for _, f := range projectFiles(t) {
		if f.test {
			continue
		}
		for _, p := range imports(f) {
			for pkg, rooms := range only {
				if (p == pkg || strings.HasPrefix(p, pkg+"/")) && !within(f.room, rooms) {
					t.Errorf("%s imports %s: only %s may", f.name, p, strings.Join(rooms, ", "))
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range projectFiles(t) {
		if f.test {
			continue
		}
		doc := strings.TrimSpace(f.ast.Doc.Text())
		documented[f.room] = documented[f.room] || len(doc) > 80
	}
	for room, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment that says what flows in and out and what the room may touch", room)
		}
	}
}

func TestNoHiddenState(t *testing.T) {
	for _, f := range projectFiles(t) {
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.name)
			}
		}
		for _, bad := range []string{"/util", "/common", "/types", "/models", "/helpers", "/manager"} {
			if strings.HasSuffix(f.room, bad) {
				t.Errorf("%s: a room is named for what it holds, not %q", f.name, bad)
			}
		}
	}
}
