// Command awsgen writes Go shapes from the public API models of AWS services.
//
// A model flows in (the trimmed copies in models/, see models/README.md), one
// Go file of structs and enums and one of the operation table flow out. The
// generated packages hold data only: struct tags that the codecs of
// internal/awsapi read, no code that runs.
//
//	awsgen -model models/cloudfront.json.gz -pkg cloudfront -ops GetDistribution -dir out
//	awsgen -trim service-2.json.gz -model models/cloudfront.json.gz
//
// The second form makes a trimmed copy from an original, which is the only step
// that needs one.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("awsgen", flag.ContinueOnError)
	fs.SetOutput(stderr)
	path := fs.String("model", "", "trimmed model (.json.gz)")
	trim := fs.String("trim", "", "original service-2.json or .json.gz to trim into -model")
	pkg := fs.String("pkg", "", "name of the generated package")
	ops := fs.String("ops", "", "operations to generate shapes for, separated by commas; empty is all")
	dir := fs.String("dir", ".", "folder of the generated files")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	var err error
	if *trim != "" {
		err = trimModel(*trim, *path)
	} else {
		err = generate(*path, *pkg, *ops, *dir)
	}
	if err != nil {
		fmt.Fprintln(stderr, "awsgen:", err)
		return 1
	}
	return 0
}

func generate(path, pkg, ops, dir string) error {
	m, err := readModel(path)
	if err != nil {
		return err
	}
	var names []string
	if ops != "" {
		names = strings.Split(ops, ",")
		slices.Sort(names)
	} else {
		names = sortedKeys(m.Operations)
	}
	g := &generator{model: m, pkg: pkg, seen: map[string]bool{}}
	for _, n := range names {
		op, ok := m.Operations[n]
		if !ok {
			return fmt.Errorf("find operation %q in %q: not there", n, path)
		}
		if err := g.operation(n, op); err != nil {
			return fmt.Errorf("generate operation %q: %w", n, err)
		}
	}
	for name, body := range map[string]*bytes.Buffer{"shapes.go": g.shapes(), "enums.go": g.enumFile(), "operations.go": g.table(names)} {
		src, err := format.Source(body.Bytes())
		if err != nil {
			return fmt.Errorf("format %q: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), src, 0o644); err != nil {
			return fmt.Errorf("write %q: %w", name, err)
		}
	}
	return nil
}
