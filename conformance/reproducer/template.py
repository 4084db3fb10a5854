"""The template of every reproducer; ``script.py`` inserts the recorded steps and writes the script.

It must run on Python 3.9 with nothing but the standard library.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import os
import re
import socket
import ssl
import sys
import threading
import time
import traceback
import zlib
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


def pattern(size: int, salt: int = 0, offset: int = 0) -> bytes:
    """Return bytes with a period of 251: a lost, repeated or moved block is visible."""
    block = bytes((index * 7 + salt) % 256 for index in range(251))
    return (block * ((offset + size) // 251 + 1))[offset : offset + size]


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def numbered(form: str, numbers: range, digits: str = "%d") -> list[str]:
    return [form.replace("\u27e6n\u27e7", digits % number) for number in numbers]


def each(form: str, values: list[str]) -> str:
    entities = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;", '"': "&quot;", "'": "&apos;"}
    return "".join(form % escape(value, entities) for value in values)


# <recorded>
PROMISED = ""
OBSERVED = ""
REGION = "us-east-1"
VIRTUAL = False
NOTES: list[str] = []
SAME_TELLS_NOTHING = ""
OTHER_TELLS_NOTHING = ""
STEPS: list[dict[str, Any]] = []
# </recorded>

SENT_HEADERS = {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type"}
SENT_HEADERS |= {"content-range", "content-length"}
CUT_OFF = "body cut off"
TIMEOUT_S = 60
# For a whole response, however slowly it comes, and for the body.
MOST_S = 5 * TIMEOUT_S
MOST_BYTES = 64 * 1024 * 1024
# The listings of some servers depend on other keys in the bucket: one sorts before all recorded keys, one after them.
NEIGHBOURS = [{"method": "PUT", "key": f"{first}-neighbour/of-what-is-listed", "body": b"x"} for first in "0z"]


def hanging_up(connection: http.client.HTTPConnection) -> threading.Timer:
    """Hang up after MOST_S unless cancelled: the timeout of a socket only applies to each read."""

    def hang_up() -> None:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(MOST_S, hang_up)
    timer.daemon = True
    timer.start()
    return timer


def whole(response: http.client.HTTPResponse) -> tuple[bytes, str]:
    """Return the body and what is wrong with it; reads at most MOST_BYTES."""
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = response.read(65536)
        except http.client.IncompleteRead as error:
            return b"".join(pieces) + error.partial, CUT_OFF
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            return b"".join(pieces), f"{CUT_OFF}: more than {MOST_BYTES} bytes"
        if not piece:
            return b"".join(pieces), CUT_OFF if response.length else ""


def stranger_like(own: str) -> str:
    """Return a key id of the same form and length as one's own, of whose characters it tells only the kind."""
    kinds = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    start = own[:4] if own[:4] in ("AKIA", "ASIA") else ""
    rest, made = own[len(start) :], ""
    over_all = next((kind for kind in ("0123456789abcdef", "0123456789ABCDEF") if set(rest) <= set(kind)), "")
    over_all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if start else over_all
    for at, char in enumerate(rest):
        kind = over_all or next((one for one in kinds if char in one), char)
        pick = kind[(7 * at + 3) % len(kind)]
        made += kind[(7 * at + 4) % len(kind)] if at == len(rest) - 1 and made + pick == rest else pick
    return start + made


