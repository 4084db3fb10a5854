"""What went over the wire: exchanges, their recorder, and the redaction that every rendering passes through."""

from __future__ import annotations

import base64
import enum
import html
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape as xml_escape

Headers = Sequence[tuple[str, str]]

PREVIEW_BYTES: Final = 2048
"""So much of a body is shown in a transcript."""

KEPT_BYTES: Final = 24 * 1024 * 1024
"""So much of all request bodies of an example is kept for its reproducer; a streamed GiB must not stay in memory."""

TIME_OUTS_IN_A_ROW: Final = 3
"""After so many, without an answer in between, no request is sent until the backend was looked at."""
NOT_SENT: Final = f"not sent, because {TIME_OUTS_IN_A_ROW} requests in a row were not answered in time"


class RequestClass(enum.StrEnum):
    """How providers bill a request."""

    WRITE = "write"
    """PUT, POST, COPY, LIST: the expensive class."""
    READ = "read"
    FREE = "free"
    """DELETE of one thing, and the end of a multipart upload; a batch of deletes is a POST."""


class Auth(enum.StrEnum):
    """How a request proved who sent it."""

    HEADER = "header"
    URL = "url"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFrom:
    """How the URL of an exchange was made, so that it can be made again later.

    ``age_s`` is how old the signature was when sent, in seconds; ``expires`` the life as written in the URL; ``url``
    what the signer returned, before any tampering; ``headers`` those signed along beside ``Host``, as signed.
    """

    method: str
    url: str
    age_s: float
    expires: str
    headers: Headers = ()


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer. ``target`` is the request target as sent (path and query, percent-encoded)."""

    origin: str
    method: str
    target: str
    headers: Headers = ()
    body: bytes | None = b""
    """The body as sent; ``None`` where it was streamed and not kept."""
    body_size: int = 0
    cut_after: int | None = None
    """Bytes of the body after which the client hung up on purpose."""
    signed_body: bytes | None = None
    """What its chunk signatures are of, where other bytes, as many, were sent in place of these."""
    auth: Auth = Auth.NONE
    signed_from: SignedFrom | None = None
    signer: str = "own"
    """Whose credentials signed: ``"own"``, ``"wrong secret"`` (own key id, other secret) or ``"unknown key"``."""
    age_s: float = 0.0
    """How far back the signature in the headers was dated on purpose, in seconds."""
    status: int | None = None
    response_headers: Headers = ()
    response_body: bytes = b""
    """At most ``PREVIEW_BYTES``."""
    response_size: int | None = None
    error: str | None = None
    """Why there was no answer; with a status, why its body broke off."""
    timed_out: bool = False
    """Whether it was our own patience that ended before a whole answer came."""
    started: float = field(default_factory=time.monotonic)

    @property
    def request_class(self) -> RequestClass:
        if self.method == "DELETE":
            return RequestClass.FREE
        if self.method in ("PUT", "POST"):
            return RequestClass.WRITE
        path, _, query = self.target.partition("?")
        names = {part.partition("=")[0] for part in query.split("&")} - {""}
        lists = bool(names & _LISTING) or (not names and path.strip("/").count("/") == 0)
        return RequestClass.WRITE if self.method == "GET" and lists else RequestClass.READ


_LISTING: Final = frozenset(
    {
        "list-type",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "continuation-token",
        "start-after",
        "versions",
        "uploads",
        "uploadId",
    }
)
"""Query parameters that only a list of something has: of keys, versions, buckets, uploads or parts."""


@dataclass(slots=True)
class Recorder:
    """Collects exchanges in the order they were answered. Safe to use from several threads."""

    _exchanges: list[Exchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept_bytes: int = 0
    sent_bytes: int = 0
    """Bytes of all request bodies of the example: no object that it reads has more, save for copies of copies."""
    total: int = 0
    by_class: dict[RequestClass, int] = field(default_factory=lambda: dict.fromkeys(RequestClass, 0))
    budget: int | None = None
    """Most requests this run may send; ``None`` for no bound."""
    left_behind: str = ""
    """What could not be removed when the session closed; '' where all is gone."""
    side_buckets: set[str] = field(default_factory=set)
    """Buckets that clauses made beside the one that is judged, and that are not known to be removed."""
    note: str = ""
    """What whoever judges should know of the run beside the verdicts; '' for nothing."""
    keeps_bodies: bool = True
    """Whether the bodies that an SDK sends stay in memory with their exchange."""
    hopeless: bool = False
    """Whether requests are no longer worth sending: they get no answer in time, each."""
    last_timed_out: bool = False
    """Whether the last exchange did."""
    _time_outs: int = 0
    _timed_out_at: float = 0.0

    @contextmanager
    def without_bodies(self) -> Iterator[None]:
        """Keep no body that an SDK sends inside the block: for clauses that look at the memory a storage needs."""
        self.keeps_bodies = False
        try:
            yield
        finally:
            self.keeps_bodies = True

    def add(self, exchange: Exchange) -> None:
        with self._lock:
            self.sent_bytes += exchange.body_size
            self._kept_bytes += len(exchange.body or b"")
            if self._kept_bytes > KEPT_BYTES:
                self._kept_bytes -= len(exchange.body or b"")
                exchange.body = None
            self._exchanges.append(exchange)
            self.total += 1
            self.by_class[exchange.request_class] += 1
            self._heed_time_out(exchange)

    def _heed_time_out(self, exchange: Exchange) -> None:
        self.last_timed_out = exchange.timed_out
        if not exchange.timed_out:
            if exchange.status is not None:
                self._time_outs = 0
        elif exchange.started >= self._timed_out_at:  # those that waited side by side count as one
            self._time_outs += 1
            self._timed_out_at = time.monotonic()
            if self._time_outs >= TIME_OUTS_IN_A_ROW:
                self._time_outs = 0
                self.hopeless = True

    def clear(self) -> None:
        """Forget what was kept, not what was counted: called before each generated example."""
        with self._lock:
            self._exchanges.clear()
            self._kept_bytes = 0
            self.sent_bytes = 0

    def recall(self, exchanges: Sequence[Exchange]) -> None:
        """Put exchanges of an earlier example before those kept now, without counting them again."""
        with self._lock:
            self._exchanges[:0] = exchanges
            self.sent_bytes += sum(exchange.body_size for exchange in exchanges)

    def kept(self) -> list[Exchange]:
        with self._lock:
            return list(self._exchanges)

    def mark(self) -> int:
        """Return a place in the recording, for :meth:`since`."""
        with self._lock:
            return len(self._exchanges)

    def since(self, mark: int) -> list[Exchange]:
        with self._lock:
            return self._exchanges[mark:]


_PATTERNS: Final = (
    re.compile(r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s\"'<>]+"),
    re.compile(r"(?i)((?:Signature|Credential)=)[^,&\s\"'<>]+"),
    re.compile(
        r"(?i)((?:authorization|x-amz-security-token|cookie|set-cookie)[\"']?\s*:\s*[\"']?(?=[^\s\"']))"
        r"(?!AWS4-HMAC-SHA256 Cred)[^\r\n\"']+"
    ),
    re.compile(r"(?i)([?&](?:sig|signature|token|awsaccesskeyid)=)[^&\s\"'<>]+"),
    re.compile(r"(?i)(<(?:SignatureProvided|AWSAccessKeyId|StringToSignBytes|CanonicalRequestBytes)>)[^<]+"),
)


def _forms(secret: str) -> set[str]:
    """Return the ways in which a secret may be written: as it is, escaped for URL, XML, JSON or Python, encoded."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(raw, safe=""), quote(raw), quote_plus(raw), repr(secret)[1:-1]}
    forms |= {xml_escape(secret), html.escape(secret), json.dumps(secret)[1:-1], secret.replace("/", "\\/")}
    forms |= {secret.encode("unicode_escape").decode("ascii"), raw.hex()}
    if len(raw) >= 8:
        # Inside a longer text its place decides how Base64 writes it: one way for each of three places.
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + raw).decode("ascii").rstrip("=")
            inner = whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
            forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    forms.add(base64.b64encode(raw).decode("ascii"))
    return forms


