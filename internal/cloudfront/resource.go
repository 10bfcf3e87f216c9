package cloudfront

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/fault"
)

// mostOfAKind bounds how many resources of a kind there may be: lists of them are
// read whole.
const mostOfAKind = 1000

// kindOf is what differs between kinds of resources whose configuration is a C.
type kindOf[C any] struct {
	kind    Kind
	newID   func() string
	name    func(*C) string
	caller  func(*C) string           // nil: the kind has no caller reference
	check   func(*C) error            // what the model does not say
	uses    func(*C) []Reference      // nil: it refers to nothing
	change  func(was, is *C) error    // nil: everything may be changed
	managed func() []managedConfig[C] // nil: none
}

// managedConfig is a resource that the service brings along.
type managedConfig[C any] struct {
	id     string
	config *C
}

// item is a resource with its configuration read.
type item[C any] struct {
	Resource
	config  *C
	managed bool
}

func (i item[C]) id() string { return i.ID }

func (i item[C]) modified() *awsapi.Timestamp { return awsapi.At(i.Modified) }

// managedETag and managedSince are those of every managed resource: they never change.
const managedETag = "E23ZP02F085DFQ"

func managedSince() time.Time { return time.Date(2020, 12, 10, 0, 0, 0, 0, time.UTC) }

func (k kindOf[C]) brought() []item[C] {
	if k.managed == nil {
		return nil
	}
	var out []item[C]
	for _, m := range k.managed() {
		out = append(out, item[C]{Resource{Kind: k.kind, ID: m.id, Name: k.name(m.config), ETag: managedETag, Created: managedSince(), Modified: managedSince()}, m.config, true})
	}
	return out
}

func (k kindOf[C]) isManaged(id string) (item[C], bool) {
	for _, m := range k.brought() {
		if m.ID == id {
			return m, true
		}
	}
	return item[C]{}, false
}

// read makes an item of a record.
func (k kindOf[C]) read(r Resource) (item[C], error) {
	c := new(C)
	if err := json.Unmarshal(r.Config, c); err != nil {
		return item[C]{}, fmt.Errorf("read configuration of %s %q: %w", r.Kind, r.ID, err)
	}
	return item[C]{Resource: r, config: c}, nil
}

// record makes the changeable part of a record from an accepted configuration.
func (k kindOf[C]) record(s *server, call *apiserver.Call, c *C) (Resource, error) {
	if err := known(call); err != nil {
		return Resource{}, err
	}
	if at := inconsistent(s.schema, reflect.ValueOf(c), ""); at != "" {
		return Resource{}, fault.New(fault.Invalid, "InconsistentQuantities", "The value of %s and the number of items do not match.", at)
	}
	if err := k.check(c); err != nil {
		return Resource{}, err
	}
	doc, err := json.Marshal(c)
	if err != nil {
		return Resource{}, fmt.Errorf("encode configuration: %w", err)
	}
	r := Resource{Kind: k.kind, Name: k.name(c), ETag: newETag(), Modified: s.now(), Config: doc}
	if k.uses != nil {
		r.Uses = k.uses(c)
	}
	if k.caller != nil {
		r.CallerReference = k.caller(c)
	}
	for _, m := range k.brought() {
		if m.Name == r.Name {
			return r, Taken(k.kind, r.Name)
		}
	}
	return r, nil
}

func (k kindOf[C]) create(ctx context.Context, s *server, call *apiserver.Call, c *C) (item[C], error) {
	r, err := k.record(s, call, c)
	if err != nil {
		return item[C]{}, err
	}
	all, err := s.cfg.Store.Resources(ctx, k.kind)
	if err != nil {
		return item[C]{}, err
	}
	if len(all) >= mostOfAKind {
		return item[C]{}, fault.New(fault.Limit, "", "There are %d resources of this kind, which is the most there can be.", len(all))
	}
	// A creation that is sent again, because its answer was lost, gets what it made.
	if k.caller != nil {
		for _, have := range all {
			if have.CallerReference == r.CallerReference && string(have.Config) == string(r.Config) {
				return k.read(have)
			}
		}
	}
	r.ID, r.Created = k.newID(), r.Modified
	if err := s.cfg.Store.CreateResource(ctx, r, nil); err != nil {
		return item[C]{}, err
	}
	return item[C]{Resource: r, config: c}, nil
}

