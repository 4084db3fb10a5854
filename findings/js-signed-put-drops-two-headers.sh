#!/usr/bin/env bash
# What: A PUT URL signed by the AWS SDK for JavaScript forgets ContentType and CacheControl, and moves metadata into the query.
# Where: npm @aws-sdk/client-s3 3.1175.0, @aws-sdk/s3-request-presigner 3.1169.0; nothing is sent
# Date: 2026-11-27
#
# Behaviour: of a PutObjectCommand with nine properties, ContentType and CacheControl appear neither among the
# signed headers nor in the query: whoever holds the URL sends any type. ContentDisposition, ContentLength,
# IfNoneMatch and ServerSideEncryption are signed as headers that the uploader must repeat. Metadata, Tagging and
# ACL are moved into the query, where the uploader cannot change them and a server has to look for them.
# signableHeaders: new Set(["content-type"]) binds the type.
#
# Expected: what is given to the command is bound by its signature, all in one way, as the SDK for Python binds
# the type: a PUT with another one is refused.
#
# Matters: an application that "allows images only" by ContentType has bound nothing: a page of HTML is taken.
# Cache-Control never reaches the object. On a server that reads metadata and tags from headers alone, they are
# lost with 200.
#
# Output seen; the script compares it with what it sees now:
#= by default content-type -> nowhere
#= by default cache-control -> nowhere
#= by default content-disposition -> signed header
#= by default content-length -> signed header
#= by default if-none-match -> signed header
#= by default x-amz-server-side-encryption -> signed header
#= by default x-amz-meta-owner -> query
#= by default x-amz-tagging -> query
#= by default x-amz-acl -> query
#= signableHeaders content-type -> signed header
#= signableHeaders cache-control -> nowhere
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ npm install @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0"
npm install --silent --no-audit --no-fund @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.mjs <<'PROBE'
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const credentials = { accessKeyId: "examplekey", secretAccessKey: "examplesecret" };

const client = new S3Client({ endpoint: "http://127.0.0.1:9", region: "us-east-1", forcePathStyle: true, credentials });
const command = new PutObjectCommand({
  Bucket: "example", Key: "key", ContentType: "image/png", CacheControl: "no-store", ContentDisposition: "inline", ContentLength: 5,
  IfNoneMatch: "*", ServerSideEncryption: "AES256", Metadata: { owner: "example" }, Tagging: "a=b", ACL: "private",
});
const sought = ["content-type", "cache-control", "content-disposition", "content-length", "if-none-match", "x-amz-server-side-encryption",
  "x-amz-meta-owner", "x-amz-tagging", "x-amz-acl"];
for (const [label, options] of [["by default", {}], ["signableHeaders", { signableHeaders: new Set(["content-type"]) }]]) {
  const query = new URL(await getSignedUrl(client, command, options)).searchParams;
  const signed = query.get("X-Amz-SignedHeaders").split(";");
  for (const name of label === "by default" ? sought : ["content-type", "cache-control"])
    console.log(label, name, "->", signed.includes(name) ? "signed header" : query.has(name) ? "query" : "nowhere");
}
PROBE

unset "${!AWS_@}"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export AWS_ACCESS_KEY_ID=examplekey AWS_SECRET_ACCESS_KEY=examplesecret AWS_DEFAULT_REGION=us-east-1
echo "+ node probe.mjs"
observed=$(HOME=$work timeout 120 node probe.mjs 2>errors) || { cat errors >&2; echo "could not run the probe to its end" >&2; exit 3; }
printf 'recorded:\n%s\n\nobserved:\n%s\n\n' "$recorded" "$observed"
if [ "$observed" != "$recorded" ]; then
    echo "CHANGED: lines with < were recorded, lines with > are seen now" >&2
    diff <(printf '%s\n' "$recorded") <(printf '%s\n' "$observed") >&2 || true
    exit 1
fi
echo "as recorded"
