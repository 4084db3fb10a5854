#!/usr/bin/env bash
# What: aws s3 cp and sync write the keys a/b and a//b into one file, report both as done, and sync never comes to an end of its work.
# Where: awscli 1.46.3 with moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: both keys are downloaded to a/b: the file holds one of the two, the exit status is 0, and nothing is
# said. A second sync, with nothing changed, downloads again: the size of the file can match one of the two keys
# alone.
#
# Expected: a tool whose purpose is to copy a bucket warns and exits with 2 when it cannot keep two keys apart, as
# it does for keys it cannot write.
#
# Matters: double slashes come from programs that join a prefix ending in "/" with a name beginning with "/". A
# backup by this command lacks an object and is called complete.
#
# Output seen; the script compares it with what it sees now:
#= cp --recursive -> exit 0 files ['target/a/b'] downloads told: 2 errors ''
#= sync -> exit 0 files ['target/a/b'] downloads told: one or both errors ''
#= sync -> exit 0 files ['target/a/b'] downloads told: one or both errors ''
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
client.put_object(Bucket="example", Key="a/b", Body=b"one")
client.put_object(Bucket="example", Key="a//b", Body=b"other")
aws = ["venv/bin/aws", "--endpoint-url", endpoint, "s3"]
for command in (["cp", "--recursive"], ["sync"], ["sync"]):
    done = subprocess.run([*aws, *command, "--no-progress", "s3://example/", "target"], capture_output=True, text=True)
    told = done.stdout.count("download:")
    files = [str(path) for path in pathlib.Path("target").rglob("*") if path.is_file()]
    downloads = told if command[0] == "cp" else "one or both" if told else "none"
    print(*command, "-> exit", done.returncode, "files", files, "downloads told:", downloads, "errors", repr(done.stderr))
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
