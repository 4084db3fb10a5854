#!/usr/bin/env bash
# What: boto3 without settings retries twice, and waits at most 0.15 s in all: a server that restarts is seen as down.
# Where: boto3 1.44.8 (botocore 1.44.8); the answers are made inside the SDK, no server is asked
# Date: 2026-11-27
#
# Behaviour: the default retry mode is now "standard": 3 attempts; the pause before a retry is random between 0
# and 0.05 s, then 0.1 s. Only throttling (503 SlowDown) is given 1 s and 2 s. The header Retry-After of a 503 is
# not looked at. The figures are the longest pauses: the random number is fixed at 1, and the clock does not run.
#
# Expected: from the years before: mode "legacy" by default, with 5 attempts and pauses of up to 1, 2, 4 and 8 s,
# which is often enough for a gateway to be restarted; mode "standard" with up to 1 and 2 s.
#
# Matters: rolling restarts of a self-run store, and fail-overs of a second, that no client has noticed for years
# now reach the application as errors. Set AWS_MAX_ATTEMPTS, e.g. 8, where the store may be restarted; a store
# that wants to be given time must answer SlowDown, since Retry-After is not heeded.
#
# Output seen; the script compares it with what it sees now:
#= 500 InternalError {} -> mode standard attempts 3 longest pauses [0.05, 0.1]
#= 503 ServiceUnavailable {'Retry-After': '7'} -> mode standard attempts 3 longest pauses [0.05, 0.1]
#= 503 SlowDown {} -> mode standard attempts 3 longest pauses [1.0, 2.0]
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install boto3==1.44.8 botocore==1.44.8"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" boto3==1.44.8 botocore==1.44.8 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import random
import time

pauses = []
random.random = lambda: 1.0  # before botocore binds it
time.sleep = pauses.append

import boto3
from botocore.awsrequest import AWSResponse


def attempt(status, code, headers):
    sent = []

    def answer(request, **_):
        sent.append(request)
        response = AWSResponse(request.url, status, headers, None)
        response._content = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
        return response

    pauses.clear()
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
    client.meta.events.register("before-send.s3", answer)
    try:
        client.get_object(Bucket="example", Key="key")
    except client.exceptions.ClientError:
        pass
    mode = client.meta.config.retries["mode"]
    print(status, code, headers, "-> mode", mode, "attempts", len(sent), "longest pauses", pauses)


attempt(500, "InternalError", {})
attempt(503, "ServiceUnavailable", {"Retry-After": "7"})
attempt(503, "SlowDown", {})
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
