"""A tiny HTTP server that misbehaves in a given way: ``tiny_server.py MODE PORT DATA``. Every GET gets 200."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

MODE, PORT, DATA = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (DATA / "kept").read_bytes() if (DATA / "kept").exists() else b""
        self.send_response(503 if MODE == "unhealthy" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        (DATA / "kept").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def note(name: str, pid: int) -> None:
    with (DATA / name).open("a") as file:
        file.write(f"{pid}\n")


if MODE == "dies":
    print("cannot read my configuration", flush=True)
    sys.exit(3)
if MODE == "silent":
    # Listens, accepts connections, and never responds.
    listener = socket.create_server(("127.0.0.1", PORT))
    time.sleep(600)
if MODE == "taken" and not (marker := Path(sys.argv[4])).exists():
    marker.write_text(str(PORT))
    with socket.create_server(("127.0.0.1", PORT)):
        http.server.HTTPServer(("127.0.0.1", PORT), Handler)
if MODE == "children":
    # One child in the same group, and one in a new session whose parent has ended.
    note("pids", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
    leave = (
        "import os, sys, time\nif os.fork(): os._exit(0)\nos.setsid()\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", leave], stdout=subprocess.PIPE, text=True) as left:
        assert left.stdout is not None
        note("pids", int(left.stdout.readline()))
        left.stdout.close()
if MODE == "environment":
    (DATA / "kept").write_text("\n".join(sorted(os.environ)))
note("pids", os.getpid())
http.server.ThreadingHTTPServer.daemon_threads = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
if len(sys.argv) > 5:  # certificate and key: over https
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
