"""What `aws logs tail GROUP --follow` of the aws CLI version 2 does, for machines that have version 1."""
import os
import sys
import time

import boto3

logs = boto3.client("logs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
start, seen = int((time.time() - 600) * 1000), set()
while True:
    newest = start
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=sys.argv[1], interleaved=True, startTime=start):
        for e in page["events"]:
            newest = max(newest, e["timestamp"])
            if e["eventId"] not in seen:
                seen.add(e["eventId"])
                print(e["timestamp"], e["message"], flush=True)
    start = newest
    time.sleep(0.2)
