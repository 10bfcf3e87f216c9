"""Drives the CloudWatch Logs API with boto3; the endpoint is in the environment."""
import os
import time

import boto3
from botocore.exceptions import ClientError

logs = boto3.client("logs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
now = int(time.time() * 1000)


def refused(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call.__name__} {args} was accepted")


# Groups, their tags, their pages.
for i in range(7):
    logs.create_log_group(logGroupName=f"/g/{i}", tags={"i": str(i)})
refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/g/1")
pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/g/", PaginationConfig={"PageSize": 3}))
assert [len(p["logGroups"]) for p in pages] == [3, 3, 1], pages
assert [g["logGroupName"] for p in pages for g in p["logGroups"]] == [f"/g/{i}" for i in range(7)]
assert len(logs.describe_log_groups(logGroupNamePattern="G/3")["logGroups"]) == 1
arn = "arn:aws:logs:us-east-1:000000000000:log-group:/g/1"
if "logGroupArn" in logs.meta.service_model.shape_for("LogGroup").members:  # boto3 1.26.27 does not know it
    assert pages[0]["logGroups"][1]["logGroupArn"] == arn
assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"i": "1"}
logs.tag_resource(resourceArn=arn, tags={"a": "b"})
logs.untag_resource(resourceArn=arn, tagKeys=["i"])
assert logs.list_tags_log_group(logGroupName="/g/1")["tags"] == {"a": "b"}
logs.tag_log_group(logGroupName="/g/1", tags={"c": "d"})
logs.untag_log_group(logGroupName="/g/1", tags=["a"])
assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "d"}
refused("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=arn + "x")
assert "Invalid resourceArn" in refused("ValidationException", logs.list_tags_for_resource, resourceArn=arn + ":*")
logs.put_retention_policy(logGroupName="/g/1", retentionInDays=3)
logs.delete_retention_policy(logGroupName="/g/1")
assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix="/g/1")["logGroups"][0]
refused("ResourceNotFoundException", logs.put_retention_policy, logGroupName="none", retentionInDays=3)
refused("InvalidParameterException", logs.create_log_group, logGroupName="white space")
refused("InvalidParameterException", logs.create_log_stream, logGroupName="/g/1", logStreamName="a:b")

# Streams.
group = "/g/0"
for name in ("c", "a", "b", "d"):
    logs.create_log_stream(logGroupName=group, logStreamName=name)
refused("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName=group, logStreamName="a")
refused("ResourceNotFoundException", logs.create_log_stream, logGroupName="none", logStreamName="a")
for i, name in enumerate(("b", "a", "c")):
    r = logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=[
        {"timestamp": now + i + 10 * k, "message": f"{name} {k}"} for k in range(5)])
    assert "rejectedLogEventsInfo" not in r and r["nextSequenceToken"]
names = lambda **a: [s["logStreamName"] for p in logs.get_paginator("describe_log_streams").paginate(
    logGroupName=group, PaginationConfig={"PageSize": 2}, **a) for s in p["logStreams"]]
assert names() == ["a", "b", "c", "d"]
assert names(descending=True) == ["d", "c", "b", "a"]
assert names(orderBy="LastEventTime", descending=True) == ["c", "a", "b", "d"]
assert names(logStreamNamePrefix="b") == ["b"]
refused("InvalidParameterException", logs.describe_log_streams, logGroupName=group, logStreamNamePrefix="b", orderBy="LastEventTime")
s = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="b")["logStreams"][0]
assert s["firstEventTimestamp"] == now and s["lastEventTimestamp"] == now + 40 and s["lastIngestionTime"] >= now

