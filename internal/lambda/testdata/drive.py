"""Drives the Lambda API as boto3's users do; prints what went wrong and exits 1."""
import base64, io, json, os, sys, time, urllib.request, zipfile

import boto3
from botocore.exceptions import ClientError

la = boto3.client("lambda", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
ROLE = "arn:aws:iam::000000000000:role/lambda"
failed = False


def check(ok, *what):
    global failed
    if not ok:
        failed = True
        print("FAIL", *what)


def pack(**files):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        for name, text in files.items():
            z.writestr(name + ".py", text)
    return b.getvalue()


def refuses(code, status, f, *part, **args):
    try:
        r = f(**args)
    except ClientError as e:
        got, http = e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        check(got == code and http == status, f.__name__, "refused with", got, http, "not", code, status)
        for p in part:
            check(p in e.response["Error"]["Message"], p, "not in", e.response["Error"]["Message"])
        return
    check(False, f.__name__, "was not refused with", code, "but answered", r)


app = pack(app="import os\ndef handler(event, context):\n    print('hello')\n    return {'event': event, 'x': os.environ.get('X'), 'v': context.function_version, 'arn': context.invoked_function_arn, 'client': context.client_context.custom if context.client_context else None}\n")
base = dict(FunctionName="f", Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": app})

# Create, and what it is.
c = la.create_function(**base, Environment={"Variables": {"X": "1"}}, Tags={"a": "b"}, Timeout=10, Description="it")
for k, v in dict(FunctionName="f", FunctionArn="arn:aws:lambda:us-east-1:000000000000:function:f", Runtime="python3.12", Role=ROLE, Handler="app.handler",
                 CodeSize=len(app), Description="it", Timeout=10, MemorySize=128, Version="$LATEST", State="Active", LastUpdateStatus="Successful", PackageType="Zip",
                 Environment={"Variables": {"X": "1"}}, TracingConfig={"Mode": "PassThrough"}, EphemeralStorage={"Size": 512}, Architectures=["x86_64"],
                 SnapStart={"ApplyOn": "None", "OptimizationStatus": "Off"}, LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}).items():
    if k in la.meta.service_model.operation_model("CreateFunction").output_shape.members:  # older clients drop the rest
        check(c.get(k) == v, "create:", k, "is", c.get(k), "not", v)
import hashlib
check(c["CodeSha256"] == base64.b64encode(hashlib.sha256(app).digest()).decode(), "digest", c["CodeSha256"])
la.get_waiter("function_active_v2").wait(FunctionName="f")
la.get_waiter("function_updated_v2").wait(FunctionName="f")
la.get_waiter("function_exists").wait(FunctionName="f")

# Names of every form.
for name in ("f", "000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f", "function:f", "f:$LATEST"):
    check(la.get_function_configuration(FunctionName=name)["FunctionName"] == "f", name)
refuses("ResourceNotFoundException", 404, la.get_function, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope", FunctionName="nope")
refuses("ResourceNotFoundException", 404, la.get_function, FunctionName="arn:aws:lambda:us-east-1:111111111111:function:f")
refuses("ResourceNotFoundException", 404, la.get_function, FunctionName="f", Qualifier="7")
refuses("InvalidParameterValueException", 400, la.get_function, "does not match", FunctionName="f:1", Qualifier="2")

# The package comes back from its address, for nobody who has not got it.
got = la.get_function(FunctionName="f")
check(got["Tags"] == {"a": "b"} and got["Code"]["RepositoryType"] == "S3", got)
check(urllib.request.urlopen(got["Code"]["Location"]).read() == app, "the package is another one")
try:
    urllib.request.urlopen(got["Code"]["Location"][:-1] + ("0" if got["Code"]["Location"][-1] != "0" else "1"))
    check(False, "an altered address works")
except urllib.error.HTTPError as e:
    check(e.code == 403, "altered address", e.code)

# Invoke, in each way.
r = la.invoke(FunctionName="f", Payload=b'{"a": 1}', LogType="Tail", ClientContext=base64.b64encode(b'{"custom": {"k": "v"}}').decode())
body = json.load(r["Payload"])
check(r["StatusCode"] == 200 and r["ExecutedVersion"] == "$LATEST" and "FunctionError" not in r, r)
check(body == {"event": {"a": 1}, "x": "1", "v": "$LATEST", "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "client": {"k": "v"}}, body)
log = base64.b64decode(r["LogResult"]).decode()
check("START RequestId: " in log and "\nhello\n" in log and "REPORT RequestId: " in log and r["ResponseMetadata"]["RequestId"] in log, log)
check(json.load(la.invoke(FunctionName="f")["Payload"])["event"] == {}, "no payload")
r = la.invoke(FunctionName="f", InvocationType="DryRun")
check(r["StatusCode"] == 204 and r["Payload"].read() == b"", "dry run", r)
r = la.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
check(r["StatusCode"] == 202 and r["Payload"].read() == b"", "event", r)
refuses("InvalidRequestContentException", 400, la.invoke, "Could not parse request body into json", FunctionName="f", Payload=b"{nope")
refuses("RequestTooLargeException", 413, la.invoke, FunctionName="f", Payload=b'"' + b"x" * 6291556 + b'"')
refuses("RequestTooLargeException", 413, la.invoke, FunctionName="f", InvocationType="Event", Payload=b'"' + b"x" * (1 << 20) + b'"')
big = la.invoke(FunctionName="f", Payload=json.dumps("y" * (3 << 20)).encode())
check(len(json.load(big["Payload"])["event"]) == 3 << 20, "3 MB there and back")

# Updates.
u = la.update_function_configuration(FunctionName="f", Environment={"Variables": {"X": "2"}}, MemorySize=256)
check(u["MemorySize"] == 256 and u["Timeout"] == 10 and u["RevisionId"] != c["RevisionId"], u)
check(json.load(la.invoke(FunctionName="f")["Payload"])["x"] == "2", "the old environment answers")
v2 = pack(app="def handler(event, context): return 2\n")
refuses("PreconditionFailedException", 412, la.update_function_code, FunctionName="f", ZipFile=v2, RevisionId=c["RevisionId"])
d = la.update_function_code(FunctionName="f", ZipFile=v2, DryRun=True)
check(d["CodeSize"] == len(v2) and json.load(la.invoke(FunctionName="f")["Payload"])["x"] == "2", "a dry run changed it")
p = la.update_function_code(FunctionName="f", ZipFile=v2, Publish=True)
check(p["Version"] == "1" and p["FunctionArn"].endswith(":f:1"), p)
check(json.load(la.invoke(FunctionName="f")["Payload"]) == 2, "the old code answers")
check(la.publish_version(FunctionName="f")["Version"] == "1", "nothing changed")
la.update_function_code(FunctionName="f", ZipFile=app)
check(la.publish_version(FunctionName="f", Description="second")["Version"] == "2", "second version")
check(json.load(la.invoke(FunctionName="f", Qualifier="1")["Payload"]) == 2, "version 1")
r = la.invoke(FunctionName="f:2")
check(r["ExecutedVersion"] == "2" and json.load(r["Payload"])["arn"].endswith(":function:f:2"), "version 2", r)
vs = [v["Version"] for v in la.get_paginator("list_versions_by_function").paginate(FunctionName="f", PaginationConfig={"PageSize": 2}).build_full_result()["Versions"]]
check(vs == ["$LATEST", "1", "2"], vs)

# Aliases.
a = la.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
check(a["AliasArn"].endswith(":f:live"), a)
check(la.invoke(FunctionName="f", Qualifier="live")["ExecutedVersion"] == "2", "weights")
la.update_alias(FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
check(la.invoke(FunctionName="f:live")["ExecutedVersion"] == "1", "no weights")
refuses("ResourceConflictException", 409, la.create_alias, FunctionName="f", Name="live", FunctionVersion="1")
refuses("ResourceConflictException", 409, la.delete_function, "aliases reference it", FunctionName="f", Qualifier="1")
check([x["Name"] for x in la.list_aliases(FunctionName="f")["Aliases"]] == ["live"], "aliases")
la.delete_alias(FunctionName="f", Name="live")
refuses("ResourceNotFoundException", 404, la.get_alias, FunctionName="f", Name="live")
la.delete_function(FunctionName="f", Qualifier="1")

# Permissions.
refuses("ResourceNotFoundException", 404, la.get_policy, FunctionName="f")
s = json.loads(la.add_permission(FunctionName="f", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b", SourceAccount="000000000000")["Statement"])
want = {"Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Condition": {"StringEquals": {"AWS:SourceAccount": "000000000000"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}}
check(s == want, s)
check(json.loads(la.get_policy(FunctionName="f")["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [want]}, "policy")
refuses("ResourceConflictException", 409, la.add_permission, FunctionName="f", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
refuses("InvalidParameterValueException", 400, la.add_permission, "principal was invalid", FunctionName="f", StatementId="x", Action="lambda:InvokeFunction", Principal="somebody")
la.remove_permission(FunctionName="f", StatementId="s3")
refuses("ResourceNotFoundException", 404, la.remove_permission, FunctionName="f", StatementId="s3")

# Events' configuration.
refuses("ResourceNotFoundException", 404, la.get_function_event_invoke_config, "doesn't have an EventInvokeConfig", FunctionName="f")
e = la.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::dead"}})
check(e["FunctionArn"].endswith(":f:$LATEST") and e["MaximumRetryAttempts"] == 1 and e["DestinationConfig"]["OnFailure"]["Destination"] == "arn:aws:s3:::dead", e)
e = la.update_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
check(e["MaximumEventAgeInSeconds"] == 60 and e["MaximumRetryAttempts"] == 0, e)
check(len(la.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]) == 1, "list")
refuses("InvalidParameterValueException", 400, la.put_function_event_invoke_config, "does not have", FunctionName="f", DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}})
la.delete_function_event_invoke_config(FunctionName="f")
refuses("ResourceNotFoundException", 404, la.delete_function_event_invoke_config, FunctionName="f")

# Concurrency.
la.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
refuses("TooManyRequestsException", 429, la.invoke, "Rate Exceeded", FunctionName="f")
check(la.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 0 and la.get_function(FunctionName="f")["Concurrency"]["ReservedConcurrentExecutions"] == 0, "reserved")
la.delete_function_concurrency(FunctionName="f")
check(la.invoke(FunctionName="f")["StatusCode"] == 200, "after the reservation")
limits = la.get_account_settings()
check(limits["AccountUsage"]["FunctionCount"] == 1 and limits["AccountLimit"]["ConcurrentExecutions"] > 0, limits)

# The rest of what clients ask.
if hasattr(la, "get_function_recursion_config"):
    check(la.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate", "recursion")
    check(la.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")["RecursiveLoop"] == "Allow", "recursion")
check(la.get_function_code_signing_config(FunctionName="f")["FunctionName"] == "f", "code signing")
if hasattr(la, "get_runtime_management_config"):
    check(la.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto", "runtime management")
check(la.list_event_source_mappings(FunctionName="f")["EventSourceMappings"] == [] and la.list_layers()["Layers"] == [], "lists")
arn = c["FunctionArn"]
la.tag_resource(Resource=arn, Tags={"c": "d"})
la.untag_resource(Resource=arn, TagKeys=["a"])
check(la.list_tags(Resource=arn)["Tags"] == {"c": "d"}, "tags")
for i in range(3):
    la.create_function(**{**base, "FunctionName": f"g{i}"})
names = [x["FunctionName"] for x in la.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}).build_full_result()["Functions"]]
check(names == ["f", "g0", "g1", "g2"], names)
check(len(la.list_functions(FunctionVersion="ALL")["Functions"]) == 5, "all versions")

# Refusals, which change nothing.
new = {**base, "FunctionName": "n"}
refuses("ResourceConflictException", 409, la.create_function, "Function already exist: f", **base)
refuses("InvalidParameterValueException", 400, la.create_function, "The role defined for the function cannot be assumed by Lambda.", **{**new, "Role": ROLE + "/untrusting"})
refuses("AccessDeniedException", 403, la.create_function, "iam:PassRole", **{**new, "Role": ROLE + "/forbidden"})
refuses("InvalidParameterValueException", 400, la.create_function, "does not run on Vodwright", **{**new, "Runtime": "java21"})
refuses("InvalidParameterValueException", 400, la.create_function, "no longer supported", **{**new, "Runtime": "python2.7"})
refuses("InvalidParameterValueException", 400, la.create_function, "Reserved keys used in this request: AWS_REGION", **new, Environment={"Variables": {"AWS_REGION": "x"}})
refuses("ValidationException", 400, la.create_function, "environment.variables", **new, Environment={"Variables": {"1-a": "x"}})
refuses("InvalidParameterValueException", 400, la.create_function, "4KB limit", **new, Environment={"Variables": {"X": "x" * 4096}})
refuses("InvalidParameterValueException", 400, la.create_function, "Could not unzip uploaded file", **{**new, "Code": {"ZipFile": b"nope"}})
refuses("InvalidParameterValueException", 400, la.create_function, "NoSuchKey", **{**new, "Code": {"S3Bucket": "bucket", "S3Key": "nope"}})
refuses("AccessDeniedException", 403, la.create_function, "denied by S3", **{**new, "Code": {"S3Bucket": "secret", "S3Key": "k"}})
refuses("InvalidParameterValueException", 400, la.create_function, "Layers", **new, Layers=["arn:aws:lambda:us-east-1:000000000000:layer:l:1"])
refuses("InvalidParameterValueException", 400, la.create_function, "PackageType Image", FunctionName="n", Role=ROLE, PackageType="Image", Code={"ImageUri": "x"})
refuses("InvalidParameterValueException", 400, la.create_function, "timeout", **new, Timeout=901)
refuses("InvalidParameterValueException", 400, la.create_function, "memory", **new, MemorySize=10241)
refuses("InvalidParameterValueException", 400, la.create_function, "does not have", **new, DeadLetterConfig={"TargetArn": "arn:aws:sns:us-east-1:000000000000:t"})
refuses("ResourceNotFoundException", 404, la.get_function, FunctionName="n")

# Code from a bucket.
la.create_function(**{**new, "Code": {"S3Bucket": "bucket", "S3Key": "app.zip"}})
check(json.load(la.invoke(FunctionName="n")["Payload"]) == "from a bucket", "code from a bucket")

for name in ("f", "g0", "g1", "g2", "n"):
    la.delete_function(FunctionName=name)
check(la.list_functions()["Functions"] == [], "all are gone")
refuses("ResourceNotFoundException", 404, la.delete_function, FunctionName="f")
sys.exit(failed)
