// What the JavaScript SDK must see of the buckets.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Upload } from "@aws-sdk/lib-storage";

const Bucket = "js-bucket";
const client = new s3.S3Client({ region: "us-east-1", endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true, maxAttempts: 1 });
const send = (Command, input = {}) => client.send(new Command({ Bucket, ...input }));
const text = async (Key, more = {}) => (await send(s3.GetObjectCommand, { Key, ...more })).Body.transformToString();

await send(s3.CreateBucketCommand);
await send(s3.PutBucketVersioningCommand, { VersioningConfiguration: { Status: "Enabled" } });
await send(s3.PutBucketCorsCommand, { CORSConfiguration: { CORSRules: [{ AllowedMethods: ["GET"], AllowedOrigins: ["*"], AllowedHeaders: ["*"], MaxAgeSeconds: 3000 }] } });
assert.equal((await send(s3.GetBucketCorsCommand)).CORSRules[0].MaxAgeSeconds, 3000);

for (const Key of ["plain", "a b+c/é%20(1).txt", "日本語.mp4"]) {
  const { VersionId } = await send(s3.PutObjectCommand, { Key, Body: "one", Metadata: { Name: "v" }, ContentType: "text/x-test" });
  await send(s3.PutObjectCommand, { Key, Body: "two" });
  assert.deepEqual([await text(Key), await text(Key, { VersionId }), await text(Key, { Range: "bytes=1-" })], ["two", "one", "wo"]);
  const head = await send(s3.HeadObjectCommand, { Key, VersionId });
  assert.deepEqual([head.ContentType, head.Metadata], ["text/x-test", { name: "v" }]);
  const url = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key }));
  const page = await fetch(url, { headers: { Origin: "https://player.example" } });
  assert.deepEqual([page.status, await page.text(), page.headers.get("access-control-allow-origin")], [200, "two", "*"]);
  await send(s3.CopyObjectCommand, { Key: "copy/" + Key, CopySource: encodeURI(`${Bucket}/${Key}`).replaceAll("+", "%2B") });
  assert.equal(await text("copy/" + Key), "two");
}
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
  await send(s3.PutObjectCommand, { Key: ChecksumAlgorithm, Body: "sum", ChecksumAlgorithm });
  assert.equal(await text(ChecksumAlgorithm, { ChecksumMode: "ENABLED" }), "sum");
}
const big = randomBytes(11 << 20); // three parts
await new Upload({ client, params: { Bucket, Key: "big", Body: big } }).done();
assert.ok(Buffer.from(await (await send(s3.GetObjectCommand, { Key: "big" })).Body.transformToByteArray()).equals(big));
assert.equal((await send(s3.DeleteObjectCommand, { Key: "big" })).DeleteMarker, true);
await assert.rejects(text("big"), { name: "NoSuchKey" });
await assert.rejects(send(s3.PutObjectCommand, { Key: "x/../y", Body: "" }), { name: "InvalidArgument" });

const all = [];
for (let marker = {}; marker; ) {
  const page = await send(s3.ListObjectVersionsCommand, { MaxKeys: 3, ...marker });
  all.push(...(page.Versions ?? []), ...(page.DeleteMarkers ?? []));
  marker = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker } : null;
}
assert.equal(all.length, 3 * 2 + 3 + 4 + 2);
const gone = await send(s3.DeleteObjectsCommand, { Delete: { Objects: all.map(({ Key, VersionId }) => ({ Key, VersionId })) } });
assert.deepEqual([gone.Deleted.length, gone.Errors], [all.length, undefined]);
await send(s3.DeleteBucketCommand);