class Client:
    """Signs and sends requests to S3_ENDPOINT, and keeps the responses of each step."""

    def __init__(self, env: Any) -> None:
        self.parts = urlsplit(env["S3_ENDPOINT"])
        self.bucket = env["S3_BUCKET"]
        self.own = (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN") or "")
        self.region = env.get("AWS_REGION") or REGION
        self.ca_file = env.get("S3_CA_FILE") or None
        self.offset = 0.0
        self.answers: dict[int, tuple[list[tuple[str, str]], bytes]] = {}
        self.written: list[dict[str, Any]] = []
        self.connections: dict[str, http.client.HTTPConnection] = {}

    def place(self, step: dict[str, Any]) -> tuple[str, str]:
        """Return the host and the path of a step. A key is percent-encoded; a path is sent unchanged."""
        bucket = quote(step.get("bucket", self.bucket), safe="")
        tail = (
            "/" + quote(step["key"].encode("utf-8", "surrogatepass"), safe="/-._~")
            if "key" in step
            else step.get("path", "")
        )
        netloc = re.sub(r":(80|443)$", "", self.parts.netloc) if self.default_port() else self.parts.netloc
        base = self.parts.path.rstrip("/")
        if VIRTUAL and bucket:
            return f"{bucket}.{netloc}", base + tail or "/"
        return netloc, base + (f"/{bucket}" if bucket else "") + tail or "/"

    def default_port(self) -> bool:
        return bool(self.parts.port == {"http": 80, "https": 443}[self.parts.scheme])

    def keys(self, signer: str) -> tuple[str, str, str]:
        if signer == "wrong secret":
            return self.own[0], "not-the-secret-of-this-key", ""
        if signer == "unknown key":
            return stranger_like(self.own[0]), "nobody-has-this-secret", ""
        return self.own

    def signature(
        self,
        secret: str,
        stamp: str,
        region: str,
        request: tuple[str, str, list[str]],
        headers: dict[str, str],
        payload: str,
    ) -> tuple[str, str, bytes]:
        """Return the names of the signed headers, the signature, and the signing key (Signature Version 4)."""
        method, path, query = request
        pairs = sorted(item.partition("=")[::2] for item in query)
        names = sorted(headers)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        canonical = [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            lines,
            ";".join(names),
            payload,
        ]
        scope = f"{stamp[:8]}/{region}/s3/aws4_request"
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        key = b"AWS4" + secret.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        return ";".join(names), hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), key

    def stamp(self, age: float) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self.offset - age))

    def send(self, step: dict[str, Any]) -> tuple[int | None, list[tuple[str, str]], bytes, str]:
        """Sign and send one step. Return the status (None: no response), the headers, the body, and the error."""
        host, path = self.place(step)
        query = self.fill(step.get("query", ""), "query")
        raw = step.get("body", b"")
        body = self.fill(raw, "body").encode() if isinstance(raw, str) else raw
        headers = [(name, self.fill(value, "header", body)) for name, value in step.get("headers", [])]
        names = {name.lower() for name, _ in headers}
        chunks = step.get("chunks")
        if chunks is not None:
            frame = (chunks, step.get("trailer"), step.get("signed_chunks", chunks))
            body = chunked(*frame, "0" * 64, "", b"")
        if (
            "content-length" not in names
            and "transfer-encoding" not in names
            and (body or step["method"] in ("PUT", "POST"))
        ):
            headers.append(("Content-Length", str(len(body))))
        how = step.get("sign", "header")
        if how == "header":
            key_id, secret, token = self.keys(step.get("signer", "own"))
            stamp = self.stamp(step.get("age", 0))
            region = step.get("region", self.region)
            payload = step.get("payload") or hashlib.sha256(body).hexdigest()
            own = [("X-Amz-Date", stamp), ("X-Amz-Content-SHA256", payload)]
            own += [("X-Amz-Security-Token", token)] if token else []
            signed: dict[str, str] = {"host": host}
            for name, value in [*headers, *own]:
                low = name.lower()
                if (low.startswith("x-amz-") or low in ("content-md5", "content-type")) and low not in step.get(
                    "unsigned", ()
                ):
                    signed[low] = f"{signed[low]},{value}" if low in signed else value
            request = (step["method"], path, query.split("&") if query else [])
            listed, given, key = self.signature(secret, stamp, region, request, signed, payload)
            scope = f"{stamp[:8]}/{region}/s3/aws4_request"
            proof = "AWS4-HMAC-SHA256 Credential=" + f"{key_id}/{scope}, SignedHeaders={listed}, Signature=" + given
            headers += [*own, ("Authorization", proof)]
            if chunks is not None:
                body = chunked(*frame, given, f"{stamp}\n{scope}", key)
        elif how == "url":
            query = "&".join(self.signed_query(step))
        target = path + ("?" + query if query else "")
        return self.exchange(host, step["method"], target, [("Host", host), *headers], body, step.get("cut_after"))

    def signed_query(self, step: dict[str, Any]) -> list[str]:
        """Return the URL's query, signed like the recorded one and as long ago, with the same changes after it."""
        was = step["signed"]
        host, path = self.place(was.get("place", step))
        key_id, secret, token = self.keys(step.get("signer", "own"))
        stamp, region = self.stamp(was["age"]), was.get("region", self.region)
        headers = {"host": host, **{name.lower(): value for name, value in was.get("headers", [])}}
        credential = quote(f"{key_id}/{stamp[:8]}/{region}/s3/aws4_request", safe="")
        query = [*was.get("query", []), "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=" + credential]
        query += [f"X-Amz-Date={stamp}", f"X-Amz-Expires={was['expires']}"]
        query += [f"X-Amz-SignedHeaders={quote(';'.join(sorted(headers)), safe='')}"]
        query += ["=".join(("X-Amz-Security-Token", quote(token, safe="")))] if token else []
        request = (was.get("method", step["method"]), path, query)
        _, given, _ = self.signature(secret, stamp, region, request, headers, "UNSIGNED-PAYLOAD")
        query.append("X-Amz-Signature=" + given)
        for change in step.get("then", []):
            what, name = change[0], change[1]
            at = (
                [item.partition("=")[0] for item in query].index(name)
                if what in ("remove", "change", "other digit")
                else 0
            )
            value = (
                self.again(change[2], key_id, was["age"], given) if len(change) > 2 and what != "other digit" else ""
            )
            if what == "remove":
                del query[at]
            elif what == "change":
                query[at] = f"{name}={value}"
            elif what == "other digit":
                digits = list(given)
                for index in change[2]:
                    digits[index] = "%x" % ((int(digits[index], 16) + 1) % 16)
                query[at] = f"{name}={''.join(digits)}"
            else:
                query.insert(0 if what == "put first" else len(query), f"{name}={value}" if value is not None else name)
        return query

    def again(self, value: str | None, key_id: str, age: float, given: str) -> str | None:
        """Replace the marks of the signer's values in a changed URL by the current ones: key id, dates, signature."""
        if value is None:
            return None
        value = value.replace("\u27e6key id\u27e7", quote(key_id, safe=""))
        value = re.sub("\u27e6time([+-]\\d+)\u27e7", lambda hit: self.stamp(age - int(hit[1])), value)
        value = re.sub("\u27e6day([+-]\\d+)\u27e7", lambda hit: self.stamp(age - 86400 * int(hit[1]))[:8], value)
        value = value.replace("\u27e6SIGNATURE\u27e7", given.upper()).replace("\u27e6signature\u27e7", given)
        return re.sub("\u27e6signature:(\\d+)\u27e7", lambda hit: given[: int(hit[1])], value)

    def fill(self, text: str, where: str, body: bytes = b"") -> str:
        """Replace the marks of values from the recorded server by the values from the server of this run."""

        def value(hit: re.Match[str]) -> str:
            if hit[1] == "md5 of the body":
                return base64.b64encode(hashlib.md5(body).digest()).decode()
            if hit[1] == "bucket":
                return str(self.bucket)
            if hit[1].startswith("date"):
                return formatdate(time.time() + self.offset + int(hit[1][4:]), usegmt=True)
            if hit[1].count(" ") != 3:
                return hit[0]
            form, name, step, index = hit[1].split(" ")
            found = self.answer_value(int(step), name, int(index))
            found = found.strip('"') if "bare" in form else found
            if "xml" in form:
                found = escape(found, {'"': "&quot;"})
            return quote(found, safe="-._~") if where == "query" or "url" in form else found

        return re.sub("\u27e6([^\u27e7]*)\u27e7", value, text)

    def answer_value(self, step: int, name: str, index: int) -> str:
        headers, body = self.answers.get(step, ([], b""))
        for header, value in headers:
            if header.lower() == name.lower():
                return value
        found = re.findall(f"<{name}>([^<]*)</{name}>", body.decode("utf-8", "replace"))
        return unescape(found[index], {"&quot;": '"', "&#34;": '"', "&apos;": "'"}) if index < len(found) else "missing"

    def exchange(
        self,
        host: str,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        cut_after: int | None = None,
    ) -> tuple[int | None, list[tuple[str, str]], bytes, str]:
        if cut_after is not None and host in self.connections:
            self.connections.pop(host).close()
        for attempt in (1, 2):
            reused = host in self.connections
            connection = self.connections.get(host) or self.connect(host)
            try:
                connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
                for name, value in headers:
                    connection.putheader(name, value.encode("utf-8"))
                if cut_after is not None:
                    connection.endheaders(body[:cut_after] or None)
                    connection.sock.shutdown(socket.SHUT_WR)
                    connection.sock.settimeout(2)
                    for _ in range(100):
                        if not connection.sock.recv(65536):
                            break
                    raise OSError("hung up on purpose")
                broken: OSError | None = None
                try:
                    connection.endheaders(body or None)
                except OSError as error:  # rejected before the whole body was sent: the response can still be read
                    broken = error
                ending = hanging_up(connection)
                try:
                    response = connection.getresponse()
                except (http.client.HTTPException, OSError):
                    ending.cancel()
                    if broken is not None:
                        raise broken from None
                    raise
                answer = response.getheaders()
                try:
                    content, problem = whole(response)
                except OSError as error:  # the body broke off, but status and headers did come
                    content, problem = b"", f"{CUT_OFF}: {type(error).__name__}"
                finally:
                    ending.cancel()
                if problem or (response.getheader("connection") or "").lower() == "close":
                    self.connections.pop(host).close()
                return response.status, answer, content, problem
            except (http.client.HTTPException, OSError) as error:
                self.connections.pop(host).close()
                if not reused or cut_after is not None or attempt == 2:
                    return (
                        None,
                        [],
                        b"",
                        "hung up on purpose" if cut_after is not None else f"{type(error).__name__}: {error}",
                    )
        raise AssertionError("a fresh connection either answers or fails")

    def connect(self, host: str) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self.parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            connection = http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=context)
        else:
            connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
        self.connections[host] = connection
        try:
            connection.connect()
        except OSError as error:
            raise SystemExit(stop(3, f"{self.parts.scheme}://{host} cannot be reached: {error}")) from None
        return connection

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()


