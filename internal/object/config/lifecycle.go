package config

import (
	"encoding/xml"
	"strings"
	"time"
)

// Lifecycle is a bucket's lifecycle configuration.
type Lifecycle struct {
	XMLName xml.Name        `xml:"LifecycleConfiguration" json:"-"`
	Xmlns   string          `xml:"xmlns,attr,omitempty" json:"-"`
	Rules   []LifecycleRule `xml:"Rule"`
	// MinimumSize is the header x-amz-transition-default-minimum-object-size,
	// which S3 keeps with the document and no rule here depends on.
	MinimumSize string `xml:"-"`
}

// LifecycleRule says when what it selects goes.
type LifecycleRule struct {
	ID     string           `xml:"ID"`
	Prefix *string          `xml:"Prefix"` // the old form of a filter
	Filter *LifecycleFilter `xml:"Filter"`
	Status string           `xml:"Status"` // Enabled or Disabled

	Expiration *Expiration           `xml:"Expiration"`
	Noncurrent *NoncurrentExpiration `xml:"NoncurrentVersionExpiration"`
	Abort      *AbortUpload          `xml:"AbortIncompleteMultipartUpload"`

	Transitions           []struct{} `xml:"Transition" json:"-"`
	NoncurrentTransitions []struct{} `xml:"NoncurrentVersionTransition" json:"-"`
}

// LifecycleFilter selects objects by one condition, or several in And.
type LifecycleFilter struct {
	Prefix      *string           `xml:"Prefix"`
	Tag         *Tag              `xml:"Tag"`
	GreaterThan *int64            `xml:"ObjectSizeGreaterThan"` // bytes
	LessThan    *int64            `xml:"ObjectSizeLessThan"`
	And         *LifecycleFilters `xml:"And"`
}

// LifecycleFilters selects objects for which all conditions hold.
type LifecycleFilters struct {
	Prefix      *string `xml:"Prefix"`
	Tags        []Tag   `xml:"Tag"`
	GreaterThan *int64  `xml:"ObjectSizeGreaterThan"`
	LessThan    *int64  `xml:"ObjectSizeLessThan"`
}

// Tag is an object's tag.
type Tag struct{ Key, Value string }

// Expiration removes current versions.
type Expiration struct {
	Days *int   `xml:"Days"`
	Date string `xml:"Date,omitempty"` // midnight UTC
	// ExpiredObjectDeleteMarker removes a delete marker that hides nothing.
	ExpiredObjectDeleteMarker *bool `xml:"ExpiredObjectDeleteMarker"`
}

// NoncurrentExpiration removes versions that are not the newest.
type NoncurrentExpiration struct {
	Days  *int `xml:"NoncurrentDays"`
	Newer *int `xml:"NewerNoncurrentVersions"` // so many are kept
}

// AbortUpload removes unfinished multipart uploads.
type AbortUpload struct {
	Days *int `xml:"DaysAfterInitiation"`
}

// AllStorageClasses is the default of x-amz-transition-default-minimum-object-size.
const AllStorageClasses = "all_storage_classes_128K"

const maxRules = 1000

