// Starts a transcoding job for every video that is put in a bucket; see ../handler/handler.py.
import { createHash } from "node:crypto";
import { basename, extname } from "node:path";
import { CreateJobCommand, MediaConvertClient } from "@aws-sdk/client-mediaconvert";
import template from "../job_template.json";

const videos = new Set([".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".mxf", ".flv", ".3gp"]);
const mediaconvert = new MediaConvertClient({});

export async function handler(event) {
  const jobs = [];
  for (const { s3 } of event.Records) {
    const bucket = s3.bucket.name;
    const key = decodeURIComponent(s3.object.key.replaceAll("+", " "));
    const extension = extname(key);
    if (!videos.has(extension.toLowerCase())) {
      console.log("not a video:", key);
      continue;
    }
    const asset = createHash("sha256").update([bucket, key, s3.object.versionId ?? s3.object.sequencer].join("\0")).digest("hex").slice(0, 32);
    const settings = structuredClone(template.Settings);
    settings.Inputs[0].FileInput = `s3://${bucket}/${key}`;
    for (const group of settings.OutputGroups) {
      group.OutputGroupSettings.HlsGroupSettings.Destination = `s3://${process.env.DESTINATION_BUCKET}/assets/${asset}/HLS/${basename(key, extension)}`;
    }
    const { Job } = await mediaconvert.send(
      new CreateJobCommand({ Role: process.env.MEDIACONVERT_ROLE, Settings: settings, UserMetadata: { assetID: asset }, ClientRequestToken: asset }),
    );
    console.log(`${key}: job ${Job.Id}`);
    jobs.push(Job.Id);
  }
  return { jobs };
}
