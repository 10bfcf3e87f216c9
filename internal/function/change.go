package function

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"slices"
	"strconv"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function/code"
)

// Definition is a function to be made.
type Definition struct {
	Name    string
	Version Version // its code and numbers are filled in
	Tags    map[string]string
	Publish bool // make version 1 of it
}

// Create makes a function from its package. It returns the version that was
// made: $LATEST, or 1 when it was to be published.
func (f *Functions) Create(ctx context.Context, d Definition, zip []byte) (Function, Version, error) {
	if !nameForm.MatchString(d.Name) {
		return Function{}, Version{}, invalid("%q is not the name of a function: 1 to 64 letters, digits, hyphens and underscores", d.Name)
	}
	if _, err := f.cfg.Records.Function(ctx, d.Name); err == nil {
		return Function{}, Version{}, exists(d.Name)
	}
	if err := d.Version.check(); err != nil {
		return Function{}, Version{}, err
	}
	p, err := f.keep(ctx, zip)
	if err != nil {
		return Function{}, Version{}, err
	}
	now := f.cfg.Now().UTC()
	fn := Function{Name: d.Name, Created: now, Latest: d.Version, NextNumber: 1, Tags: d.Tags}
	fn.Latest.Number = Latest
	fn.Latest.take(p)
	f.touch(&fn.Latest)
	made := fn.Latest
	if d.Publish {
		made = f.publish(&fn, fn.Latest.Description)
	}
	if err := f.cfg.Records.CreateFunction(ctx, fn); err != nil {
		if fault.Is(err, fault.Conflict) {
			err = exists(d.Name)
		}
		return Function{}, Version{}, err
	}
	return fn, made, nil
}

func exists(name string) error {
	return fault.New(fault.Conflict, CodeConflict, "Function already exist: %s", name)
}

// keep keeps a package that there is room for.
func (f *Functions) keep(ctx context.Context, zip []byte) (code.Package, error) {
	u, err := f.Usage(ctx)
	if err != nil {
		return code.Package{}, err
	}
	if u.CodeSize+int64(len(zip)) > MaxCode {
		return code.Package{}, fault.New(fault.Limit, "CodeStorageExceededException", "Code storage limit exceeded.").WithHint("delete functions or old versions of them")
	}
	return f.cfg.Code.Put(ctx, zip)
}

func (v *Version) take(p code.Package) {
	v.SHA256, v.CodeSize = base64.StdEncoding.EncodeToString(p.SHA256[:]), p.Size
}

// touch marks a version as changed now.
func (f *Functions) touch(v *Version) {
	v.Key, v.Revision, v.Modified = identifier(), identifier(), f.cfg.Now().UTC()
}

// publish appends $LATEST as a version, unless the last one is the same.
func (f *Functions) publish(fn *Function, description string) Version {
	if n := len(fn.Published); n > 0 && fn.Published[n-1].Source == fn.Latest.Key {
		return fn.Published[n-1]
	}
	v := fn.Latest
	v.Number, v.Source, v.Description = strconv.Itoa(fn.NextNumber), v.Key, description
	v.Key, v.Revision = identifier(), identifier()
	fn.NextNumber++
	fn.Published = append(fn.Published, v)
	return v
}

// Get returns a function and the version that a qualifier names.
func (f *Functions) Get(ctx context.Context, name, qualifier string) (Function, Version, error) {
	fn, err := f.cfg.Records.Function(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return Function{}, Version{}, notFound(f.ARN(name, qualifier))
	}
	if err != nil {
		return Function{}, Version{}, err
	}
	v, ok := fn.Find(qualifier, 1)
	if !ok {
		return Function{}, Version{}, notFound(f.ARN(name, qualifier))
	}
	return fn, v, nil
}

// List returns all functions, by name.
func (f *Functions) List(ctx context.Context) ([]Function, error) {
	return f.cfg.Records.Functions(ctx)
}

// Change changes what a function is beside its versions.
func (f *Functions) Change(ctx context.Context, name string, change func(*Function) error) (Function, error) {
	fn, err := f.cfg.Records.ChangeFunction(ctx, name, change)
	if fe := fault.Of(err); fe != nil && fe.Kind == fault.NotFound && fe.Code == "" {
		return fn, notFound(f.ARN(name, ""))
	}
	return fn, err
}

