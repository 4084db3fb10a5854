#!/usr/bin/env bash
# What: One key with a "." segment makes every listing by object_store (obstore) fail, and keys it lists cannot be read.
# Where: obstore 0.12.1 (the Rust crate object_store) with boto3 1.43.117 and moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: a key such as "./z" (legal in S3) anywhere in the bucket ends list() with an error and without the
# other keys. Without it, "/lead" and "trail/" are listed as "lead" and "trail", which then cannot be read: 404.
# "a//b" cannot be named at all. A prefix matches whole segments: list("foo") shows "foo/1" and not "foobar".
# put("/x") writes "x".
#
# Expected: an S3 client library passes keys through as they are; at worst it skips one that it cannot express. A
# prefix is a prefix of characters.
#
# Matters: one such key of one writer ends the listings of every reader that is built on this crate (several query
# engines and table formats are). A migration by it leaves objects behind or renames them. Check the keys of a
# bucket before such a reader is pointed at it.
#
# Output seen; the script compares it with what it sees now:
#= list() -> ['foo/1', 'foobar', 'lead', 'trail']
#= list('foo') -> ['foo/1']
#= get('/lead') -> FileNotFoundError
#= get('trail/') -> FileNotFoundError
#= get('a//b') -> ValueError
#= put('/x') wrote ['x']
#= list() beside './z' -> InvalidPathError
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install obstore==0.12.1 boto3==1.43.117 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" obstore==0.12.1 boto3==1.43.117 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
import obstore
import obstore.store
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
store = obstore.store.S3Store("example", endpoint=endpoint, client_options={"allow_http": True}, region="us-east-1")


def attempt(label, call):
    try:
        print(label, "->", call())
    except Exception as error:
        print(label, "->", type(error).__name__)


def listed(prefix=None):
    return sorted(entry["path"] for entry in obstore.list(store, prefix=prefix).collect())


for key in ("/lead", "trail/", "foobar", "foo/1"):
    client.put_object(Bucket="example", Key=key, Body=b"x")
attempt("list()", listed)
attempt("list('foo')", lambda: listed("foo"))
attempt("get('/lead')", lambda: obstore.get(store, "/lead"))
attempt("get('trail/')", lambda: obstore.get(store, "trail/"))
attempt("get('a//b')", lambda: obstore.get(store, "a//b"))
obstore.put(store, "/x", b"1")
print("put('/x') wrote", [entry["Key"] for entry in client.list_objects_v2(Bucket="example", Prefix="x")["Contents"]])
client.put_object(Bucket="example", Key="./z", Body=b"x")
attempt("list() beside './z'", listed)
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
