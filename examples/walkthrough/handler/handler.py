"""Starts a transcoding job for every video that is put in a bucket.

The job writes to s3://$DESTINATION_BUCKET/assets/<asset>/HLS/<name>. The asset's
id follows from the object's version, so that an event that is delivered twice
starts one job. An error is raised, not hidden: the event is tried again.
"""

import json
import os
import pathlib
import urllib.parse
import uuid

import boto3

VIDEOS = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".mxf", ".flv", ".3gp"}

mediaconvert = boto3.client("mediaconvert")
template = pathlib.Path(__file__).with_name("job_template.json").read_text()


def handler(event, context):
    started, ignored = [], []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        item = record["s3"]["object"]
        key = urllib.parse.unquote_plus(item["key"])
        path = pathlib.PurePosixPath(key)
        if path.suffix.lower() not in VIDEOS:
            ignored.append(key)
            continue
        version = item.get("versionId") or item["sequencer"]
        asset = str(uuid.uuid5(uuid.NAMESPACE_URL, f"s3://{bucket}/{key}?{version}"))

        settings = json.loads(template)["Settings"]
        settings["Inputs"][0]["FileInput"] = f"s3://{bucket}/{key}"
        for group in settings["OutputGroups"]:
            hls = group["OutputGroupSettings"]["HlsGroupSettings"]
            hls["Destination"] = f"s3://{os.environ['DESTINATION_BUCKET']}/assets/{asset}/HLS/{path.stem}"
        job = mediaconvert.create_job(
            Role=os.environ["MEDIACONVERT_ROLE"],
            Settings=settings,
            UserMetadata={"assetID": asset},
            ClientRequestToken=asset,
            StatusUpdateInterval="SECONDS_10",
        )
        print(f"{key}: job {job['Job']['Id']}")
        started.append(job["Job"]["Id"])
    if ignored:
        print(f"not videos: {ignored}")
    return {"jobs": started, "ignored": ignored}
