#!/usr/bin/env bash
# What: smart_open, PyArrow and obstore read one open file as a mix of two versions; boto3 and s3fs refuse.
# Where: smart_open 9.0.2, pyarrow 26.0.1, obstore 0.12.1, s3fs 2026.9.0, boto3 1.43.117, against a server of 40 lines in this script
# Date: 2026-11-27
#
# Behaviour: an object is replaced after the first range was read. smart_open, PyArrow and the reader and
# get_ranges of obstore send no If-Match with the later ranges and return the head of the old and the tail of the
# new version as one file. boto3 downloads (s3transfer) and s3fs pin the ETag and fail with 412.
#
# Expected: each of them learnt the ETag with its first answer, so later ranges are expected to name it. From
# older boto3, an expert remembers the opposite of what is seen: that its parallel downloads do not pin.
#
# Matters: columnar files, archives and databases are read by their tail and then by ranges: a mix of two versions
# is a damaged file at best and wrong figures at worst, and no checksum is looked at. Write new keys instead of
# overwriting, or read by version id.
#
# Output seen; the script compares it with what it sees now:
#= smart_open -> begins with b'o' ends with b'n'
#= pyarrow -> begins with b'o' ends with b'n'
#= obstore.open_reader -> begins with b'o' ends with b'n'
#= obstore.get_ranges -> begins with b'o' ends with b'n'
#= s3fs.open -> refused: 412
#= boto3.download_file -> refused: 412
set -euo pipefail
recorded=$(sed -n 's/^#= //p' "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "+ pip install smart_open[s3]==9.0.2 pyarrow==26.0.1 obstore==0.12.1 s3fs==2026.9.0 boto3==1.43.117"
if command -v uv >/dev/null; then
    uv venv --quiet venv && install=(uv pip install --quiet --python venv/bin/python)
else
    python3 -m venv venv && install=(venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" "smart_open[s3]==9.0.2" pyarrow==26.0.1 obstore==0.12.1 s3fs==2026.9.0 boto3==1.43.117 >&2 || { echo "could not install" >&2; exit 3; }

cat >probe.py <<'PROBE'
import http.server
import os
import threading

import boto3
import boto3.s3.transfer
import obstore
import obstore.store
import pyarrow.fs
import s3fs
import smart_open

SIZE = 20 * 2**20
version = 0


class Handler(http.server.BaseHTTPRequestHandler):
    """One object; whoever has read a range of version 0 finds version 1 afterwards."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        global version
        now = version
        etag = f'"{now:032d}"'
        if self.headers.get("If-Match", etag) != etag:
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = 0, SIZE - 1
        if wanted := self.headers.get("Range"):
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(int(end or last), last)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{SIZE}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", f"Thu, 01 Jan 2026 00:00:0{now} GMT")
        self.end_headers()
        if self.command == "GET":
            version = 1
            try:
                self.wfile.write((b"old", b"new")[now][:1] * (last - first + 1))
            except OSError:
                pass  # a reader that seeks hangs up


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
address = "127.0.0.1:%d" % server.server_port
endpoint = "http://" + address
client = boto3.client("s3", endpoint_url=endpoint)
store = obstore.store.S3Store("example", endpoint=endpoint, client_options={"allow_http": True}, region="us-east-1")
arrow = pyarrow.fs.S3FileSystem(endpoint_override=address, scheme="http")


def head_and_tail(stream):
    head = bytes(stream.read(10))
    stream.seek(SIZE - 10)
    return head + bytes(stream.read(10))


def download():
    client.download_file("example", "key", "target")
    with open("target", "rb") as stream:
        return stream.read()


readers = {
    "smart_open": lambda: head_and_tail(smart_open.open("s3://example/key", "rb", transport_params={"client": client})),
    "pyarrow": lambda: head_and_tail(arrow.open_input_file("example/key")),
    "obstore.open_reader": lambda: head_and_tail(obstore.open_reader(store, "key")),
    "obstore.get_ranges": lambda: b"".join(map(bytes, obstore.get_ranges(store, "key", starts=[0, SIZE - 10], ends=[10, SIZE], coalesce=1))),
    "s3fs.open": lambda: head_and_tail(s3fs.S3FileSystem(endpoint_url=endpoint).open("example/key", block_size=2**20)),
    "boto3.download_file": download,
}
for name, read in readers.items():
    version = 0
    try:
        content = read()
        print(name, "-> begins with", content[:1], "ends with", content[-1:])
    except Exception as error:
        print(name, "-> refused:", "412" if "412" in str(error) or "Precondition" in str(error) else error)
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