def _pattern(form: str) -> re.Pattern[str]:
    either_case = re.sub("%[0-9A-F]{2}", lambda found: f"(?i:{found[0]})", re.escape(form))
    # A short secret ("test") is part of many words; it is taken out only where it stands alone.
    return re.compile(either_case if len(form) >= 8 else rf"(?<![0-9A-Za-z]){either_case}(?![0-9A-Za-z])")


class Redactor:
    """Takes secrets out of any text or structure before it leaves the process."""

    MASK: Final = "[redacted]"

    def __init__(self, secrets: Iterable[str | None]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if secret and len(secret) >= 3:
                forms |= _forms(secret)
        self._forms = [_pattern(form) for form in sorted(forms, key=len, reverse=True)]

    def text(self, text: str) -> str:
        """Return ``text`` without secrets: those known by value, and whatever stands where credentials stand."""
        for form in self._forms:
            text = form.sub(self.MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{self.MASK}", text)
        return text

    def data(self, value: Any) -> Any:
        """Return a JSON-like structure with every text in it redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value


def render(exchanges: Sequence[Exchange], redactor: Redactor, *, limit: int = 40) -> str:
    """Return a transcript as people read it: requests and answers, secrets redacted, middles of long ones left out."""
    shown: list[Exchange | None] = list(exchanges)
    if len(shown) > limit:
        shown = [*exchanges[: limit // 2], None, *exchanges[-limit // 2 :]]
    blocks = []
    for exchange in shown:
        if exchange is None:
            blocks.append(f"… {len(exchanges) - limit} exchanges left out …")
        else:
            blocks.append(_render_one(exchange))
    return redactor.text("\n\n".join(blocks))


def visible(text: str) -> str:
    """Return ``text`` with whatever would steer a terminal or a log written as an escape; line ends stay."""
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def _render_one(exchange: Exchange) -> str:
    lines = [f"> {exchange.method} {exchange.target}"]
    lines += [f"> {name}: {value}" for name, value in exchange.headers if name.lower() not in _DULL]
    if exchange.body_size:
        lines.append(f"> {_body_text(exchange.body, exchange.body_size)}")
    if exchange.cut_after is not None:
        lines.append(f"> (hung up after {exchange.cut_after} bytes of the body)")
    if exchange.status is None:
        lines.append(f"< no answer: {exchange.error}")
    else:
        lines.append(f"< {exchange.status}")
        lines += [f"< {name}: {value}" for name, value in exchange.response_headers if name.lower() not in _DULL]
        if exchange.response_body or exchange.response_size:
            lines.append(f"< {_body_text(exchange.response_body, exchange.response_size)}")
        if exchange.error:
            lines.append(f"< (then: {exchange.error})")
    return "\n".join(visible(line.replace("\n", "\\n")) for line in lines)


_DULL: Final = frozenset(
    {
        "user-agent",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "server",
        "date",
        "connection",
        "x-amz-id-2",
        "accept-encoding",
    }
)


def _body_text(body: bytes | None, size: int | None) -> str:
    if body is None:
        return f"({size} bytes, streamed)"
    known = len(body) if size is None else size
    cut = f" … ({known} bytes)" if known > min(len(body), 600) else ""
    head = body[:600]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return repr(head[:96]) + (f" … ({known} bytes)" if known > 96 else "")
    return (text if text.isprintable() else repr(text)) + cut
