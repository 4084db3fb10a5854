#!/usr/bin/env bash
# What: aws s3 rm --recursive sends one DELETE for every key, and never a batch.
# Where: awscli 1.46.3 with moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: five objects are removed by one listing and five requests DELETE /bucket/key. DeleteObjects, which
# takes 1000 keys at a time, is not used, at any size. sync --delete does the same.
#
# Expected: the command of the vendor for "remove all of these" uses the request of the vendor for it.
#
# Matters: a million objects are a million requests, hours instead of minutes, and run into the limits by request
# of self-run and of other services (429, 503). A test by this command says nothing of DeleteObjects: a server
# whose batches are broken passes. A policy or an event rule that counts on batches does not fire.
#
# Output seen; the script compares it with what it sees now:
#= exit 0
#= DELETE /example/folder/0
#= DELETE /example/folder/1
#= DELETE /example/folder/2
#= DELETE /example/folder/3
#= DELETE /example/folder/4
#= GET /example
#= sync --delete: exit 0
#= DELETE /example/folder/0
#= DELETE /example/folder/1
#= DELETE /example/folder/2
#= GET /example
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install awscli==1.46.3 boto3==1.44.8 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" awscli==1.46.3 boto3==1.44.8 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import logging
import re

from moto.server import ThreadedMotoServer

requests = []


class Keep(logging.Handler):
    def emit(self, record):
        requests.append(re.search(r"(?:GET|PUT|POST|DELETE|HEAD) [^ ?]+", record.getMessage())[0])


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
logger = logging.getLogger("werkzeug")
logger.handlers, logger.propagate = [Keep()], False
logger.setLevel(logging.INFO)

import pathlib
import subprocess

import boto3

client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
for number in range(5):
    client.put_object(Bucket="example", Key=f"folder/{number}", Body=b"content")
requests.clear()
command = ["venv/bin/aws", "--endpoint-url", endpoint, "s3", "rm", "--quiet", "--recursive", "s3://example/folder/"]
print("exit", subprocess.run(command).returncode)
for request in sorted(requests):
    print(request)
for number in range(3):
    client.put_object(Bucket="example", Key=f"folder/{number}", Body=b"content")
requests.clear()
pathlib.Path("empty").mkdir()
command[4:] = ["sync", "--quiet", "--delete", "empty", "s3://example/folder/"]
print("sync --delete: exit", subprocess.run(command).returncode)
for request in sorted(requests):
    print(request)
server.stop()
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