def chunked(
    chunks: list[bytes], trailer: str | None, signed: list[bytes], previous: str, head: str, key: bytes
) -> bytes:
    """Return a body in aws-chunked encoding, under the signatures of the ``signed`` chunks; the last chunk is empty."""

    def sign(kind: str, text: str) -> str:
        return hmac.new(key, f"{kind}\n{head}\n{previous}\n{text}".encode(), hashlib.sha256).hexdigest()

    out = b""
    for chunk, meant in ((chunk, signed[at]) for at, chunk in enumerate(chunks)):
        digests = hashlib.sha256(b"").hexdigest() + "\n" + hashlib.sha256(meant).hexdigest()
        previous = sign("AWS4-HMAC-SHA256-PAYLOAD", digests)
        out += b";".join((b"%x" % len(chunk), b"=".join((b"chunk-signature", previous.encode())))) + b"\r\n"
        out += chunk + (b"\r\n" if chunk or not trailer else b"")
    if trailer:
        previous = sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(trailer.encode() + b"\n").hexdigest())
        out += f"{trailer}\r\nx-amz-trailer-signature:{previous}\r\n\r\n".encode()
    return out


def leaves(body: bytes) -> list[str]:
    """Return the parts of an XML response that a second run must give again."""
    new = "LastModified|RequestId|HostId|RequestID|ID|DisplayName|UploadId|ContinuationToken|NextContinuationToken"
    new += "|VersionId|ETag|Bucket|Name|Location|Message|Resource|Initiated|DeleteMarkerVersionId|CreationDate"
    found = re.findall(r"<(\w+)>([^<]*)</\1>", body.decode("utf-8", "replace"))
    return [f"{tag}={text}" for tag, text in found if tag not in new.split("|")]


