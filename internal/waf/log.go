package waf

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corazawaf/coraza/v3/types"
)

// match is one rule that a request matched.
type match struct {
	id             int
	message, data  string
	severity       string
	tags           []string
	variable, name string // where: ARGS, x
}

// matchesOf returns the rules that count, without those that only compute.
func matchesOf(rules []types.MatchedRule) (out []match) {
	for _, m := range rules {
		id := m.Rule().ID()
		// Below 910000 is set-up; 949 and 959 add up the scores of the others.
		if id < 911000 || id/1000 == 949 || id/1000 == 959 || id/1000 == 980 || m.Message() == "" {
			continue
		}
		one := match{id: id, message: m.Message(), data: m.Data(), severity: m.Rule().Severity().String(), tags: m.Rule().Tags()}
		if data := m.MatchedDatas(); len(data) > 0 {
			one.variable, one.name = data[0].Variable().Name(), data[0].Key()
		}
		out = append(out, one)
	}
	return out
}

// The log's shape (AWS WAF Developer Guide, "Log fields"). What has no meaning
// here is left empty, as the service does.
type (
	logEntry struct {
		Timestamp                   int64         `json:"timestamp"` // Unix milliseconds
		FormatVersion               int           `json:"formatVersion"`
		WebACLID                    string        `json:"webaclId"`
		TerminatingRuleID           string        `json:"terminatingRuleId"`
		TerminatingRuleType         string        `json:"terminatingRuleType"`
		Action                      string        `json:"action"` // ALLOW or BLOCK
		TerminatingRuleMatchDetails []matchDetail `json:"terminatingRuleMatchDetails"`
		HTTPSourceName              string        `json:"httpSourceName"`
		HTTPSourceID                string        `json:"httpSourceId"`
		RuleGroupList               []ruleGroup   `json:"ruleGroupList"`
		RateBasedRuleList           []any         `json:"rateBasedRuleList"`
		NonTerminatingMatchingRules []loggedRule  `json:"nonTerminatingMatchingRules"`
		HTTPRequest                 httpRequest   `json:"httpRequest"`
		Labels                      []label       `json:"labels"`
	}
	matchDetail struct {
		ConditionType    string   `json:"conditionType"`
		Location         string   `json:"location"`
		MatchedData      []string `json:"matchedData"`
		MatchedFieldName string   `json:"matchedFieldName,omitempty"`
	}
	loggedRule struct {
		RuleID           string        `json:"ruleId"`
		Action           string        `json:"action"`
		RuleMatchDetails []matchDetail `json:"ruleMatchDetails"`
	}
	ruleGroup struct {
		RuleGroupID                 string       `json:"ruleGroupId"`
		TerminatingRule             *loggedRule  `json:"terminatingRule"`
		NonTerminatingMatchingRules []loggedRule `json:"nonTerminatingMatchingRules"`
	}
	httpRequest struct {
		ClientIP    string   `json:"clientIp"`
		Country     string   `json:"country"`
		Headers     []header `json:"headers"`
		URI         string   `json:"uri"`
		Args        string   `json:"args"`
		HTTPVersion string   `json:"httpVersion"`
		HTTPMethod  string   `json:"httpMethod"`
		RequestID   string   `json:"requestId"`
		Scheme      string   `json:"scheme"`
		Host        string   `json:"host"`
	}
	header struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	label struct {
		Name string `json:"name"`
	}
)

const ruleGroupID = "OWASP#CoreRuleSet"

