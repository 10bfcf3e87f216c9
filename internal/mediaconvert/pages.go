package mediaconvert

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// place is where a page of a list ended. Its token says all of it: the list goes on
// there although its last item is gone meanwhile, and a token of another list, or of
// another order or category, is refused.
type place struct {
	List       string `json:"list"`
	ByCreation bool   `json:"byCreation,omitempty"`
	Descending bool   `json:"descending,omitempty"`
	Category   string `json:"category,omitempty"`
	Name       string `json:"name"`    // of the last item
	Created    int64  `json:"created"` // of the last item, in Unix milliseconds
}

// after reads a token: where the page before ended. The zero place starts.
func (p place) after(token *string) (place, error) {
	if value(token) == "" {
		return place{}, nil
	}
	var last place
	doc, err := base64.RawURLEncoding.DecodeString(*token)
	if err == nil {
		err = json.Unmarshal(doc, &last)
	}
	same := last
	same.Name, same.Created = "", 0
	if err != nil || last.Name == "" || same != p {
		return place{}, fault.New(fault.Invalid, CodeBadRequest, "/nextToken: not a token of an earlier answer to the same request")
	}
	return last, nil
}

// token returns the token of a page that ended with an item.
func (p place) token(name string, created time.Time) (*string, error) {
	p.Name, p.Created = name, created.UnixMilli()
	doc, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return new(base64.RawURLEncoding.EncodeToString(doc)), nil
}

// filter lists what comes after last.
func (p place) filter(last place, limit int) job.TemplateFilter {
	return job.TemplateFilter{Category: p.Category, ByCreation: p.ByCreation, Descending: p.Descending, Limit: limit, After: last.Name, AfterCreated: last.created()}
}

func (p place) created() time.Time { return time.UnixMilli(p.Created) }