def error_code(body: bytes) -> str:
    found = re.search(rb"<Error\b.*?<Code>([^<]*)</Code>", body, re.DOTALL)
    return found[1].decode("utf-8", "replace") if found and b"<DeleteResult" not in body else ""


def object_headers(headers: list[tuple[str, str]], method: str) -> dict[str, str]:
    """Return the headers of an object that a second run must give again."""
    told = {name.lower(): value for name, value in headers}
    skip = () if method == "HEAD" else ("content-length",)
    return {k: v for k, v in told.items() if (k in SENT_HEADERS and k not in skip) or k.startswith("x-amz-meta-")}


def unsigned(body: bytes) -> bytes:
    """Return a body without chunk signatures, because they differ on each run where a server stores the framing."""
    return re.sub(rb"((?:chunk|x-amz-trailer)-signature[=:])[0-9a-f]+", rb"\1", body)


def difference(
    step: dict[str, Any],
    status: int | None,
    headers: list[tuple[str, str]],
    body: bytes,
    sent: bytes,
    problem: str = "",
) -> str:
    """Return how a response differs from the recorded one; '' where it does not."""
    if status != step["was"]:
        return f"status {said(status)} instead of {said(step['was'])}"
    broken = problem.startswith(CUT_OFF)
    if broken != step.get("broken", False):
        return f"a body cut off after {len(body)} bytes" if broken else f"a whole body of {len(body)} bytes"
    if "error" in step and error_code(body) != step["error"]:
        return f"error code {error_code(body)!r} instead of {step['error']!r}"
    if "content" in step:
        want = step["content"]
        size, first, digest = (
            want if isinstance(want, tuple) else (len(want), len(want), hashlib.sha256(unsigned(want)).hexdigest())
        )
        if size is not None and len(body) != size:
            return f"a body of {len(body)} bytes instead of {size}"
        if hashlib.sha256(unsigned(body[:first])).hexdigest() != digest:
            return "other bytes in the body"
    if "object" in step:
        have = object_headers(headers, step["method"])
        for name in sorted({*have, *step["object"]}):
            if have.get(name) != step["object"].get(name):
                return f"header {name}: {have.get(name)!r} instead of {step['object'].get(name)!r}"
    if "answer" in step:
        have_leaves, want_leaves = leaves(body), list(step["answer"])
        if step.get("cut"):
            have_leaves = have_leaves[: len(want_leaves)]
        if b"<DeleteResult" in body:
            have_leaves, want_leaves = sorted(have_leaves), sorted(want_leaves)
        for at in range(max(len(have_leaves), len(want_leaves))):
            mine, recorded = (found[at] if at < len(found) else "nothing" for found in (have_leaves, want_leaves))
            if mine != recorded:
                return f"{mine!r} instead of {recorded!r}"
    if "md5_etag" in step:
        etag = next((value.strip('"') for name, value in headers if name.lower() == "etag"), "")
        if (etag == hashlib.md5(sent).hexdigest()) != step["md5_etag"]:
            return f"ETag {etag!r}, which is {'not ' if step['md5_etag'] else ''}the MD5 of the body"
    return ""