# One stream, forwards and backwards.
read = lambda **a: logs.get_log_events(logGroupName=group, logStreamName="a", **a)
text = lambda r: [e["message"] for e in r["events"]]
r = read(startFromHead=True, limit=2)
assert text(r) == ["a 0", "a 1"]
r = read(nextToken=r["nextForwardToken"], limit=2, startFromHead=True)
assert text(r) == ["a 2", "a 3"]
back = r["nextBackwardToken"]
r = read(nextToken=r["nextForwardToken"], limit=2, startFromHead=True)
assert text(r) == ["a 4"]
token = r["nextForwardToken"]
r = read(nextToken=token, limit=2, startFromHead=True)
assert text(r) == [] and r["nextForwardToken"] == token, "the token stays at the end"
logs.put_log_events(logGroupName=group, logStreamName="a", logEvents=[{"timestamp": now + 100, "message": "a 5"}])
assert text(read(nextToken=token)) == ["a 5"], "what comes later is found from there"
r = read(nextToken=back)
assert text(r) == ["a 0", "a 1"]
assert read(nextToken=r["nextBackwardToken"])["nextBackwardToken"] == r["nextBackwardToken"]
assert text(read(limit=2)) == ["a 4", "a 5"]
assert text(read(startTime=now + 11, endTime=now + 31, startFromHead=True)) == ["a 1", "a 2"]
refused("InvalidParameterException", read, nextToken="nonsense")
refused("ResourceNotFoundException", logs.get_log_events, logGroupName=group, logStreamName="none")
if "logGroupName" not in logs.meta.service_model.operation_model("GetLogEvents").input_shape.required_members:
    assert text(logs.get_log_events(logGroupIdentifier=pages[0]["logGroups"][0]["logGroupArn"], logStreamName="d")) == []
    refused("InvalidParameterException", logs.get_log_events, logGroupIdentifier=pages[0]["logGroups"][0]["arn"], logStreamName="d")

# All streams, by time.
found = lambda **a: [e["message"] for p in logs.get_paginator("filter_log_events").paginate(logGroupName=group, **a) for e in p["events"]]
want = [f"{n} {k}" for k in range(5) for n in ("b", "a", "c")] + ["a 5"]
assert found() == want
assert found(PaginationConfig={"PageSize": 4}) == want
assert found(filterPattern='"b 3"') == ["b 3"]
assert found(filterPattern="?b ?c", PaginationConfig={"PageSize": 1}) == [m for m in want if m[0] in "bc"]
assert found(logStreamNames=["a", "c"], startTime=now + 40) == ["a 4", "c 4", "a 5"]
assert found(logStreamNamePrefix="c", endTime=now + 22) == ["c 0", "c 1"]
ids = [e["eventId"] for e in logs.filter_log_events(logGroupName=group)["events"]]
assert len(set(ids)) == 16
assert found(filterPattern="[name = b, number >= 3]") == ["b 3", "b 4"]
refused("InvalidParameterException", logs.filter_log_events, logGroupName=group, filterPattern="[a, ]")
refused("ResourceNotFoundException", logs.filter_log_events, logGroupName=group, logStreamNames=["none"])
refused("ResourceNotFoundException", logs.filter_log_events, logGroupName="none")

# What is refused of events, and what is left out.
put = lambda *events: logs.put_log_events(logGroupName=group, logStreamName="d", logEvents=[{"timestamp": t, "message": m} for t, m in events])
day = 24 * 3600 * 1000
assert "chronological" in refused("InvalidParameterException", lambda: put((now, "x"), (now - 1, "y")))
assert "24 hours" in refused("InvalidParameterException", lambda: put((now - day - 1, "x"), (now, "y")))
assert "too large" in refused("InvalidParameterException", lambda: put((now, "x" * (1 << 20)))).lower()
r = put((now - 14 * day - 20000, "old"), (now - 13 * day - 2 * 3600 * 1000, "kept"))
assert r["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}, r
r = put((now, "kept"), (now + 3 * 3600 * 1000, "new"))
assert r["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}, r
put(*[(now, "é" * 26)] * 10000)
put((now, "x" * ((1 << 20) - 26)))
refused("ResourceNotFoundException", logs.put_log_events, logGroupName=group, logStreamName="none", logEvents=[{"timestamp": now, "message": "m"}])
assert sum(len(p["events"]) for p in logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNames=["d"])) == 10003

logs.delete_log_stream(logGroupName=group, logStreamName="d")
assert names() == ["a", "b", "c"]
logs.delete_log_group(logGroupName=group)
refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName=group)
refused("ResourceNotFoundException", logs.delete_log_group, logGroupName=group)
try:
    logs.start_query(logGroupName="/g/1", startTime=0, endTime=1, queryString="fields @message")
    raise AssertionError("StartQuery answered")
except ClientError as e:
    assert e.response["Error"]["Code"] == "NotImplementedException" and "StartQuery" in str(e), e
print("all operations answered")
