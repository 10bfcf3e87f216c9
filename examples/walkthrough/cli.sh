#!/usr/bin/env bash
# Private, automated video streaming, step by step through the aws CLI alone.
#
#   eval "$(vodwright env)"
#   examples/walkthrough/cli.sh up VIDEO     # builds everything, encodes VIDEO twice: by hand, then automatically
#   examples/walkthrough/cli.sh down         # removes everything
#
# NAME=… (default walkthrough) begins the name of all that is made, so that several
# can stand side by side. INPUT=https://… encodes a URL by hand instead of VIDEO.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=${NAME:-walkthrough}
port=${VODWRIGHT_HTTPS:+:${VODWRIGHT_HTTPS##*:}} # the distributions of a Vodwright that serves HTTPS elsewhere than at 443
source=$name-source streams=$name-streams
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AWS_PAGER='' AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1}

# Old releases of the CLI do not read AWS_ENDPOINT_URL.
aws() { command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"; }
text() { aws "$@" --output text; }
step() { printf '\n== %s\n' "$*"; }
# fill FILE NAME=VALUE…: a document with its placeholders replaced; prints its path.
fill() {
	local out=$work/$RANDOM.json doc pair
	doc=$(cat "$1"); shift
	for pair; do doc=${doc//"${pair%%=*}"/"${pair#*=}"}; done
	printf '%s' "$doc" >"$out"
	echo "$out"
}

up() {
	local video=$1 account role function_role distribution domain input job etag
	account=$(text sts get-caller-identity --query Account)

	step "Storage: two private buckets"
	aws s3api create-bucket --bucket "$source"
	aws s3api create-bucket --bucket "$streams"
	aws s3api put-bucket-versioning --bucket "$streams" --versioning-configuration Status=Enabled
	aws s3api put-bucket-cors --bucket "$streams" --cors-configuration "file://$here/policies/cors.json"
	for bucket in "$source" "$streams"; do
		aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
			BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
	done

	step "A role for transcoding, which trusts that service alone"
	role=$(text iam create-role --role-name "$name-transcoding" --query Role.Arn \
		--assume-role-policy-document "file://$here/policies/trust-mediaconvert.json")
	aws iam put-role-policy --role-name "$name-transcoding" --policy-name buckets \
		--policy-document "file://$(fill "$here/policies/transcoding.json" SOURCE="$source" STREAMS="$streams")"

	step "Distribution: HTTPS only, CORS for every player, firewall in monitor mode, nothing public behind it"
	local control firewall cors cache
	control=$(text cloudfront create-origin-access-control --query OriginAccessControl.Id --origin-access-control-config \
		"Name=$name,SigningProtocol=sigv4,SigningBehavior=always,OriginAccessControlOriginType=s3")
	firewall=$(text wafv2 create-web-acl --name "$name" --scope CLOUDFRONT --default-action Allow={} --query Summary.ARN \
		--visibility-config "SampledRequestsEnabled=true,CloudWatchMetricsEnabled=true,MetricName=$name" \
		--rules '[{"Name":"core","Priority":0,"OverrideAction":{"Count":{}},"Statement":{"ManagedRuleGroupStatement":{"VendorName":"AWS","Name":"AWSManagedRulesCommonRuleSet"}},"VisibilityConfig":{"SampledRequestsEnabled":true,"CloudWatchMetricsEnabled":true,"MetricName":"core"}}]')
	cors=$(text cloudfront list-response-headers-policies --type managed \
		--query "ResponseHeadersPolicyList.Items[?ResponseHeadersPolicy.ResponseHeadersPolicyConfig.Name=='Managed-SimpleCORS'].ResponseHeadersPolicy.Id")
	cache=$(text cloudfront list-cache-policies --type managed \
		--query "CachePolicyList.Items[?CachePolicy.CachePolicyConfig.Name=='Managed-CachingOptimized'].CachePolicy.Id")
	cat >"$work/distribution.json" <<JSON
{"CallerReference":"$name-$(date +%s)","Comment":"$name","Enabled":true,"PriceClass":"PriceClass_100","HttpVersion":"http2","WebACLId":"$firewall",
 "Origins":{"Quantity":1,"Items":[{"Id":"streams","DomainName":"$streams.s3.$AWS_DEFAULT_REGION.amazonaws.com","OriginAccessControlId":"$control","S3OriginConfig":{"OriginAccessIdentity":""}}]},
 "DefaultCacheBehavior":{"TargetOriginId":"streams","ViewerProtocolPolicy":"https-only","Compress":true,"CachePolicyId":"$cache","ResponseHeadersPolicyId":"$cors",
  "AllowedMethods":{"Quantity":3,"Items":["GET","HEAD","OPTIONS"],"CachedMethods":{"Quantity":2,"Items":["GET","HEAD"]}}}}
JSON
	distribution=$(text cloudfront create-distribution --distribution-config "file://$work/distribution.json" --query Distribution.Id)
	aws cloudfront wait distribution-deployed --id "$distribution"
	domain=$(text cloudfront get-distribution --id "$distribution" --query Distribution.DomainName)
	aws s3api put-bucket-policy --bucket "$streams" --policy \
		"file://$(fill "$here/policies/streams-bucket.json" STREAMS="$streams" DISTRIBUTION="arn:aws:cloudfront::$account:distribution/$distribution")"

	step "Transcoding: one job, its export, the template made of it, the template's export"
	input=${INPUT:-}
	if [ -z "$input" ]; then
		aws s3api put-object --bucket "$source" --key "by hand/$(basename "$video")" --body "$video" >"$work/put.json"
		input="s3://$source/by hand/$(basename "$video")"
	fi
	job=$(text mediaconvert create-job --role "$role" --status-update-interval SECONDS_10 --query Job.Id \
		--settings "file://$(settings "$input" "s3://$streams/assets/by-hand/HLS/")")
	aws mediaconvert get-job --id "$job" --query 'Job.{Settings:Settings,AccelerationSettings:AccelerationSettings,StatusUpdateInterval:StatusUpdateInterval,Priority:Priority}' >"$work/job.json"
	wait_job "$job"
	aws mediaconvert create-job-template --name "$name" --settings "$(template_of "$work/job.json")" --query JobTemplate.Arn
	aws mediaconvert get-job-template --name "$name" --query 'JobTemplate.{Name:Name,Settings:Settings,Priority:Priority}' >"$work/job_template.json"

	step "Playback: over the distribution only"
	show "$domain" "assets/by-hand/HLS/$(stem "$input").m3u8"

	step "Automation: a function that turns every upload into a job"
	function_role=$(text iam create-role --role-name "$name-automation" --query Role.Arn \
		--assume-role-policy-document "file://$here/policies/trust-lambda.json")
	aws iam attach-role-policy --role-name "$name-automation" --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
	aws iam put-role-policy --role-name "$name-automation" --policy-name jobs \
		--policy-document "file://$(fill "$here/policies/automation.json" ROLE="$role")"
	package "$work/function.zip"
	aws lambda create-function --function-name "$name" --runtime python3.13 --handler handler.handler --timeout 120 --role "$function_role" \
		--environment "Variables={DESTINATION_BUCKET=$streams,MEDIACONVERT_ROLE=$role}" --zip-file "fileb://$work/function.zip" --query FunctionArn
	aws lambda wait function-active-v2 --function-name "$name" 2>"$work/err" || aws lambda wait function-active --function-name "$name"
	aws lambda add-permission --function-name "$name" --statement-id uploads --action lambda:InvokeFunction \
		--principal s3.amazonaws.com --source-arn "arn:aws:s3:::$source" --source-account "$account" >"$work/permission.json"
	aws s3api put-bucket-notification-configuration --bucket "$source" --notification-configuration \
		"{\"LambdaFunctionConfigurations\":[{\"Id\":\"uploads\",\"LambdaFunctionArn\":\"$(text lambda get-function-configuration --function-name "$name" --query FunctionArn)\",\"Events\":[\"s3:ObjectCreated:*\"]}]}"

	aws s3api put-object --bucket "$source" --key "inbox/$(basename "$video")" --body "$video" >"$work/put.json"
	input="s3://$source/inbox/$(basename "$video")"
	job=$(until_some text mediaconvert list-jobs --order DESCENDING --max-results 20 \
		--query "Jobs[?Settings.Inputs[0].FileInput=='${input//\'/\\\'}'].Id | [0]")
	wait_job "$job"
	show "$domain" "assets/$(text mediaconvert get-job --id "$job" --query Job.UserMetadata.assetID)/HLS/$(stem "$video").m3u8"
	aws logs filter-log-events --log-group-name "/aws/lambda/$name" --filter-pattern job --query 'events[].message' --output text
	echo "done: distribution $distribution at https://$domain$port/"
}

stem() { local f; f=$(basename "$1"); echo "${f%.*}"; }

# settings INPUT DESTINATION: the template's settings for one input; prints a file's path.
settings() {
	python3 - "$here/job_template.json" "$1" "$2" >"$work/settings.json" <<'PY'
import json, sys
settings = json.load(open(sys.argv[1]))["Settings"]
settings["Inputs"][0]["FileInput"] = sys.argv[2]
settings["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]["Destination"] = sys.argv[3]
json.dump(settings, sys.stdout)
PY
	echo "$work/settings.json"
}

# template_of JOB: the settings of an exported job without its input, as a template has them.
template_of() {
	python3 - "$1" <<'PY'
import json, sys
settings = json.load(open(sys.argv[1]))["Settings"]
for i in settings["Inputs"]:
    i.pop("FileInput", None)
json.dump(settings, sys.stdout)
PY
}

package() {
	(cd "$here" && python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.write("handler/handler.py", "handler.py")
    z.write("job_template.json")
' "$1")
}

# until_some COMMAND…: its output, once it has one.
until_some() {
	local out
	for _ in $(seq 120); do
		out=$("$@")
		if [ -n "$out" ] && [ "$out" != None ]; then echo "$out"; return; fi
		sleep 0.5
	done
	echo "nothing came of: $*" >&2
	return 1
}

wait_job() {
	local status
	for _ in $(seq 600); do
		status=$(text mediaconvert get-job --id "$1" --query Job.Status)
		case $status in
		COMPLETE) echo "job $1 is complete"; return ;;
		ERROR | CANCELED)
			text mediaconvert get-job --id "$1" --query 'Job.[ErrorCode,ErrorMessage]' >&2
			return 1 ;;
		esac
		sleep 0.5
	done
	echo "job $1 is still $status" >&2
	return 1
}

# show DOMAIN PATH: the stream's playlist through the distribution, and what the
# private bucket says to the same wish.
show() {
	local path url
	path=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$2")
	url="https://$1$port/$path"
	echo "$url"
	curl -sSf ${VODWRIGHT_CA_FILE:+--cacert "$VODWRIGHT_CA_FILE"} -H 'Origin: https://player.example' -D "$work/headers" "$url" -o "$work/index.m3u8"
	head -n 4 "$work/index.m3u8"
	grep -i '^access-control-allow-origin:' "$work/headers"
	[ -n "${AWS_ENDPOINT_URL:-}" ] || return 0
	curl -s -o "$work/denied" -w 'straight from the bucket: %{http_code}\n' "$AWS_ENDPOINT_URL/$streams/$path"
}

down() {
	local id etag account
	account=$(text sts get-caller-identity --query Account)
	gone() { "$@" >"$work/out" 2>&1 || grep -qE 'NoSuch|NotFound|not exist' "$work/out" || cat "$work/out" >&2; }

	step "Automation"
	gone aws s3api put-bucket-notification-configuration --bucket "$source" --notification-configuration '{}'
	gone aws lambda delete-function --function-name "$name"
	gone aws logs delete-log-group --log-group-name "/aws/lambda/$name"
	gone aws iam delete-role-policy --role-name "$name-automation" --policy-name jobs
	gone aws iam detach-role-policy --role-name "$name-automation" --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
	gone aws iam delete-role --role-name "$name-automation"
	gone aws mediaconvert delete-job-template --name "$name"

	step "Distribution: disabled, then deleted"
	for id in $(text cloudfront list-distributions --query "DistributionList.Items[?Comment=='$name'].Id"); do
		[ "$id" != None ] || continue
		etag=$(text cloudfront get-distribution-config --id "$id" --query ETag)
		aws cloudfront get-distribution-config --id "$id" --query DistributionConfig |
			python3 -c 'import json, sys; c = json.load(sys.stdin); c["Enabled"] = False; json.dump(c, sys.stdout)' >"$work/disabled.json"
		etag=$(text cloudfront update-distribution --id "$id" --if-match "$etag" --distribution-config "file://$work/disabled.json" --query ETag)
		aws cloudfront wait distribution-deployed --id "$id"
		aws cloudfront delete-distribution --id "$id" --if-match "$etag"
	done
	for id in $(text cloudfront list-origin-access-controls --query "OriginAccessControlList.Items[?Name=='$name'].Id"); do
		[ "$id" != None ] || continue
		etag=$(text cloudfront get-origin-access-control --id "$id" --query ETag)
		aws cloudfront delete-origin-access-control --id "$id" --if-match "$etag"
	done
	id=$(text wafv2 list-web-acls --scope CLOUDFRONT --query "WebACLs[?Name=='$name'].Id | [0]")
	if [ "$id" != None ]; then
		etag=$(text wafv2 get-web-acl --name "$name" --scope CLOUDFRONT --id "$id" --query LockToken)
		aws wafv2 delete-web-acl --name "$name" --scope CLOUDFRONT --id "$id" --lock-token "$etag"
	fi

	step "Roles and buckets"
	gone aws iam delete-role-policy --role-name "$name-transcoding" --policy-name buckets
	gone aws iam delete-role --role-name "$name-transcoding"
	for bucket in "$source" "$streams"; do
		empty "$bucket"
		gone aws s3api delete-bucket --bucket "$bucket"
	done
}

# empty BUCKET: every version of every object goes.
empty() {
	local kind
	for kind in Versions DeleteMarkers; do
		while aws s3api list-object-versions --bucket "$1" --max-items 500 --query "{Objects: $kind[].{Key:Key,VersionId:VersionId}, Quiet: \`true\`}" >"$work/versions.json" 2>"$work/err" &&
			grep -q '"Key"' "$work/versions.json"; do
			aws s3api delete-objects --bucket "$1" --delete "file://$work/versions.json" >"$work/deleted.json"
		done
	done
}

case ${1:-} in
up) [ -f "${2:-}" ] || { echo "usage: $0 up VIDEO" >&2; exit 2; }; up "$2" ;;
down) down ;;
*) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
esac
