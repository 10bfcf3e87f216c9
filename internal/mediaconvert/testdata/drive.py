"""Drives every operation of the job API with boto3, as code on AWS does."""
import copy
import json
import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

mc = boto3.client("mediaconvert", region_name="us-east-1", endpoint_url=sys.argv[1],
                  config=Config(retries={"max_attempts": 0}))
ladder = json.loads(os.environ["LADDER"])
role = "arn:aws:iam::000000000000:role/vod"


def refused(code, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused")


def wait(job_id, status):
    for _ in range(1000):
        job = mc.get_job(Id=job_id)["Job"]
        if job["Status"] == status:
            return job
        time.sleep(0.01)
    raise AssertionError(job)


url = mc.describe_endpoints()["Endpoints"][0]["Url"]
assert url == sys.argv[1], url

job = mc.create_job(Role=role, Settings=ladder, UserMetadata={"assetID": "1"}, StatusUpdateInterval="SECONDS_10")["Job"]
for name in ("OutputGroupDetails", "Warnings", "HopDestinations", "QueueTransitions"):
    # Debian 12's boto3 has a model without Warnings.
    known = name in mc.meta.service_model.shape_for("Job").members
    assert not known or job[name] == [], (name, job)
assert job["Messages"] == {"Info": [], "Warning": []}, job["Messages"]
job = wait(job["Id"], "COMPLETE")
assert job["Timing"]["FinishTime"] >= job["Timing"]["SubmitTime"]
assert job["OutputGroupDetails"][0]["OutputDetails"][0]["DurationInMs"] == 20000

endless = copy.deepcopy(ladder)
endless["Inputs"][0]["FileInput"] = "s3://source/endless.mp4"
running = mc.create_job(Role=role, Settings=endless)["Job"]
mc.cancel_job(Id=running["Id"])
wait(running["Id"], "CANCELED")
refused("ConflictException", mc.cancel_job, Id=running["Id"])
assert len(mc.list_jobs(Order="DESCENDING", Status="COMPLETE", MaxResults=20)["Jobs"]) == 1
assert "NextToken" in mc.list_jobs(MaxResults=1)
assert mc.list_jobs(Status="ERROR")["Jobs"] == []

# An exported job is a template after its input's file is taken out; a job made
# from the template gives input and destination.
settings = job["Settings"]
del settings["Inputs"][0]["FileInput"]
made = mc.create_job_template(Name="exported", Settings=settings, Category="VOD")["JobTemplate"]
assert mc.get_job_template(Name="exported")["JobTemplate"]["Settings"] == made["Settings"]
own = {"Inputs": [{"FileInput": "s3://source/clip.mp4"}],
       "OutputGroups": [{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS",
                                                 "HlsGroupSettings": {"Destination": "s3://bucket/own"}}}]}