func (k kindOf[C]) get(ctx context.Context, store Resources, id *string) (item[C], error) {
	if m, ok := k.isManaged(value(id)); ok {
		return m, nil
	}
	r, err := store.Resource(ctx, Reference{k.kind, value(id)})
	if err != nil {
		return item[C]{}, err
	}
	return k.read(r)
}

func (k kindOf[C]) update(ctx context.Context, s *server, call *apiserver.Call, id, ifMatch *string, c *C) (item[C], error) {
	if _, ok := k.isManaged(value(id)); ok {
		return item[C]{}, fault.New(fault.Invalid, "IllegalUpdate", "The %s %s is a managed one and cannot be changed.", wordsOf(k.kind).noun, *id)
	}
	next, err := k.record(s, call, c)
	if err != nil {
		return item[C]{}, err
	}
	r, err := s.cfg.Store.ChangeResource(ctx, Reference{k.kind, value(id)}, func(r *Resource) error {
		if err := matches(ifMatch, r.ETag); err != nil {
			return err
		}
		if k.change != nil {
			was, err := k.read(*r)
			if err != nil {
				return err
			}
			if err := k.change(was.config, c); err != nil {
				return err
			}
		}
		r.Name, r.ETag, r.Modified, r.Config, r.Uses = next.Name, next.ETag, next.Modified, next.Config, next.Uses
		return nil
	})
	if err != nil {
		return item[C]{}, err
	}
	s.told("") // whichever distributions refer to it
	return k.read(r)
}

func (k kindOf[C]) remove(ctx context.Context, s *server, id, ifMatch *string) error {
	if _, ok := k.isManaged(value(id)); ok {
		return fault.New(fault.Invalid, "IllegalDelete", "The %s %s is a managed one and cannot be deleted.", wordsOf(k.kind).noun, *id)
	}
	return s.cfg.Store.DeleteResource(ctx, Reference{k.kind, value(id)}, func(r Resource) error { return matches(ifMatch, r.ETag) })
}

// list returns a page of all of the kind, the managed ones first; of is "managed",
// "custom" or "" for both.
func (k kindOf[C]) list(ctx context.Context, s *server, of string, marker, maxItems *string) (listed[item[C]], error) {
	var all []item[C]
	if of != "custom" {
		all = k.brought()
	}
	if of != "managed" {
		records, err := s.cfg.Store.Resources(ctx, k.kind)
		if err != nil {
			return listed[item[C]]{}, err
		}
		for _, r := range records {
			i, err := k.read(r)
			if err != nil {
				return listed[item[C]]{}, err
			}
			all = append(all, i)
		}
	}
	return page(all, item[C].id, marker, maxItems)
}

// typeOf says whether an item is managed, in the spelling of the lists' Type members.
func (i item[C]) typeOf() string {
	if i.managed {
		return "managed"
	}
	return "custom"
}

// inconsistent returns the path of the first Quantity that is not the number of its Items, or "".
func inconsistent(schema *awsapi.Schema, v reflect.Value, of string) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct:
		fields := schema.Fields(v.Elem().Type())
		for i, f := range fields {
			at := strings.TrimPrefix(of+"."+f.Name, ".")
			if q, ok := v.Elem().Field(i).Interface().(*int32); ok && f.Name == "Quantity" && q != nil {
				if items := v.Elem().FieldByName("Items"); items.IsValid() && items.Len() != int(*q) {
					return at
				}
				continue
			}
			if bad := inconsistent(schema, v.Elem().Field(i), at); bad != "" {
				return bad
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Pointer:
		for i := range v.Len() {
			if bad := inconsistent(schema, v.Index(i), of); bad != "" {
				return bad
			}
		}
	}
	return ""
}
