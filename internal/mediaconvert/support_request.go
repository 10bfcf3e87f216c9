package mediaconvert

import (
	"fmt"
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// requestRow says what becomes of a member of a request. Its path is the operation
// and the member's wire names, joined by dots; "*" is any operation. It documents:
// the handlers act.
type requestRow struct{ path, acts, warns, refused string }

// requestRows is the table, sorted by path.
func requestRows() []requestRow {
	const (
		engine   = "the version that ListVersions answers"
		reserved = "any value: every queue is ON_DEMAND"
		queue    = "name or ARN"
		limits   = "1 to 20"
	)
	return []requestRow{
		{"*.accelerationSettings", "", "", "without mode"},
		{"*.accelerationSettings.mode", "DISABLED", "ENABLED, PREFERRED: every job is encoded in parallel, whatever it asks for", ""},
		{"*.category", "any value", "", ""},
		{"*.concurrentJobs", "0 (no bound of its own) to 1000", "", "every other value"},
		{"*.description", "any value", "", ""},
		{"*.hopDestinations", "up to 10, the queues' existence checked when the job is made", "", "more"},
		{"*.hopDestinations.priority", "-50 to 50; not given keeps the job's", "", "every other value"},
		{"*.hopDestinations.queue", queue + "; not given is the default queue", "", "the queue of the job itself; one that does not exist"},
		{"*.hopDestinations.waitMinutes", "1 to 4320", "", "every other value; not given"},
		{"*.listBy", "NAME, CREATION_DATE, SYSTEM (presets: the eight System-Ott_Hls_Ts_Avc_Aac_16x9_…; templates: none)", "", "every other value"},
		{"*.maxResults", limits, "", "every other value"},
		{"*.maximumConcurrentFeeds", "0", "", "every other value: there are no Elemental Inference feeds"},
		{"*.name", "1 to 256 printable characters; an ARN where something is named that exists", "", "one that is taken (409), one that does not exist (404)"},
		{"*.nextToken", "of the answer before", "", "every other value"},
		{"*.order", "ASCENDING, DESCENDING", "", "every other value"},
		{"*.priority", "-50 to 50", "", "every other value"},
		{"*.queue", queue, "", "one that does not exist (404); of a template when a job is made of it"},
		{"*.reservationPlanSettings", "", "", reserved},
		{"*.reservationPlanSettings.commitment", "", "", reserved},
		{"*.reservationPlanSettings.renewalType", "", "", reserved},
		{"*.reservationPlanSettings.reservedSlots", "", "", reserved},
		{"*.settings", "as in the tables above", "as in the tables above", "as in the tables above; of a template and a preset when a job is made of them"},
		{"*.status", "the model's values", "", "every other value"},
		{"*.statusUpdateInterval", "the model's values: how often STATUS_UPDATE events come", "", "every other value"},
		{"*.tags", "up to 50", "", "more; names that begin with aws:"},
		{"AssociateCertificate.arn", "", "", "NotImplementedException: certificates are for key servers of encryption, which is refused"},
		{"CancelJob.id", "an ID", "", "of a job that is over (409), one that does not exist (404)"},
		{"CreateJob.billingTagsSource", "the model's values: shown, there are no bills", "", "every other value"},
		{"CreateJob.clientRequestToken", "up to 64 characters: within a minute the same request is answered with the same job", "", "longer; used for another request (409)"},
		{"CreateJob.jobEngineVersion", engine, "every other day YYYY-MM-DD: as with an expired version, the job runs with the engine there is", "what is no day"},
		{"CreateJob.jobTemplate", "name or ARN", "", "one that does not exist (404)"},
		{"CreateJob.role", "the ARN of a role: sources are read and outputs written with its rights", "", "what is no ARN of a role; not given"},
		{"CreateJob.simulateReservedQueue", "DISABLED", "ENABLED: there are no reserved queues", "every other value"},
		{"CreateJob.userMetadata", "up to 50: they come with the job's events", "", "more; names over 256, values over 2048 characters"},
		{"CreateQueue.pricingPlan", "ON_DEMAND", "", "RESERVED"},
		{"CreateResourceShare.jobId", "", "", "NotImplementedException: there is no support to share a job with"},
		{"CreateResourceShare.supportCaseId", "", "", "NotImplementedException: there is no support to share a job with"},
		{"DescribeEndpoints.maxResults", "any value: there is one endpoint", "", ""},
		{"DescribeEndpoints.mode", "DEFAULT, GET_ONLY", "", "every other value"},
		{"DescribeEndpoints.nextToken", "any value: there is one page", "", ""},
		{"DisassociateCertificate.arn", "", "", "NotImplementedException, as AssociateCertificate"},
		{"GetJob.id", "an ID", "", "one that does not exist (404)"},
		{"GetJobsQueryResults.id", "of a query of the last 24 hours", "", "every other value (404)"},
		{"ListJobs.queue", queue + " of the queue that the jobs were submitted to", "", "one that does not exist (404)"},
		{"ListTagsForResource.arn", "of a job, template, preset or queue", "", "every other value (404)"},
		{"ListVersions.maxResults", limits + ": there is one version", "", "every other value"},
		{"ListVersions.nextToken", "any value: there is one page", "", ""},
		{"Probe.inputFiles", "1 to 10", "", "none; more"},
		{"Probe.inputFiles.fileUrl", "s3:// with the caller's s3:GetObject, https://, http://", "", "every other value; what the input policy disallows"},
		{"PutPolicy.policy", "replaces the policy that is there", "", "not given"},
		{"PutPolicy.policy.httpInputs", "ALLOWED, DISALLOWED; not given is ALLOWED", "", "every other value"},
		{"PutPolicy.policy.httpsInputs", "ALLOWED, DISALLOWED; not given is ALLOWED", "", "every other value"},
		{"PutPolicy.policy.s3Inputs", "ALLOWED, DISALLOWED; not given is ALLOWED", "", "every other value"},
		{"SearchJobs.inputFile", "a part of an input's URL, up to 300 characters; its case counts", "", "longer"},
		{"SearchJobs.queue", queue + " of the queue that the jobs were submitted to", "", "one that does not exist (404)"},
		{"StartJobsQuery.filterList", "a job is found that meets any value of any filter; none finds all", "", "more than 1000 values"},
		{"StartJobsQuery.filterList.key", "the model's values", "", "every other value; not given"},
		{"StartJobsQuery.filterList.values", "one or more", "", "none; states and codecs that the model has not"},
		{"TagResource.arn", "of a job, template, preset or queue", "", "every other value (404)"},
		{"UntagResource.arn", "of a job, template, preset or queue", "", "every other value (404)"},
		{"UntagResource.tagKeys", "any value", "", ""},
	}
}

// requestTable prints what becomes of every member of every request, and the
// members that have no row, which is a mistake.
func requestTable() (table string, missing []string) {
	rows := map[string]requestRow{}
	for _, r := range requestRows() {
		rows[r.path] = r
	}
	var b strings.Builder
	schema := &awsapi.Schema{}
	var members func(t reflect.Type, op, of string)
	members = func(t reflect.Type, op, of string) {
		for i, f := range schema.Fields(t) {
			at := of + "." + f.Name
			r, ok := rows[op+at]
			if !ok {
				r, ok = rows["*"+at]
			}
			if !ok {
				missing = append(missing, op+at)
			}
			fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s |\n", op, at, r.acts, r.warns, r.refused)
			inner := t.Field(i).Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = inner.Elem()
			}
			switch inner {
			case reflect.TypeFor[mc.JobSettings](), reflect.TypeFor[mc.JobTemplateSettings](), reflect.TypeFor[mc.PresetSettings]():
			default:
				if inner.Kind() == reflect.Struct && schema.Fields(inner) != nil {
					members(inner, op, at)
				}
			}
		}
	}
	for _, op := range mc.API().Operations {
		if op.Input != nil {
			members(reflect.TypeOf(op.Input()).Elem(), op.Name, "")
		}
	}
	return b.String(), missing
}

// RequestTable prints what becomes of every member of every request as Markdown,
// a line each. The end of docs/SETTINGS.md is its output.
func RequestTable() string {
	table, _ := requestTable()
	return "\n## Requests\n\n| request and member | acts | warns | refused |\n|---|---|---|---|\n" + table
}
