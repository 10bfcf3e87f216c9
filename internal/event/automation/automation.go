package automation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

// Object describes one version of an object.
type Object struct {
	VersionID string // empty in a bucket that never had versioning
	Size      int64
	ETag      string // without quotes
	Job       string // that published it; empty: it is no output of a job
}

// Objects finds objects; what is not there is a fault.NotFound.
type Objects interface {
	// Stat describes the newest version of a key.
	Stat(ctx context.Context, bucket, key string) (Object, error)
}

// Content tells what an object holds.
type Content interface {
	// Look returns "" when the newest version of a key is a video, else the reason
	// why it is none.
	Look(ctx context.Context, bucket, key string) (notVideo string, err error)
}

// API is the job API, called with a role's rights.
type API interface {
	// Template returns the settings of a job template, as the wire has them.
	Template(ctx context.Context, roleARN, name string) (Template, error)
	// Create makes a job of a CreateJob document and returns its ID.
	Create(ctx context.Context, roleARN string, document json.RawMessage) (string, error)
	// Find returns the ID of the job with a ClientRequestToken that was made at or
	// after an instant, or "".
	Find(ctx context.Context, token string, since time.Time) (string, error)
}

// Template is the part of a job template that says where its outputs go.
type Template struct {
	Settings struct {
		Inputs       []json.RawMessage `json:"inputs"`
		OutputGroups []Group           `json:"outputGroups"`
	} `json:"settings"`
}

// Group is an output group.
type Group struct {
	Settings struct {
		Type string `json:"type"`
	} `json:"outputGroupSettings"`
	Outputs []struct {
		Video struct {
			Codec struct {
				Codec string `json:"codec"`
			} `json:"codecSettings"`
		} `json:"videoDescription"`
	} `json:"outputs"`
}

// Config is what a Starter is made of.
type Config struct {
	Objects Objects
	Content Content
	API     API
	Logger  *slog.Logger
}

// Starter starts jobs. It is safe for concurrent use.
type Starter struct {
	cfg Config
	log *slog.Logger
}

var _ event.Jobs = (*Starter)(nil)

// New returns a Starter.
func New(cfg Config) *Starter {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Starter{cfg, cfg.Logger}
}

// Start makes the job of an event, or says why there is none to make.
func (s *Starter) Start(ctx context.Context, o event.JobOrder) (event.JobAnswer, error) {
	var detail event.ObjectDetail
	if o.Event.Source != event.SourceS3 || o.Event.DetailType != event.ObjectCreated {
		return ignored("a job is made of the event %q of %s alone", event.ObjectCreated, event.SourceS3), nil
	}
	if err := json.Unmarshal(o.Event.Detail, &detail); err != nil {
		return event.JobAnswer{}, fault.New(fault.Invalid, "", "read the detail of the event: %w", err)
	}
	in, err := event.ParseJobInput(o.Input)
	if err != nil {
		return event.JobAnswer{}, fault.New(fault.Invalid, "", "the target's Input: %w", err)
	}
	// What names the version: one job for it, whatever happens.
	token := event.StableID("job", o.Rule, o.TargetID, detail.Bucket.Name, detail.Object.Sequencer)
	if !o.FirstTry {
		id, err := s.cfg.API.Find(ctx, token, o.Since.Add(-time.Second))
		if err != nil {
			return event.JobAnswer{}, err
		}
		if id != "" {
			return event.JobAnswer{JobID: id}, nil
		}
	}
	if reason, err := s.refuse(ctx, detail); err != nil || reason != "" {
		return event.JobAnswer{Ignored: reason}, err
	}
	document, err := s.document(ctx, o, in, detail, token)
	if err != nil {
		return event.JobAnswer{}, err
	}
	id, err := s.cfg.API.Create(ctx, o.RoleARN, document)
	if err != nil {
		return event.JobAnswer{}, fmt.Errorf("create job: %w", err)
	}
	s.log.InfoContext(ctx, "job of an uploaded video", "job", id, "bucket", detail.Bucket.Name, "key", detail.Object.Key, "rule", o.Rule)
	return event.JobAnswer{JobID: id}, nil
}

func ignored(format string, args ...any) event.JobAnswer {
	return event.JobAnswer{Ignored: fmt.Sprintf(format, args...)}
}