// ParseLifecycle reads and checks a LifecycleConfiguration. newID names rules
// that came without an id.
func ParseLifecycle(doc []byte, newID func() string) (Lifecycle, error) {
	var c Lifecycle
	if err := parse(doc, "LifecycleConfiguration", &c); err != nil {
		return c, err
	}
	c.XMLName, c.Xmlns, c.MinimumSize = xml.Name{}, "", AllStorageClasses
	if len(c.Rules) == 0 || len(c.Rules) > maxRules {
		return c, malformed(nil)
	}
	ids := map[string]bool{}
	for i := range c.Rules {
		r := &c.Rules[i]
		if err := r.check(); err != nil {
			return c, err
		}
		if r.ID == "" {
			r.ID = newID()
		}
		if ids[r.ID] {
			return c, invalid("Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[r.ID] = true
	}
	return c, complete(doc, c)
}

func (r *LifecycleRule) check() error {
	switch {
	case len(r.Transitions) > 0:
		return notImplemented("the lifecycle action Transition is").WithHint("there is one storage class; remove the transition")
	case len(r.NoncurrentTransitions) > 0:
		return notImplemented("the lifecycle action NoncurrentVersionTransition is").WithHint("there is one storage class; remove the transition")
	case r.Status != "Enabled" && r.Status != "Disabled", r.Prefix != nil && r.Filter != nil, r.Prefix == nil && r.Filter == nil:
		return malformed(nil)
	case len(r.ID) > 255:
		return invalid("ID length should not exceed allowed limit of 255")
	case r.Expiration == nil && r.Noncurrent == nil && r.Abort == nil:
		return invalidRequest("At least one action needs to be specified in a rule")
	}
	if err := r.checkFilter(); err != nil {
		return err
	}
	if e := r.Expiration; e != nil {
		set := 0
		for _, b := range []bool{e.Days != nil, e.Date != "", e.ExpiredObjectDeleteMarker != nil} {
			if b {
				set++
			}
		}
		if set != 1 {
			return malformed(nil)
		}
		if e.Days != nil && *e.Days < 1 {
			return invalid("'Days' for Expiration action must be a positive integer")
		}
		if e.Date != "" {
			at, err := expiryDate(e.Date)
			if err != nil {
				return malformed(err)
			}
			if !at.Equal(at.Truncate(24 * time.Hour)) {
				return invalid("'Date' must be at midnight GMT")
			}
		}
		if e.ExpiredObjectDeleteMarker != nil && r.bySize() {
			return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with object size.")
		}
		if e.ExpiredObjectDeleteMarker != nil && len(r.tags()) > 0 {
			return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tag.")
		}
	}
	if n := r.Noncurrent; n != nil {
		if n.Days == nil {
			return malformed(nil)
		}
		if *n.Days < 1 {
			return invalid("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
		}
		if n.Newer != nil && (*n.Newer < 1 || *n.Newer > 100) {
			return invalid("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100")
		}
	}
	if a := r.Abort; a != nil {
		switch {
		case a.Days == nil:
			return malformed(nil)
		case *a.Days < 1:
			return invalid("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
		case len(r.tags()) > 0:
			return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
		case r.bySize():
			return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with object size.")
		}
	}
	return nil
}

func (r *LifecycleRule) checkFilter() error {
	f := r.Filter
	if f == nil {
		return nil
	}
	set := 0
	for _, b := range []bool{f.Prefix != nil, f.Tag != nil, f.GreaterThan != nil, f.LessThan != nil, f.And != nil} {
		if b {
			set++
		}
	}
	if set > 1 {
		return malformed(nil)
	}
	if a := f.And; a != nil {
		n := len(a.Tags)
		for _, b := range []bool{a.Prefix != nil, a.GreaterThan != nil, a.LessThan != nil} {
			if b {
				n++
			}
		}
		if n < 2 {
			return malformed(nil)
		}
	}
	keys := map[string]bool{}
	for _, t := range r.tags() {
		if t.Key == "" || len(t.Key) > 4*128 || len(t.Value) > 4*256 {
			return invalid("The TagKey you have provided is invalid")
		}
		if keys[t.Key] {
			return invalid("Duplicate Tag Keys are not allowed.")
		}
		keys[t.Key] = true
	}
	least, most := r.sizes()
	if least != nil && *least < 0 || most != nil && *most < 1 || least != nil && most != nil && *most <= *least {
		return invalidRequest("'ObjectSizeGreaterThan' must be at least 0 and less than 'ObjectSizeLessThan'")
	}
	return nil
}

func expiryDate(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	return t.UTC(), err
}

func (r *LifecycleRule) prefix() string {
	switch f := r.Filter; {
	case r.Prefix != nil:
		return *r.Prefix
	case f != nil && f.Prefix != nil:
		return *f.Prefix
	case f != nil && f.And != nil && f.And.Prefix != nil:
		return *f.And.Prefix
	}
	return ""
}

func (r *LifecycleRule) tags() []Tag {
	switch f := r.Filter; {
	case f != nil && f.Tag != nil:
		return []Tag{*f.Tag}
	case f != nil && f.And != nil:
		return f.And.Tags
	}
	return nil
}

// sizes returns the bounds that an object's bytes must be above and below.
func (r *LifecycleRule) sizes() (above, below *int64) {
	f := r.Filter
	if f == nil {
		return nil, nil
	}
	if f.And != nil {
		return f.And.GreaterThan, f.And.LessThan
	}
	return f.GreaterThan, f.LessThan
}

func (r *LifecycleRule) bySize() bool {
	above, below := r.sizes()
	return above != nil || below != nil
}

// Object is what a rule sees of a version or an upload.
type Object struct {
	Key  string
	Size int64
	Tags map[string]string
	// Created is when the version came to be, or the upload began.
	Created time.Time
}

func (r *LifecycleRule) selects(o Object) bool {
	if r.Status != "Enabled" || !strings.HasPrefix(o.Key, r.prefix()) {
		return false
	}
	for _, t := range r.tags() {
		if v, ok := o.Tags[t.Key]; !ok || v != t.Value {
			return false
		}
	}
	above, below := r.sizes()
	return (above == nil || o.Size > *above) && (below == nil || o.Size < *below)
}

// after reports whether days have passed since a time, as S3 counts: to the next
// midnight UTC.
func after(now, since time.Time, days int) bool {
	due := since.UTC().AddDate(0, 0, days)
	if midnight := due.Truncate(24 * time.Hour); !due.Equal(midnight) {
		due = midnight.AddDate(0, 0, 1)
	}
	return !now.Before(due)
}

// Expired reports whether a rule ends the life of a current version that is no
// delete marker.
func (c *Lifecycle) Expired(o Object, now time.Time) bool {
	for i := range c.Rules {
		r := &c.Rules[i]
		if e := r.Expiration; e != nil && r.selects(o) && e.due(o.Created, now) {
			return true
		}
	}
	return false
}

func (e *Expiration) due(created, now time.Time) bool {
	if e.Days != nil {
		return after(now, created, *e.Days)
	}
	at, err := expiryDate(e.Date)
	return e.Date != "" && err == nil && !now.Before(at)
}

// MarkerExpired reports whether a rule removes a delete marker that is all there
// is of its key.
func (c *Lifecycle) MarkerExpired(o Object, now time.Time) bool {
	for i := range c.Rules {
		r := &c.Rules[i]
		e := r.Expiration
		if e == nil || !r.selects(o) || len(r.tags()) > 0 || r.bySize() {
			continue // a marker has neither tags nor size
		}
		if e.ExpiredObjectDeleteMarker != nil && *e.ExpiredObjectDeleteMarker || e.due(o.Created, now) {
			return true
		}
	}
	return false
}

// NoncurrentExpired reports whether a rule removes a version that stopped being
// current at a time, with so many noncurrent versions newer than it.
func (c *Lifecycle) NoncurrentExpired(o Object, since time.Time, newer int, now time.Time) bool {
	for i := range c.Rules {
		r := &c.Rules[i]
		n := r.Noncurrent
		if n == nil || !r.selects(o) {
			continue
		}
		if (n.Newer == nil || newer >= *n.Newer) && after(now, since, *n.Days) {
			return true
		}
	}
	return false
}

// UploadExpired reports whether a rule ends an unfinished upload.
func (c *Lifecycle) UploadExpired(o Object, now time.Time) bool {
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Abort != nil && r.selects(o) && after(now, o.Created, *r.Abort.Days) {
			return true
		}
	}
	return false
}

// Answer returns the document as S3 answers it.
func (c Lifecycle) Answer() any {
	c.Xmlns = namespace
	return c
}
