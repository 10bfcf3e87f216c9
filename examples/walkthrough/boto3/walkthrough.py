#!/usr/bin/env python3
"""Private, automated video streaming with boto3: buckets, roles, a distribution, a
function that turns every upload into a job; then an upload, and its stream.

    eval "$(vodwright env)"
    examples/walkthrough/boto3/walkthrough.py up VIDEO
    examples/walkthrough/boto3/walkthrough.py down

NAME=... (default walkthrough-boto3) begins the name of all that is made.
"""

import io
import json
import os
import pathlib
import socket
import ssl
import sys
import time
import urllib.parse
import urllib.request
import zipfile

import boto3
import botocore.exceptions

HERE = pathlib.Path(__file__).resolve().parent.parent
NAME = os.environ.get("NAME", "walkthrough-boto3")
SOURCE, STREAMS = NAME + "-source", NAME + "-streams"
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def client(service):
    # endpoint_url: releases before 1.28 do not read AWS_ENDPOINT_URL.
    return boto3.client(service, region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"), endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))


s3, iam, functions, cloudfront, mediaconvert, sts, logs = map(client, ("s3", "iam", "lambda", "cloudfront", "mediaconvert", "sts", "logs"))


def document(name, **fill):
    text = (HERE / "policies" / (name + ".json")).read_text()
    for placeholder, value in fill.items():
        text = text.replace(placeholder, value)
    return text


def role(name, trust, policy):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy)
    return arn


def package():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as z:
        z.write(HERE / "handler" / "handler.py", "handler.py")
        z.write(HERE / "job_template.json", "job_template.json")
    return data.getvalue()


def up(video):
    account = sts.get_caller_identity()["Account"]
    for bucket in (SOURCE, STREAMS):
        s3.create_bucket(Bucket=bucket)
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration=dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True),
        )
    s3.put_bucket_versioning(Bucket=STREAMS, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_cors(Bucket=STREAMS, CORSConfiguration=json.loads(document("cors")))

    transcoding = role(NAME + "-transcoding", "trust-mediaconvert", document("transcoding", SOURCE=SOURCE, STREAMS=STREAMS))
    automation = role(NAME + "-automation", "trust-lambda", document("automation", ROLE=transcoding))
    iam.attach_role_policy(RoleName=NAME + "-automation", PolicyArn=LOGS_POLICY)

    control = cloudfront.create_origin_access_control(
        OriginAccessControlConfig={"Name": NAME, "SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3"}
    )["OriginAccessControl"]["Id"]
    distribution = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": f"{NAME}-{time.time_ns()}",
            "Comment": NAME,
            "Enabled": True,
            "PriceClass": "PriceClass_100",
            "Origins": {
                "Quantity": 1,
                "Items": [{"Id": "streams", "DomainName": f"{STREAMS}.s3.us-east-1.amazonaws.com", "OriginAccessControlId": control, "S3OriginConfig": {"OriginAccessIdentity": ""}}],
            },
            "DefaultCacheBehavior": {
                "TargetOriginId": "streams",
                "ViewerProtocolPolicy": "https-only",
                "Compress": True,
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",  # CachingOptimized
                "ResponseHeadersPolicyId": "60669652-455b-4ae9-85a4-c4c02393f86c",  # SimpleCORS
            },
        }
    )["Distribution"]
    cloudfront.get_waiter("distribution_deployed").wait(Id=distribution["Id"])
    s3.put_bucket_policy(Bucket=STREAMS, Policy=document("streams-bucket", STREAMS=STREAMS, DISTRIBUTION=distribution["ARN"]))

    function = functions.create_function(
        FunctionName=NAME,
        Runtime="python3.11",
        Handler="handler.handler",
        Role=automation,
        Timeout=120,
        Code={"ZipFile": package()},
        Environment={"Variables": {"DESTINATION_BUCKET": STREAMS, "MEDIACONVERT_ROLE": transcoding}},
    )["FunctionArn"]
    functions.get_waiter("function_active").wait(FunctionName=NAME)
    functions.add_permission(
        FunctionName=NAME, StatementId="uploads", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{SOURCE}", SourceAccount=account
    )
    s3.put_bucket_notification_configuration(
        Bucket=SOURCE, NotificationConfiguration={"LambdaFunctionConfigurations": [{"Id": "uploads", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}]}
    )

    key = "inbox/" + pathlib.Path(video).name
    s3.upload_file(video, SOURCE, key)
    print("uploaded", key)
    job = wait_for_job(f"s3://{SOURCE}/{key}")
    path = f"assets/{job['UserMetadata']['assetID']}/HLS/{pathlib.Path(video).stem}.m3u8"
    play(distribution["DomainName"], path)


