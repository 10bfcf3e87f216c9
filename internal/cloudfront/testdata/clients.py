# Policies and web ACLs as boto3 sees them. Prints nothing when all is as it should be.
import os

import boto3
from botocore.exceptions import ClientError

cf, waf = boto3.client("cloudfront", endpoint_url=os.environ["AWS_ENDPOINT_URL"]), boto3.client("wafv2", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def removes(header):
    """Yields the configuration that removes a header, to a boto3 that knows it (1.26.27 does not)."""
    if "RemoveHeadersConfig" in cf.meta.service_model.shape_for("ResponseHeadersPolicyConfig").members:
        yield {"RemoveHeadersConfig": {"Quantity": 1, "Items": [{"Header": header}]}}


def fails(code, call, **kw):
    try:
        call(**kw)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, (code, e)
        return e.response
    raise AssertionError(f"{code} was expected of {kw}")


# Managed policies have the ids and names that everybody writes down.
def managed(kind, plural, **kw):
    call = getattr(cf, f"list_{plural}")
    out, marker = {}, {}
    while True:
        page = call(MaxItems="3", **marker, **kw)[f"{kind}List"]
        for i in page["Items"]:
            p = i[kind]
            out[p["Id"]] = (p[f"{kind}Config"]["Name"], i["Type"])
        if "NextMarker" not in page:
            return out
        marker = {"Marker": page["NextMarker"]}


caches = managed("CachePolicy", "cache_policies", Type="managed")
assert caches["658327ea-f89d-4fab-a63d-7e88639e58f6"] == ("Managed-CachingOptimized", "managed"), caches
assert caches["4135ea2d-6df8-44a3-9df3-4b5a84be39ad"][0] == "Managed-CachingDisabled"
assert "custom" not in [t for _, t in caches.values()]
requests = managed("OriginRequestPolicy", "origin_request_policies")
assert requests["88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"][0] == "Managed-CORS-S3Origin"
assert requests["b5e1a2c0-564f-4457-8000-5369676e6564"][0] == "Vodwright-SignPlaylists"
headers = managed("ResponseHeadersPolicy", "response_headers_policies")
assert headers["60669652-455b-4ae9-85a4-c4c02393f86c"][0] == "Managed-SimpleCORS"
assert managed("CachePolicy", "cache_policies", Type="custom") == {}

optimized = cf.get_cache_policy(Id="658327ea-f89d-4fab-a63d-7e88639e58f6")
assert optimized["CachePolicy"]["CachePolicyConfig"]["DefaultTTL"] == 86400
fails("IllegalUpdate", cf.update_cache_policy, Id=optimized["CachePolicy"]["Id"], IfMatch=optimized["ETag"], CachePolicyConfig={"Name": "x", "MinTTL": 1})
fails("IllegalDelete", cf.delete_cache_policy, Id=optimized["CachePolicy"]["Id"], IfMatch=optimized["ETag"])
fails("CachePolicyAlreadyExists", cf.create_cache_policy, CachePolicyConfig={"Name": "Managed-CachingOptimized", "MinTTL": 1})
fails("NoSuchCachePolicy", cf.get_cache_policy, Id="00000000-0000-0000-0000-000000000000")


def key(headers="none", cookies="none", queries="none", gzip=False, **names):
    out = {
        "EnableAcceptEncodingGzip": gzip,
        "HeadersConfig": {"HeaderBehavior": headers},
        "CookiesConfig": {"CookieBehavior": cookies},
        "QueryStringsConfig": {"QueryStringBehavior": queries},
    }
    if "Headers" in names:
        out["HeadersConfig"]["Headers"] = {"Quantity": len(names["Headers"]), "Items": names["Headers"]}
    return out


for bad in (
    {"MinTTL": 10, "DefaultTTL": 5},
    {"MinTTL": 10, "MaxTTL": 5},
    {"MinTTL": -1},
    {"MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 0, "ParametersInCacheKeyAndForwardedToOrigin": key(gzip=True)},
    {"MinTTL": 0, "ParametersInCacheKeyAndForwardedToOrigin": key(headers="whitelist")},
    {"MinTTL": 0, "ParametersInCacheKeyAndForwardedToOrigin": key(Headers=["Origin"])},
    {"MinTTL": 0, "ParametersInCacheKeyAndForwardedToOrigin": key(headers="whitelist", Headers=["not a name"])},
    {"MinTTL": 0, "Name": "no spaces"},
):
    fails("InvalidArgument", cf.create_cache_policy, CachePolicyConfig={"Name": "own", **bad})
own = cf.create_cache_policy(CachePolicyConfig={"Name": "own", "MinTTL": 5, "ParametersInCacheKeyAndForwardedToOrigin": key(headers="whitelist", Headers=["Origin"], queries="all")})
read = cf.get_cache_policy_config(Id=own["CachePolicy"]["Id"])
assert read["ETag"] == own["ETag"] and read["CachePolicyConfig"] == own["CachePolicy"]["CachePolicyConfig"]
cf.delete_cache_policy(Id=own["CachePolicy"]["Id"], IfMatch=own["ETag"])

cors = {
    "AccessControlAllowOrigins": {"Quantity": 1, "Items": ["https://*.example.com"]},
    "AccessControlAllowHeaders": {"Quantity": 1, "Items": ["*"]},
    "AccessControlAllowMethods": {"Quantity": 1, "Items": ["ALL"]},
    "AccessControlAllowCredentials": False,
    "OriginOverride": True,
}
for bad in (
    {"CorsConfig": {**cors, "AccessControlAllowCredentials": True}},
    {"CorsConfig": {**cors, "AccessControlAllowOrigins": {"Quantity": 1, "Items": ["https://a/b"]}}},
    {"CorsConfig": {**cors, "AccessControlMaxAgeSec": -1}},
    {"CustomHeadersConfig": {"Quantity": 1, "Items": [{"Header": "Content-Length", "Value": "1", "Override": True}]}},
    {"CustomHeadersConfig": {"Quantity": 1, "Items": [{"Header": "X-A", "Value": "a\nb", "Override": True}]}},
    *removes("Transfer-Encoding"),
    {"ServerTimingHeadersConfig": {"Enabled": True}},
    {"SecurityHeadersConfig": {"XSSProtection": {"Override": True, "Protection": True, "ModeBlock": True, "ReportUri": "https://x"}}},
):
    fails("InvalidArgument", cf.create_response_headers_policy, ResponseHeadersPolicyConfig={"Name": "own", **bad})
own = cf.create_response_headers_policy(ResponseHeadersPolicyConfig={"Name": "own", "CorsConfig": cors, **next(removes("X-A"), {})})
own = cf.update_response_headers_policy(Id=own["ResponseHeadersPolicy"]["Id"], IfMatch=own["ETag"], ResponseHeadersPolicyConfig={"Name": "renamed", "CorsConfig": cors})
assert own["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]["Name"] == "renamed"
cf.delete_response_headers_policy(Id=own["ResponseHeadersPolicy"]["Id"], IfMatch=own["ETag"])
fails("NoSuchResponseHeadersPolicy", cf.get_response_headers_policy, Id=own["ResponseHeadersPolicy"]["Id"])

own = cf.create_origin_request_policy(OriginRequestPolicyConfig={
    "Name": "own", "HeadersConfig": {"HeaderBehavior": "allViewer"}, "CookiesConfig": {"CookieBehavior": "all"}, "QueryStringsConfig": {"QueryStringBehavior": "all"}})
cf.delete_origin_request_policy(Id=own["OriginRequestPolicy"]["Id"], IfMatch=own["ETag"])

for bad in ({"OriginAccessControlOriginType": "lambda"}, {"SigningBehavior": "some"}, {"Name": "a" * 65}):
    fails("InvalidArgument", cf.create_origin_access_control, OriginAccessControlConfig={
        "Name": "own", "SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3", **bad})

# Web ACLs.
seen = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}


def rule(name="common", group="AWSManagedRulesCommonRuleSet", priority=1, override="Count", **statement):
    return {"Name": name, "Priority": priority, "OverrideAction": {override: {}}, "VisibilityConfig": seen,
            "Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": group, **statement}}}


