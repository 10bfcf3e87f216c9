"""Says in its log how each job ended."""


def handler(event, context):
    detail = event["detail"]
    if detail["status"] == "ERROR":
        print(f"job {detail['jobId']} failed: {detail['errorCode']} {detail['errorMessage']}")
        return
    playlists = [p for group in detail["outputGroupDetails"] for p in group.get("playlistFilePaths", [])]
    print(f"job {detail['jobId']} is complete: {playlists}")