def said(status: int | None) -> str:
    return "no answer" if status is None else str(status)


def shown(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def stop(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code


def name_of(step: dict[str, Any]) -> str:
    where = "/" + step["key"] if "key" in step else unquote(step.get("path", "")) or "/"
    query = step.get("query", "")
    return shown(where + (f"?{query}" if query else "") + (f" in bucket {step['bucket']}" if "bucket" in step else ""))


def replay(client: Client) -> str:
    """Send every step; return the first difference from the recording, or '' where there is none."""
    first = ""
    for number, step in enumerate(STEPS, 1):
        keys = step.get("keys")
        statuses = {}
        for one in [{**step, "key": key} for key in keys] if keys else [step]:
            if step["method"] in ("PUT", "POST") and "delete" not in step.get("query", "").split("&"):
                client.written.append(one)
            status, headers, body, problem = client.send(one)
            if not keys:
                client.answers[number] = (headers, body)
            statuses[said(status)] = one
            sent = one.get("body", b"")
            changed = difference(one, status, headers, body, sent.encode() if isinstance(sent, str) else sent, problem)
            if changed and not first:
                first = f"step {number}, {step['method']} {name_of(one)}: {changed}"
        label = name_of({**step, "key": keys[0]}) + f" and {len(keys) - 1} more" if keys else name_of(step)
        got = ", ".join(statuses) + (f" ({problem})" if problem else "")
        print(f"{number:3} {step['method']} {label} -> {got} (was {said(step['was'])})")
    return first


def lists(step: dict[str, Any]) -> bool:
    return step["method"] == "GET" and "prefix=" in step.get("query", "")


def run(client: Client) -> int:
    first = replay(client)
    if first and not OTHER_TELLS_NOTHING:  # "gone" needs a second replay: some servers respond by chance
        beside = NEIGHBOURS if any(map(lists, STEPS)) else []
        print(f"not as recorded: {first}\nonce more{', in a bucket that holds other keys too' if beside else ''}:")
        clean(client)
        for neighbour in beside:
            client.written.append(neighbour)
            client.send(neighbour)
        if not replay(client):
            first = ""
    print(f"promised: {shown(PROMISED)}\nobserved: {shown(OBSERVED)}")
    for note in NOTES:
        print(f"note: {shown(note)}")
    if first and OTHER_TELLS_NOTHING:
        print(f"cannot tell: {OTHER_TELLS_NOTHING}. First difference: {first}")
        return 5
    if first:
        print(f"gone: the answers differ from the recorded ones. First difference: {first}")
        return 0
    if SAME_TELLS_NOTHING:
        print(f"cannot tell: every answer is as recorded, but {SAME_TELLS_NOTHING}")
        return 5
    print("still there: every answer is as recorded")
    return 1


def place_of(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name in ("bucket", "key", "path")}


def clean(client: Client) -> None:
    """Remove what the steps may have written, newest first, whatever the responses were."""
    uploads = [(number, client.answer_value(number, "UploadId", 0)) for number in client.answers]
    for number, upload in uploads:
        step = STEPS[number - 1]
        if upload != "missing" and "uploads" in step.get("query", "").split("&") and step["method"] == "POST":
            place = place_of(step)
            client.send({"method": "DELETE", "query": "uploadId=" + quote(upload, safe=""), **place})
    seen: list[dict[str, Any]] = []
    for step in reversed(client.written):
        place = place_of(step)
        ours = bool(place.get("key") or place.get("path", "/") != "/" or (step.get("bucket") and not step.get("query")))
        if not ours or place in seen:
            continue
        seen.append(place)
        status, _, _, problem = client.send({"method": "DELETE", **place})
        if status is not None and (status < 300 or status == 404):
            continue
        there, _, _, _ = client.send({"method": "HEAD", **place})
        if there is None or there < 300:  # otherwise it was never stored
            print(f"could not remove {name_of(place)}: {said(status)} {problem}", file=sys.stderr)
    client.written.clear()
    client.answers.clear()


def main() -> int:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    env = os.environ
    wanted = ("S3_ENDPOINT", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in wanted if not env.get(name)]
    if missing:
        return stop(
            2,
            f"not set: {', '.join(missing)}. Set the endpoint (http(s)://host:port), a test bucket, and credentials.",
        )
    if not re.match(r"https?://[^/?#@]+(/[^?#]*)?$", env["S3_ENDPOINT"]):
        return stop(
            2, f"S3_ENDPOINT is {env['S3_ENDPOINT']!r}; it must be http(s)://host:port, optionally with a path."
        )
    client = Client(env)
    try:
        return checked(client, env)
    except Exception as error:  # exit code 1 is reserved for the deviation
        return stop(4, f"an error in this script: {traceback.format_exc()}{error}")
    finally:
        client.close()


def checked(client: Client, env: Any) -> int:
    """Check the endpoint, the bucket, the credentials and the clock with one list request; then run."""
    status, headers, body, problem = client.send({"method": "GET", "query": "list-type=2&max-keys=1"})
    if status is None:
        return stop(3, f"{env['S3_ENDPOINT']} does not respond: {problem}")
    if status == 404 or error_code(body) in ("NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return stop(
            2,
            f"bucket {env['S3_BUCKET']!r} cannot be listed: {status} {error_code(body)}. Check bucket and credentials.",
        )
    date = next((value for name, value in headers if name.lower() == "date"), "")
    if date:
        ahead = parsedate_to_datetime(date).timestamp() - time.time()
        client.offset = ahead if abs(ahead) > 2 else 0.0
    try:
        return run(client)
    except KeyboardInterrupt:
        return stop(130, "stopped; removing what was written")
    finally:
        clean(client)


if __name__ == "__main__":
    sys.exit(main())