def wait_for_job(source):
    for _ in range(600):
        for job in mediaconvert.list_jobs(Order="DESCENDING", MaxResults=20)["Jobs"]:
            if job["Settings"]["Inputs"][0]["FileInput"] != source:
                continue
            if job["Status"] == "COMPLETE":
                print("job", job["Id"], "is complete")
                return job
            if job["Status"] in ("ERROR", "CANCELED"):
                sys.exit(f"job {job['Id']} ended {job['Status']}: {job.get('ErrorMessage')}")
        time.sleep(0.5)
    sys.exit(f"no finished job for {source}; see: aws logs tail /aws/lambda/{NAME}")


def play(domain, path):
    """Reads the stream as a player does: multivariant playlist, media playlist, segment."""
    host = domain
    if "VODWRIGHT_HTTPS" in os.environ:  # names below localhost are this machine; not every resolver knows it
        host = f"{domain}:{urllib.parse.urlsplit(os.environ['VODWRIGHT_HTTPS']).port}"
        resolve = socket.getaddrinfo
        socket.getaddrinfo = lambda name, *rest, **more: resolve("127.0.0.1" if name == domain else name, *rest, **more)
    trust = ssl.create_default_context(cafile=os.environ.get("VODWRIGHT_CA_FILE"))

    def get(url):
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": "https://player.example"}), context=trust) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*", "players of other sites cannot read this"
            return answer.read()

    url = f"https://{host}/{urllib.parse.quote(path)}"
    while True:
        body = get(url)
        print(f"{len(body):>9} bytes  {url}")
        if not body.startswith(b"#EXTM3U"):
            break
        first = next(line for line in body.decode().splitlines() if line and not line.startswith("#"))
        url = urllib.parse.urljoin(url, first)
    assert body[0] == 0x47 and body[188] == 0x47, "the segment is no transport stream"


def down():
    def gone(call, **args):
        try:
            return call(**args)
        except botocore.exceptions.ClientError as e:
            if not e.response["Error"]["Code"].startswith(("NoSuch", "ResourceNotFound", "NotFound")):
                raise

    gone(s3.put_bucket_notification_configuration, Bucket=SOURCE, NotificationConfiguration={})
    gone(functions.delete_function, FunctionName=NAME)
    gone(logs.delete_log_group, logGroupName="/aws/lambda/" + NAME)
    for item in cloudfront.list_distributions()["DistributionList"].get("Items", []):
        if item["Comment"] != NAME:
            continue
        got = cloudfront.get_distribution_config(Id=item["Id"])
        config = {**got["DistributionConfig"], "Enabled": False}
        tag = cloudfront.update_distribution(Id=item["Id"], IfMatch=got["ETag"], DistributionConfig=config)["ETag"]
        cloudfront.get_waiter("distribution_deployed").wait(Id=item["Id"])
        cloudfront.delete_distribution(Id=item["Id"], IfMatch=tag)
    for item in cloudfront.list_origin_access_controls()["OriginAccessControlList"].get("Items", []):
        if item["Name"] == NAME:
            tag = cloudfront.get_origin_access_control(Id=item["Id"])["ETag"]
            cloudfront.delete_origin_access_control(Id=item["Id"], IfMatch=tag)
    gone(iam.detach_role_policy, RoleName=NAME + "-automation", PolicyArn=LOGS_POLICY)
    for name in (NAME + "-transcoding", NAME + "-automation"):
        gone(iam.delete_role_policy, RoleName=name, PolicyName="rights")
        gone(iam.delete_role, RoleName=name)
    for bucket in (SOURCE, STREAMS):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        try:
            for page in pages:
                items = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
                if items:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": items, "Quiet": True})
        except s3.exceptions.NoSuchBucket:
            continue
        s3.delete_bucket(Bucket=bucket)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "up":
        up(sys.argv[2])
    elif sys.argv[1:] == ["down"]:
        down()
    else:
        sys.exit(__doc__)