// refuse returns why an object becomes no job, or "".
func (s *Starter) refuse(ctx context.Context, detail event.ObjectDetail) (string, error) {
	bucket, key := detail.Bucket.Name, detail.Object.Key
	now, err := s.cfg.Objects.Stat(ctx, bucket, key)
	switch {
	case fault.Is(err, fault.NotFound):
		return "the object is gone", nil
	case err != nil:
		return "", err
	case now.Job != "":
		return "it is an output of job " + now.Job, nil
	case now.VersionID != detail.Object.VersionID || now.ETag != detail.Object.ETag:
		return "it was overwritten; the newer version has an event of its own", nil
	case now.Size == 0:
		return "it is empty", nil
	}
	return s.cfg.Content.Look(ctx, bucket, key)
}

// folders of output groups, by their type.
var folders = map[string]string{
	"HLS_GROUP_SETTINGS": "HLS", "DASH_ISO_GROUP_SETTINGS": "DASH", "CMAF_GROUP_SETTINGS": "CMAF", "MS_SMOOTH_GROUP_SETTINGS": "MSS", "FILE_GROUP_SETTINGS": "MP4",
}

// members that hold the destination of output groups, by their type.
var members = map[string]string{
	"HLS_GROUP_SETTINGS": "hlsGroupSettings", "DASH_ISO_GROUP_SETTINGS": "dashIsoGroupSettings", "CMAF_GROUP_SETTINGS": "cmafGroupSettings",
	"MS_SMOOTH_GROUP_SETTINGS": "msSmoothGroupSettings", "FILE_GROUP_SETTINGS": "fileGroupSettings",
}

// AssetID is the ID of what becomes of one version of an object.
func AssetID(rule, target, bucket, sequencer string) string {
	return event.StableID("asset", rule, target, bucket, sequencer)
}

// document makes the CreateJob document.
func (s *Starter) document(ctx context.Context, o event.JobOrder, in event.JobInput, detail event.ObjectDetail, token string) (json.RawMessage, error) {
	_, name, _ := strings.Cut(o.TemplateARN, ":jobTemplates/")
	template, err := s.cfg.API.Template(ctx, o.RoleARN, name)
	if err != nil {
		return nil, fmt.Errorf("read job template %q: %w", name, err)
	}
	asset := AssetID(o.Rule, o.TargetID, detail.Bucket.Name, detail.Object.Sequencer)
	bucket, prefix := in.DestinationBucket()
	base := "s3://" + bucket + "/" + prefix + "assets/" + asset + "/"
	input := map[string]any{"fileInput": "s3://" + detail.Bucket.Name + "/" + detail.Object.Key}
	if len(template.Settings.Inputs) == 0 {
		input["audioSelectors"] = map[string]any{"Audio Selector 1": map[string]any{"defaultSelection": "DEFAULT"}}
	}
	var groups []any
	used := map[string]int{}
	for i, g := range template.Settings.OutputGroups {
		kind := g.Settings.Type
		member := members[kind]
		if member == "" {
			return nil, fault.New(fault.Invalid, "", "output group %d of job template %q is of type %q, which has no destination here", i+1, name, kind)
		}
		folder := folders[kind]
		if len(g.Outputs) > 0 && g.Outputs[0].Video.Codec.Codec == "FRAME_CAPTURE" {
			folder = "Thumbnails"
		}
		if used[folder]++; used[folder] > 1 {
			folder += fmt.Sprint(used[folder])
		}
		groups = append(groups, map[string]any{"outputGroupSettings": map[string]any{
			"type": kind, member: map[string]any{"destination": base + folder + "/" + baseName(detail.Object.Key)},
		}})
	}
	if len(groups) == 0 {
		return nil, fault.New(fault.Invalid, "", "job template %q has no output group", name)
	}
	metadata := map[string]string{"assetID": asset}
	for k, v := range in.UserMetadata {
		metadata[k] = v
	}
	metadata[event.MarkMetadata] = event.JobMark(o.Rule, o.TargetID)
	job := map[string]any{
		"jobTemplate": name, "role": cmp.Or(in.Role, o.RoleARN), "userMetadata": metadata, "clientRequestToken": token,
		"statusUpdateInterval": cmp.Or(in.StatusUpdateInterval, "SECONDS_10"),
		"settings":             map[string]any{"inputs": []any{input}, "outputGroups": groups},
	}
	if in.Queue != "" {
		job["queue"] = in.Queue
	}
	if in.Priority != 0 {
		job["priority"] = in.Priority
	}
	doc, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	return doc, nil
}

// baseName is the object's name without its extension, fit for a destination: a
// dollar sign stands for itself there when it is doubled.
func baseName(key string) string {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if ext := path.Ext(name); ext != name {
		name = strings.TrimSuffix(name, ext)
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '_'
		}
		return r
	}, name)
	if name == "" || name == "." || name == ".." {
		name = "video"
	}
	return strings.ReplaceAll(name, "$", "$$")
}
