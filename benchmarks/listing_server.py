"""A listing of any length on loopback, made page by page: ``python -m benchmarks.listing_server KEYS`` prints its URL.

It answers every request with the page of ListObjectsV2 that its continuation token names, and checks no signature. Keys
are those of the layout, of 50 projects, in byte order.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from typing import Final

PAGE: Final = 1000
PROJECTS: Final = 50
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>files</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
)


def _page(first: int, keys: int) -> bytes:
    last = min(first + PAGE, keys)
    per_project = -(-keys // PROJECTS)
    rows = "".join(
        f"<Contents><Key>project/p{number // per_project:02}/FILE/f{number:09}</Key>"
        f"<LastModified>2026-11-{number % 28 + 1:02}T10:{number % 60:02}:00.000Z</LastModified>"
        f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{number % 4096}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, last)
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
    tail = more if last < keys else "<IsTruncated>false</IsTruncated>"
    body = f"{_HEAD}<KeyCount>{last - first}</KeyCount>{tail}{rows}</ListBucketResult>".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _serve(connection: socket.socket, keys: int) -> None:
    with connection, connection.makefile("rb") as reader:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while line := reader.readline():
            while reader.readline() not in (b"\r\n", b""):
                pass
            token = re.search(rb"[?&]continuation-token=([0-9]+)", line)
            connection.sendall(_page(int(token[1]) if token else 0, keys))


def main() -> None:
    keys = int(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, keys), daemon=True).start()


if __name__ == "__main__":
    main()