// note sends what matched to the log.
func (f *Firewall) note(r *Request, matches []match, enough, block bool) {
	if f.cfg.Log == nil {
		return
	}
	e := logEntry{
		Timestamp: r.Time.UnixMilli(), FormatVersion: 1, WebACLID: r.WebACL,
		TerminatingRuleID: "Default_Action", TerminatingRuleType: "REGULAR", Action: "ALLOW", TerminatingRuleMatchDetails: []matchDetail{},
		HTTPSourceName: "CF", HTTPSourceID: r.Distribution, RateBasedRuleList: []any{}, NonTerminatingMatchingRules: []loggedRule{}, Labels: []label{},
		HTTPRequest: httpRequest{
			ClientIP: r.Client.Addr().String(), Country: "-", URI: clip(r.Path), Args: clip(r.Query), HTTPVersion: r.Protocol, HTTPMethod: r.Method,
			RequestID: r.ID, Scheme: r.Scheme, Host: r.Host, Headers: headersOf(r),
		},
	}
	group := ruleGroup{RuleGroupID: ruleGroupID, NonTerminatingMatchingRules: []loggedRule{}}
	for _, m := range matches {
		group.NonTerminatingMatchingRules = append(group.NonTerminatingMatchingRules, loggedRule{
			RuleID: strconv.Itoa(m.id) + " " + m.message, Action: "COUNT",
			RuleMatchDetails: []matchDetail{{ConditionType: m.kind(), Location: m.variable, MatchedFieldName: m.name, MatchedData: []string{clip(m.data)}}},
		})
		e.Labels = append(e.Labels, label{"owasp:crs:" + strconv.Itoa(m.id)})
	}
	if enough && len(matches) > 0 {
		// The scores of all add up; the first is as good a name for what blocks as any.
		would := group.NonTerminatingMatchingRules[0]
		if block {
			would.Action = "BLOCK"
			e.Action, e.TerminatingRuleID, e.TerminatingRuleType, e.TerminatingRuleMatchDetails = "BLOCK", ruleGroupID, "MANAGED_RULE_GROUP", would.RuleMatchDetails
			group.TerminatingRule, group.NonTerminatingMatchingRules = &would, group.NonTerminatingMatchingRules[1:]
		} else { // the group counts, as with an override of its action
			e.NonTerminatingMatchingRules = append(e.NonTerminatingMatchingRules, loggedRule{RuleID: ruleGroupID, Action: "COUNT", RuleMatchDetails: would.RuleMatchDetails})
		}
	}
	e.RuleGroupList = []ruleGroup{group}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)              // people read it
	if err := encoder.Encode(e); err != nil { // it is made of strings
		f.cfg.Logger.Error("encode firewall log", "error", err)
		return
	}
	select {
	case f.log <- logged{r.Distribution, Message{Time: r.Time, Text: strings.TrimSuffix(text.String(), "\n")}}:
	default: // a flood; the counters have it
	}
}

// kind is AWS WAF's conditionType, where there is one.
func (m *match) kind() string {
	for tag, kind := range map[string]string{"attack-sqli": "SQL_INJECTION", "attack-xss": "XSS"} {
		if slices.Contains(m.tags, tag) {
			return kind
		}
	}
	return "REGEX"
}

// headersOf returns the headers for the log: secrets by their name alone.
func headersOf(r *Request) []header {
	out := []header{{"Host", r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			if name == "Authorization" || name == "Cookie" || name == "Proxy-Authorization" {
				v = "REDACTED"
			}
			out = append(out, header{name, clip(v)})
		}
	}
	slices.SortStableFunc(out, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// clip bounds what a viewer can make us write; the service cuts long fields too.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 4096)], "\uFFFD") }

// logged is a message on its way to a distribution's log.
type logged struct {
	distribution string
	message      Message
}

// writeLog writes messages once a second, and what is left when ctx ends; and
// counters that have changed once a minute, for the operator.
func (f *Firewall) writeLog(ctx context.Context) {
	ticker, minute := time.NewTicker(time.Second), time.NewTicker(time.Minute)
	defer ticker.Stop()
	defer minute.Stop()
	told := map[string]Stats{}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			f.flush(ctx)
		case <-minute.C:
			f.tell(told)
		}
	}
	f.tell(told)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	f.flush(last)
}

// tell logs the counters of distributions whose firewall had something to do since told.
func (f *Firewall) tell(told map[string]Stats) {
	for id, now := range f.Stats() {
		old := told[id]
		if told[id] = now; old.Matched != now.Matched || old.Skipped != now.Skipped {
			f.cfg.Logger.Info("firewall", "distribution", id, "requests", now.Requests, "matched", now.Matched, "blocked", now.Blocked, "skipped", now.Skipped)
		}
	}
}

func (f *Firewall) flush(ctx context.Context) {
	batches := map[string][]Message{}
	for {
		select {
		case l := <-f.log:
			batches[l.distribution] = append(batches[l.distribution], l.message)
			continue
		default:
		}
		break
	}
	for id, messages := range batches {
		if err := f.cfg.Log.Append(ctx, "aws-waf-logs-"+id, "cloudfront_"+id+"_0", messages); err != nil {
			f.cfg.Logger.Warn("write firewall log", "distribution", id, "error", err)
		}
	}
}
