package plan

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/media"
)

// HLS is what the HLS playlists of a group need beyond its outputs. Keys are
// object keys.
type HLS struct {
	MultivariantKey string           `json:"multivariantKey"`           // "" if the group has segments alone (OutputSelection SEGMENTS_ONLY)
	Additional      []Additional     `json:"additional,omitempty"`      // AdditionalManifests
	Ladder          int              `json:"ladder"`                    // whose Timeline the group's segments follow
	IntegerDuration bool             `json:"integerDuration"`           // ManifestDurationFormat INTEGER
	NearestTarget   bool             `json:"nearestTarget,omitempty"`   // TargetDurationCompatibilityMode SPEC_COMPLIANT: rounded to the nearest second, else up
	NoResolution    bool             `json:"noResolution,omitempty"`    // StreamInfResolution EXCLUDE
	NoCache         bool             `json:"noCache,omitempty"`         // ClientCache DISABLED
	NoCaptions      bool             `json:"noCaptions,omitempty"`      // CaptionLanguageSetting NONE: CLOSED-CAPTIONS=NONE
	Gzip            bool             `json:"gzip,omitempty"`            // ManifestCompression GZIP
	BaseURI         string           `json:"baseUri,omitempty"`         // BaseUrl, before the URI of each media playlist
	ProgramDateTime *ProgramDateTime `json:"programDateTime,omitempty"` // nil is excluded
	Encryption      *Encryption      `json:"encryption,omitempty"`
}

// Additional is one more playlist over some of a group's outputs.
type Additional struct {
	Key     string `json:"key"`
	Outputs []int  `json:"outputs"` // of the group, increasing
}

// ProgramDateTime is EXT-X-PROGRAM-DATE-TIME.
type ProgramDateTime struct {
	Start  time.Time `json:"start"`  // of the first frame, UTC
	Period int64     `json:"period"` // seconds from tag to tag at least; 0 is in every segment
}

// Encryption is METHOD=AES-128 with one key (RFC 8216, 4.3.2.4).
type Encryption struct {
	Key            string `json:"key"`          // 16 bytes, hexadecimal
	IV             string `json:"iv,omitempty"` // 16 bytes, hexadecimal; "" is the segment's media sequence number
	WriteIV        bool   `json:"writeIv,omitempty"`
	URI            string `json:"uri"`
	Format         string `json:"format,omitempty"`   // KEYFORMAT
	FormatVersions string `json:"versions,omitempty"` // KEYFORMATVERSIONS
	SessionKey     bool   `json:"sessionKey,omitempty"`
}

// hls reads what an HLS group says about its playlists.
func (p *planner) hls(group *GroupSettings, names facts, base, path string) *HLS {
	s := &group.OutputGroupSettings.HLSGroupSettings
	out := playlists(&s.PlaylistSettings)
	out.MultivariantKey = base + ".m3u8"
	out.NoCaptions = s.CaptionLanguageSetting == "NONE"
	path += "/outputGroupSettings/hlsGroupSettings"
	out.Additional = p.additional(group, s.AdditionalManifests, names, base, ".m3u8", path)
	if s.OutputSelection == "SEGMENTS_ONLY" {
		out.MultivariantKey, out.Additional = "", nil
	}
	if s.ProgramDateTime == "INCLUDE" {
		out.ProgramDateTime = p.programDateTime(path)
		if period := s.ProgramDateTimePeriod; period != nil {
			out.ProgramDateTime.Period = max(*period, 0)
		}
	}
	if s.Encryption != nil {
		out.Encryption = p.encryption(s.Encryption, path+"/encryption")
	}
	return out
}

// playlists reads what HLS and CMAF groups say alike.
func playlists(s *PlaylistSettings) *HLS {
	return &HLS{
		IntegerDuration: s.ManifestDurationFormat == "INTEGER",
		NearestTarget:   s.TargetDurationCompatibilityMode == "SPEC_COMPLIANT",
		NoResolution:    s.StreamInfResolution == "EXCLUDE",
		NoCache:         s.ClientCache == "DISABLED",
		Gzip:            s.ManifestCompression == "GZIP",
		BaseURI:         s.BaseURL,
	}
}

