#!/usr/bin/env bash
# What: A "with" block that fails half-way publishes the half object in s3fs, PyArrow and cloudpathlib, and not in smart_open and obstore.
# Where: s3fs 2026.9.0, pyarrow 26.0.1, cloudpathlib 0.26.0, smart_open 9.0.2, obstore 0.12.1, with moto 5.2.5 as the server
# Date: 2026-11-27
#
# Behaviour: the writer raises after the first half. s3fs, PyArrow and cloudpathlib close the stream on the way
# out, and closing completes the upload: the object appears under its final name with half of its content and a
# correct ETag. smart_open and obstore abort, and nothing appears.
#
# Expected: S3 has no partial objects: an upload that was not finished is not there. From this an expert concludes
# that an exception in the writer leaves the old object or none.
#
# Matters: a job that dies of bad input leaves an object which every check (HEAD, ETag, checksum) calls whole,
# over the good one of yesterday. Write under a temporary name and copy, or use a library that aborts.
#
# Output seen; the script compares it with what it sees now:
#= s3fs -> b'half of'
#= pyarrow -> b'half of'
#= cloudpathlib -> b'half of'
#= smart_open -> b'the old content'
#= obstore -> b'the old content'
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install s3fs==2026.9.0 pyarrow==26.0.1 cloudpathlib[s3]==0.26.0 smart_open[s3]==9.0.2 obstore==0.12.1 boto3==1.43.117 moto[server,s3]==5.2.5"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" s3fs==2026.9.0 pyarrow==26.0.1 "cloudpathlib[s3]==0.26.0" "smart_open[s3]==9.0.2" obstore==0.12.1 boto3==1.43.117 "moto[server,s3]==5.2.5" >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import boto3
import cloudpathlib
import obstore
import obstore.store
import pyarrow.fs
import s3fs
import smart_open
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="example")
store = obstore.store.S3Store("example", endpoint=endpoint, client_options={"allow_http": True}, region="us-east-1")
arrow = pyarrow.fs.S3FileSystem(endpoint_override=endpoint.removeprefix("http://"), scheme="http")
writers = {
    "s3fs": lambda: s3fs.S3FileSystem(endpoint_url=endpoint).open("example/key", "wb"),
    "pyarrow": lambda: arrow.open_output_stream("example/key"),
    "cloudpathlib": lambda: cloudpathlib.S3Client(endpoint_url=endpoint).CloudPath("s3://example/key").open("wb"),
    "smart_open": lambda: smart_open.open("s3://example/key", "wb", transport_params={"client": client}),
    "obstore": lambda: obstore.open_writer(store, "key"),
}
for name, open_writer in writers.items():
    client.put_object(Bucket="example", Key="key", Body=b"the old content")
    try:
        with open_writer() as stream:
            stream.write(b"half of")
            raise RuntimeError("the source broke off")
    except RuntimeError:
        pass
    print(name, "->", client.get_object(Bucket="example", Key="key")["Body"].read())
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