def acl(*rules, **kw):
    return {"Name": "edge", "Scope": "CLOUDFRONT", "DefaultAction": {"Allow": {}}, "VisibilityConfig": seen, "Rules": list(rules), **kw}


for bad, word in (
    (acl(rule(), Scope="REGIONAL"), "REGIONAL"),
    (acl(rule(), DefaultAction={"Block": {}}), "DefaultAction"),
    (acl(rule(group="AWSManagedRulesBotControlRuleSet")), "BotControl"),
    (acl(rule(), rule()), "priority"),
    (acl(rule(), rule("sqli", "AWSManagedRulesSQLiRuleSet", 2, "None")), "OverrideAction"),
    (acl(rule(Version="Version_1.0")), "Version"),
    (acl(rule(RuleActionOverrides=[{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}])), "RuleActionOverrides"),
    (acl(rule(ScopeDownStatement={"GeoMatchStatement": {"CountryCodes": ["AT"]}})), "ScopeDownStatement"),
    (acl({"Name": "ips", "Priority": 1, "Action": {"Block": {}}, "VisibilityConfig": seen, "Statement": {"IPSetReferenceStatement": {"ARN": "arn:aws:wafv2:us-east-1:000000000000:global/ipset/a/b"}}}), "IPSetReferenceStatement"),
    (acl({"Name": "rate", "Priority": 1, "Action": {"Block": {}}, "VisibilityConfig": seen, "Statement": {"RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP"}}}), "RateBasedStatement"),
):
    answer = fails("WAFInvalidParameterException", waf.create_web_acl, **bad)
    assert word in answer["Error"]["Message"], answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400