// additional reads a group's additional manifests. Outputs are named by their
// NameModifiers.
func (p *planner) additional(group *GroupSettings, list []AdditionalManifest, names facts, base, ext, path string) []Additional {
	var out []Additional
	for i, m := range list {
		here := fmt.Sprintf("%s/additionalManifests/%d", path, i)
		modifier, err := names.expand(m.ManifestNameModifier)
		switch {
		case err != nil:
			p.problems.add(here+"/manifestNameModifier", "%v", err)
		case modifier == "":
			p.problems.add(here, "manifestNameModifier is a required property")
		}
		a := Additional{Key: base + modifier + ext}
		for j, name := range m.SelectedOutputs {
			at := slices.IndexFunc(group.Outputs, func(o OutputSettings) bool { return o.NameModifier == name })
			if at < 0 {
				p.problems.add(fmt.Sprintf("%s/selectedOutputs/%d", here, j), "%q is the nameModifier of no output of the group", name)
				continue
			}
			if !slices.Contains(a.Outputs, at) {
				a.Outputs = append(a.Outputs, at)
			}
		}
		if len(m.SelectedOutputs) == 0 {
			for at := range group.Outputs {
				a.Outputs = append(a.Outputs, at)
			}
		}
		slices.Sort(a.Outputs)
		out = append(out, a)
	}
	return out
}

// defaultDateTimePeriod is ProgramDateTimePeriod where the job leaves it out.
const defaultDateTimePeriod = 600

// programDateTime returns what the clock shows at the first frame: the time of day
// is that of the job's timecode, the day that of timestampOffset, else the one on
// which the job started.
func (p *planner) programDateTime(path string) *ProgramDateTime {
	c := &p.settings.TimecodeConfig
	day := p.in.JobStart.UTC().Truncate(24 * time.Hour)
	if c.TimestampOffset != "" {
		given, err := time.Parse(time.DateOnly, c.TimestampOffset)
		if err != nil {
			p.problems.add("/timecodeConfig/timestampOffset", "%q is not a date yyyy-mm-dd", c.TimestampOffset)
		}
		day = given
	}
	first := p.clips[0]
	rate := first.src.grid.rate
	base := frameCount(rate)
	at := int64(0)
	switch c.Source {
	case "ZEROBASED":
	case "SPECIFIEDSTART":
		frame, ok := parseTimecode(c.Start, base)
		if !ok {
			p.problems.add("/timecodeConfig/start", "%q is not a timecode HH:MM:SS:FF at %.6g frames a second", c.Start, rate.Float())
		}
		at = frame
	default: // EMBEDDED; that of the first frame shown, or zero where nothing is embedded
		if frame, ok := parseTimecode(first.src.facts.Timecode, base); ok {
			at = frame + first.from
		}
	}
	// A timecode counts base frames as a second, whatever the rate.
	return &ProgramDateTime{Start: day.Add(media.R(1, base).Duration(at)), Period: defaultDateTimePeriod}
}

// encryption reads HlsEncryptionSettings.
func (p *planner) encryption(s *HLSEncryptionSetting, path string) *Encryption {
	if s.Type != "STATIC_KEY" {
		p.problems.add(path+"/type", "%q is not supported (STATIC_KEY is)", s.Type)
	}
	if s.EncryptionMethod != "AES128" {
		p.problems.add(path+"/encryptionMethod", "%q is not supported (AES128 is)", s.EncryptionMethod)
	}
	k := &s.StaticKeyProvider
	out := &Encryption{
		Key: strings.ToLower(k.StaticKeyValue), IV: strings.ToLower(s.ConstantInitializationVector), WriteIV: s.InitializationVectorInManifest != "EXCLUDE",
		URI: k.URL, Format: k.KeyFormat, FormatVersions: k.KeyFormatVersions, SessionKey: s.OfflineEncrypted == "ENABLED",
	}
	if b, err := hex.DecodeString(out.Key); err != nil || len(b) != 16 {
		p.problems.add(path+"/staticKeyProvider/staticKeyValue", "Should be 32 hexadecimal digits")
	}
	if b, err := hex.DecodeString(out.IV); err != nil || len(b) != 0 && len(b) != 16 {
		p.problems.add(path+"/constantInitializationVector", "Should be 32 hexadecimal digits")
	}
	if !plainURI(out.URI) || out.URI == "" {
		p.problems.add(path+"/staticKeyProvider/url", "Should be the URI of the key, without spaces or quotes")
	}
	if !plainURI(out.Format) {
		p.problems.add(path+"/staticKeyProvider/keyFormat", "Should be identity or a reverse DNS string")
	}
	for _, v := range strings.Split(out.FormatVersions, "/") {
		if n, err := strconv.Atoi(v); out.FormatVersions != "" && (err != nil || n < 1) {
			p.problems.add(path+"/staticKeyProvider/keyFormatVersions", "Should be a number or a list such as 1/2/3")
			break
		}
	}
	return out
}

// plainURI reports whether s can stand in a playlist.
func plainURI(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' })
}