// CheckRevision refuses a change that was made up for another revision; "" asks for none.
func CheckRevision(want, have string) error {
	if want != "" && want != have {
		return fault.New(fault.Conflict, CodePrecondition, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	}
	return nil
}

// changeLatest changes $LATEST and ends the environments that ran it as it was.
func (f *Functions) changeLatest(ctx context.Context, name, revision string, change func(*Function) error) (Function, error) {
	var old string
	fn, err := f.Change(ctx, name, func(fn *Function) error {
		if err := CheckRevision(revision, fn.Latest.Revision); err != nil {
			return err
		}
		old = fn.Latest.Key
		f.touch(&fn.Latest)
		return change(fn)
	})
	if err == nil {
		f.cfg.Host.Retire(old)
	}
	return fn, err
}

// CodeChange is an update of a function's code.
type CodeChange struct {
	Zip          []byte
	Architecture string // "" leaves it
	Revision     string
	Publish      bool
	DryRun       bool // check only
}

// UpdateCode replaces the code of $LATEST.
func (f *Functions) UpdateCode(ctx context.Context, name string, c CodeChange) (Function, Version, error) {
	fn, _, err := f.Get(ctx, name, "")
	if err == nil {
		err = CheckRevision(c.Revision, fn.Latest.Revision)
	}
	if err != nil {
		return fn, Version{}, err
	}
	apply := func(v *Version, p code.Package) {
		v.take(p)
		if c.Architecture != "" {
			v.Architecture = c.Architecture
		}
	}
	if c.DryRun {
		p, err := code.Check(c.Zip)
		apply(&fn.Latest, p)
		return fn, fn.Latest, err
	}
	p, err := f.keep(ctx, c.Zip)
	if err != nil {
		return fn, Version{}, err
	}
	var made Version
	fn, err = f.changeLatest(ctx, name, c.Revision, func(fn *Function) error {
		apply(&fn.Latest, p)
		made = fn.Latest
		if c.Publish {
			made = f.publish(fn, fn.Latest.Description)
		}
		return nil
	})
	return fn, made, err
}

// Configure changes the configuration of $LATEST.
func (f *Functions) Configure(ctx context.Context, name, revision string, change func(*Version)) (Function, error) {
	return f.changeLatest(ctx, name, revision, func(fn *Function) error {
		change(&fn.Latest)
		return fn.Latest.check()
	})
}

// Publish makes a version of what $LATEST is, or returns the last one when
// nothing changed since. A digest or a revision that is not that of $LATEST refuses.
func (f *Functions) Publish(ctx context.Context, name, sha256, revision string, description *string) (Function, Version, error) {
	var made Version
	fn, err := f.Change(ctx, name, func(fn *Function) error {
		if err := CheckRevision(revision, fn.Latest.Revision); err != nil {
			return err
		}
		if sha256 != "" && sha256 != fn.Latest.SHA256 {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", sha256, fn.Latest.SHA256)
		}
		text := fn.Latest.Description
		if description != nil {
			text = *description
		}
		made = f.publish(fn, text)
		return nil
	})
	return fn, made, err
}

// Delete removes a function, or one published version of it that no alias has.
func (f *Functions) Delete(ctx context.Context, name, qualifier string) error {
	fn, v, err := f.Get(ctx, name, qualifier)
	if err != nil {
		return err
	}
	if qualifier == "" {
		if err := f.cfg.Records.DeleteFunction(ctx, name); err != nil {
			return err
		}
		f.cfg.Host.Retire(fn.Latest.Key)
		for _, v := range fn.Published {
			f.cfg.Host.Retire(v.Key)
		}
		return nil
	}
	if !numberForm.MatchString(qualifier) {
		return invalid("$LATEST version cannot be deleted without deleting the function, and an alias is deleted with DeleteAlias.")
	}
	_, err = f.Change(ctx, name, func(fn *Function) error {
		for _, a := range fn.Aliases {
			if _, weighted := a.Weights[qualifier]; weighted || a.Version == qualifier {
				return fault.New(fault.Conflict, CodeConflict, "Unable to delete version because the following aliases reference it: [%s]", a.Name)
			}
		}
		fn.Published = slices.DeleteFunc(fn.Published, func(v Version) bool { return v.Number == qualifier })
		delete(fn.Policies, qualifier)
		delete(fn.Async, qualifier)
		return nil
	})
	if err == nil {
		f.cfg.Host.Retire(v.Key)
	}
	return err
}

// Reserve gives a function concurrency of its own, 0 stops it; nil takes it back.
func (f *Functions) Reserve(ctx context.Context, name string, want *int) (Function, error) {
	if want != nil {
		fn, _, err := f.Get(ctx, name, "")
		if err != nil {
			return fn, err
		}
		u, err := f.Usage(ctx)
		if err != nil {
			return fn, err
		}
		if left := u.Unreserved + value(fn.Reserved); *want > left {
			return fn, invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [0].")
		}
	}
	fn, err := f.Change(ctx, name, func(fn *Function) error {
		fn.Reserved = want
		return nil
	})
	f.look()
	return fn, err
}

func value(p *int) int {
	if p == nil {
		return 0
	}
	return *p
}

// Package opens the package of a version.
func (f *Functions) Package(ctx context.Context, v Version) (*os.File, error) {
	return f.cfg.Code.Open(ctx, v.sum())
}

// PutAlias makes or changes an alias.
func (f *Functions) PutAlias(ctx context.Context, name, alias string, fresh bool, change func(*Alias) error) (Alias, error) {
	if numberForm.MatchString(alias) || !qualifierForm.MatchString(alias) || alias == Latest {
		return Alias{}, invalid("%q cannot be the name of an alias", alias)
	}
	var made Alias
	_, err := f.Change(ctx, name, func(fn *Function) error {
		a := fn.alias(alias)
		switch {
		case fresh && a != nil:
			return fault.New(fault.Conflict, CodeConflict, "Alias already exists: %s", f.ARN(name, alias))
		case !fresh && a == nil:
			return fault.New(fault.NotFound, CodeNotFound, "Cannot find alias arn: %s", f.ARN(name, alias))
		case fresh:
			fn.Aliases = append(fn.Aliases, Alias{Name: alias})
			a = &fn.Aliases[len(fn.Aliases)-1]
		}
		if err := change(a); err != nil {
			return err
		}
		sum := 0.0
		for version, weight := range a.Weights {
			if sum += weight; weight < 0 || version == a.Version {
				return invalid("the routing of an alias is between different versions, with weights from 0 to 1")
			}
		}
		if len(a.Weights) > 1 || sum > 1 {
			return invalid("the routing of an alias has one additional version, with a weight from 0 to 1")
		}
		for _, version := range append(sortedNames(a.Weights), a.Version) {
			if _, ok := fn.Find(version, 1); !ok || version == Latest && len(a.Weights) > 0 || version != Latest && !numberForm.MatchString(version) {
				return fault.New(fault.NotFound, CodeNotFound, "Function not found: %s", f.ARN(name, version))
			}
		}
		a.Revision = identifier()
		made = *a
		return nil
	})
	return made, err
}

// DeleteAlias removes an alias; one that is not there is no error.
func (f *Functions) DeleteAlias(ctx context.Context, name, alias string) error {
	_, err := f.Change(ctx, name, func(fn *Function) error {
		fn.Aliases = slices.DeleteFunc(fn.Aliases, func(a Alias) bool { return a.Name == alias })
		delete(fn.Policies, alias)
		delete(fn.Async, alias)
		return nil
	})
	return err
}

// Alias returns one alias.
func (f *Functions) Alias(ctx context.Context, name, alias string) (Alias, error) {
	fn, _, err := f.Get(ctx, name, "")
	if err != nil {
		return Alias{}, err
	}
	if a := fn.alias(alias); a != nil {
		return *a, nil
	}
	return Alias{}, fault.New(fault.NotFound, CodeNotFound, "Cannot find alias arn: %s", f.ARN(name, alias))
}

// ReadPackage reads a package of limited size from wherever it is.
func ReadPackage(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, code.MaxZipped+1))
	if err == nil && len(data) > code.MaxZipped {
		err = invalid("The package is larger than %d bytes", code.MaxZipped)
	}
	return data, err
}