merged = mc.create_job(Role=role, JobTemplate="exported", Settings=own)["Job"]["Settings"]
assert len(merged["OutputGroups"][0]["Outputs"]) == 3, merged
assert merged["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]["Destination"] == "s3://bucket/own"
mc.update_job_template(Name="exported", Description="d")
assert [t["Description"] for t in mc.list_job_templates(ListBy="NAME")["JobTemplates"]] == ["d"]
assert mc.list_job_templates(ListBy="SYSTEM")["JobTemplates"] == []
mc.delete_job_template(Name="exported")
refused("NotFoundException", mc.get_job_template, Name="exported")

assert mc.get_queue(Name="Default")["Queue"]["Status"] == "ACTIVE"
assert [q["Name"] for q in mc.list_queues()["Queues"]] == ["Default"]

# Queues: a paused one admits nothing until it is resumed.
# Debian 12's boto3 has a model without ConcurrentJobs.
limits = "ConcurrentJobs" in mc.meta.service_model.operation_model("CreateQueue").input_shape.members
one, two = ({"ConcurrentJobs": n} if limits else {} for n in (1, 2))
queue = mc.create_queue(Name="slow", Description="d", Status="PAUSED", Tags={"t": "1"}, **one)["Queue"]
assert (queue["Status"], queue["PricingPlan"], queue["Type"]) == ("PAUSED", "ON_DEMAND", "CUSTOM"), queue
assert not limits or queue["ConcurrentJobs"] == 1, queue
refused("ConflictException", mc.create_queue, Name="slow")
assert "RESERVED" in refused("BadRequestException", mc.create_queue, Name="r", PricingPlan="RESERVED",
                             ReservationPlanSettings={"Commitment": "ONE_YEAR", "RenewalType": "EXPIRE", "ReservedSlots": 1})
waiting = [mc.create_job(Role=role, Queue=q, Settings=endless)["Job"]["Id"] for q in ("slow", queue["Arn"])]
assert mc.get_queue(Name="slow")["Queue"]["SubmittedJobsCount"] == 2
refused("ConflictException", mc.delete_queue, Name="slow")
mc.update_queue(Name="slow", Status="ACTIVE")
wait(waiting[0], "PROGRESSING")
if limits:
    assert mc.get_job(Id=waiting[1])["Job"]["Status"] == "SUBMITTED", "one at a time"
mc.update_queue(Name="slow", Description="e", **two)
wait(waiting[1], "PROGRESSING")
for i in waiting:
    mc.cancel_job(Id=i)
assert mc.list_tags_for_resource(Arn=queue["Arn"])["ResourceTags"]["Tags"] == {"t": "1"}
assert [q["Name"] for q in mc.list_queues()["Queues"]] == ["Default", "slow"]
mc.delete_queue(Name="slow")
refused("NotFoundException", mc.get_queue, Name="slow")
refused("NotFoundException", mc.create_job, Role=role, Queue="slow", Settings=ladder)
refused("BadRequestException", mc.delete_queue, Name="Default")

# Presets: below an output, whose own members win.
output = copy.deepcopy(ladder["OutputGroups"][0]["Outputs"][1])
modifier = output.pop("NameModifier")
for name in list(output):
    if name not in ("ContainerSettings", "VideoDescription", "AudioDescriptions"):
        output.pop(name)
preset = mc.create_preset(Name="p", Category="c", Settings=output, Tags={"t": "2"})["Preset"]
refused("ConflictException", mc.create_preset, Name="p", Settings=output)
refused("BadRequestException", mc.create_preset, Name="System-p", Settings=output)
assert mc.get_preset(Name="p")["Preset"]["Settings"] == preset["Settings"] == output
mc.update_preset(Name="p", Description="d")
assert [p["Description"] for p in mc.list_presets(Category="c")["Presets"]] == ["d"]
assert mc.list_tags_for_resource(Arn=preset["Arn"])["ResourceTags"]["Tags"] == {"t": "2"}
short = copy.deepcopy(ladder)
short["OutputGroups"][0]["Outputs"] = [
    {"Preset": "p", "NameModifier": "_a"},
    {"Preset": preset["Arn"], "NameModifier": "_b", "VideoDescription": {"Width": 320, "Height": 180}}]
made = mc.create_job(Role=role, Settings=short)["Job"]["Settings"]["OutputGroups"][0]["Outputs"]
def within(given, shown):
    """What was given is shown as it was, beside the service's defaults."""
    if isinstance(given, dict):
        return all(k in shown and within(v, shown[k]) for k, v in given.items())
    if isinstance(given, list):
        return len(given) == len(shown) and all(map(within, given, shown))
    return given == shown


assert within(output["VideoDescription"], made[0]["VideoDescription"]) and made[0]["Preset"] == "p"
assert made[0]["VideoDescription"]["AntiAlias"] == "ENABLED" and made[0]["VideoDescription"]["CodecSettings"]["H264Settings"]["Softness"] == 0
assert made[1]["VideoDescription"]["Width"] == 320
assert within(output["VideoDescription"]["CodecSettings"], made[1]["VideoDescription"]["CodecSettings"])
mc.create_job_template(Name="of-presets", Settings={"OutputGroups": short["OutputGroups"]})
made = mc.create_job(Role=role, JobTemplate="of-presets", Settings=own)["Job"]["Settings"]["OutputGroups"][0]["Outputs"]
assert made[1]["VideoDescription"]["Width"] == 320 and within(output["ContainerSettings"], made[1]["ContainerSettings"])
mc.delete_job_template(Name="of-presets")
mc.delete_preset(Name="p")
refused("NotFoundException", mc.get_preset, Name="p")
assert "presets/p" in refused("BadRequestException", mc.create_job, Role=role, Settings=short)
short["OutputGroups"][0]["Outputs"][0]["Preset"] = "System-Generic_Hd_Mp4"
assert "system preset" in refused("BadRequestException", mc.create_job, Role=role, Settings=short)

# Searching.
if hasattr(mc, "search_jobs"):
    found = lambda **k: [j["Id"] for j in mc.search_jobs(**k)["Jobs"]]
    assert found(InputFile="endless") == [waiting[1], waiting[0], running["Id"]]
    assert found(InputFile="endless", Order="ASCENDING", Status="CANCELED", MaxResults=1) == [running["Id"]]
    assert found(InputFile="nowhere") == [] and len(found()) > 3
    page = mc.search_jobs(InputFile="endless", MaxResults=2)
    assert found(InputFile="endless", NextToken=page["NextToken"]) == [running["Id"]]
if hasattr(mc, "start_jobs_query"):
    def query(**k):
        result = mc.get_jobs_query_results(Id=mc.start_jobs_query(**k)["Id"])
        assert result["Status"] == "COMPLETE", result
        return [j["Id"] for j in result["Jobs"]], result.get("NextToken")
    canceled = [waiting[1], waiting[0], running["Id"]]
    assert query(FilterList=[{"Key": "fileInput", "Values": ["endless"]}]) == (canceled, None)
    first = query(FilterList=[{"Key": "status", "Values": ["CANCELED"]}], MaxResults=2)
    assert first[0] == canceled[:2] and query(FilterList=[{"Key": "status", "Values": ["CANCELED"]}], NextToken=first[1]) == (canceled[2:], None)
    assert query(FilterList=[{"Key": "videoCodec", "Values": ["H_265"]}]) == ([], None)
    refused("NotFoundException", mc.get_jobs_query_results, Id="1")
    refused("BadRequestException", mc.start_jobs_query, FilterList=[{"Key": "status", "Values": ["DONE"]}])
if hasattr(mc, "list_versions"):
    assert len(mc.list_versions()["Versions"]) == 1

# The input policy.
assert mc.get_policy()["Policy"]["S3Inputs"] == "ALLOWED"
assert mc.put_policy(Policy={"S3Inputs": "DISALLOWED", "HttpInputs": "ALLOWED", "HttpsInputs": "ALLOWED"})["Policy"]["S3Inputs"] == "DISALLOWED"
assert "not allowed" in refused("BadRequestException", mc.create_job, Role=role, Settings=ladder)
mc.delete_policy()
mc.create_job(Role=role, Settings=ladder)
refused("BadRequestException", mc.create_job, Role="not-a-role", Settings=ladder)

mc.tag_resource(Arn=job["Arn"], Tags={"a": "1", "b": "2"})
mc.untag_resource(Arn=job["Arn"], TagKeys=["a"])
assert mc.list_tags_for_resource(Arn=job["Arn"])["ResourceTags"]["Tags"] == {"b": "2"}

bad = copy.deepcopy(ladder)
del bad["OutputGroups"][0]["Outputs"][0]["ContainerSettings"]
del bad["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]["MinSegmentLength"]
text = refused("BadRequestException", mc.create_job, Role=role, Settings=bad)
assert text.split("\n") == [
    "/outputGroups/0/outputGroupSettings/hlsGroupSettings: minSegmentLength is a required property",
    "/outputGroups/0/outputs/0: containerSettings is a required property",
], text

unimplemented = {
    "associate_certificate": {"Arn": "a"}, "disassociate_certificate": {"Arn": "a"},
    "probe": {},
    "create_resource_share": {"JobId": "1", "SupportCaseId": "1"},
}
for name, arguments in unimplemented.items():
    call = getattr(mc, name, None)
    if call is not None:  # an older boto3 has fewer
        operation = "".join(part.capitalize() for part in name.split("_"))
        assert operation in refused("NotImplementedException", call, **arguments)

stranger = boto3.client("mediaconvert", region_name="us-east-1", endpoint_url=sys.argv[1],
                        aws_access_key_id="AKIAUNKNOWN", aws_secret_access_key="x")
refused("UnrecognizedClientException", stranger.list_jobs)
wrong = boto3.client("mediaconvert", region_name="us-east-1", endpoint_url=sys.argv[1],
                     aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="x")
refused("InvalidSignatureException", wrong.list_jobs)
print("all operations answered")