made = waf.create_web_acl(**acl(rule(), Tags=[{"Key": "team", "Value": "video"}]))["Summary"]
fails("WAFDuplicateItemException", waf.create_web_acl, **acl(rule()))
name = {"Name": "edge", "Scope": "CLOUDFRONT", "Id": made["Id"]}
got = waf.get_web_acl(**name)
assert got["WebACL"]["ARN"] == made["ARN"] and got["WebACL"]["Capacity"] == 700 and got["WebACL"]["Rules"] == [rule()], got
if "ARN" in waf.meta.service_model.operation_model("GetWebACL").input_shape.members:
    assert waf.get_web_acl(ARN=made["ARN"])["LockToken"] == got["LockToken"]
assert waf.list_web_acls(Scope="CLOUDFRONT")["WebACLs"][0]["ARN"] == made["ARN"]
assert waf.list_tags_for_resource(ResourceARN=made["ARN"])["TagInfoForResource"]["TagList"] == [{"Key": "team", "Value": "video"}]
waf.tag_resource(ResourceARN=made["ARN"], Tags=[{"Key": "env", "Value": ""}])
waf.untag_resource(ResourceARN=made["ARN"], TagKeys=["team"])
assert waf.list_tags_for_resource(ResourceARN=made["ARN"])["TagInfoForResource"]["TagList"] == [{"Key": "env", "Value": ""}]
assert waf.check_capacity(Scope="CLOUDFRONT", Rules=[rule(), rule("sqli", "AWSManagedRulesSQLiRuleSet", 2)])["Capacity"] == 900

behavior = {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
config = {"CallerReference": "waf", "Comment": "", "Enabled": False, "WebACLId": made["ARN"], "DefaultCacheBehavior": behavior,
          "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "b.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}]}}
d = cf.create_distribution(DistributionConfig=config)
assert cf.list_distributions_by_web_acl_id(WebACLId=made["ARN"])["DistributionList"]["Items"][0]["Id"] == d["Distribution"]["Id"]
fails("WAFAssociatedItemException", waf.delete_web_acl, LockToken=got["LockToken"], **name)
fails("WAFOptimisticLockException", waf.update_web_acl, **{**acl(rule(override="None")), "Id": made["Id"], "LockToken": made["Id"]})
token = waf.update_web_acl(**{**acl(rule(override="None")), "Id": made["Id"], "LockToken": got["LockToken"]})["NextLockToken"]
cf.delete_distribution(Id=d["Distribution"]["Id"], IfMatch=d["ETag"])
fails("WAFNonexistentItemException", waf.delete_web_acl, LockToken=token, **{**name, "Name": "other"})
waf.delete_web_acl(LockToken=token, **name)
fails("WAFNonexistentItemException", waf.get_web_acl, **name)
e = fails("NotImplementedException", waf.list_ip_sets, Scope="CLOUDFRONT")
assert "ListIPSets" in e["Error"]["Message"]
