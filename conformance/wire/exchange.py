"""Exchanges (a request and its response), their recorder, and the redaction that every rendered text goes through."""

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
"""Bytes of a body that a transcript shows."""

KEPT_BYTES: Final = 24 * 1024 * 1024
"""Bytes of all request bodies of an example that are kept for its reproducer; a streamed GiB would fill the memory."""

TIME_OUTS_IN_A_ROW: Final = 3
"""After this many, with no response in between, no request is sent until the backend was checked."""
NOT_SENT: Final = f"not sent, because {TIME_OUTS_IN_A_ROW} requests in a row were not answered in time"


class RequestClass(enum.StrEnum):
    """The class by which providers bill a request."""

    WRITE = "write"
    """PUT, POST, COPY and LIST: the expensive class."""
    READ = "read"
    FREE = "free"
    """DELETE of one object or upload. A batch of deletes is a POST."""


class Auth(enum.StrEnum):
    """Where a request carries its credentials."""

    HEADER = "header"
    URL = "url"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFrom:
    """How the URL of an exchange was made, so that a reproducer can make it again.

    - ``url``: what the signer returned, before any change.
    - ``age_s``: the age of the signature when it was sent, in seconds.
    - ``expires``: the lifetime as written in the URL.
    - ``headers``: the signed headers, except for ``Host``.
    """

    method: str
    url: str
    age_s: float
    expires: str
    headers: Headers = ()


OVERLOADED: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a server that may do better when it is left alone for a moment."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its response. ``target`` is the request target as sent (path and query, percent-encoded)."""

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
    """The body that the chunk signatures belong to, where other bytes of the same length were sent in its place."""
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
    """Why there was no response; together with a status, why its body broke off."""
    timed_out: bool = False
    """Whether our own patience ended before the response was complete."""
    injected: bool = False
    """Whether the suite made this failure, in place of the backend."""
    repeated: bool = False
    """Whether the same request was sent again right after this one, as its failure said nothing lasting."""
    started: float = field(default_factory=time.monotonic)

    @property
    def is_passing_trouble(self) -> bool:
        """Whether it failed in a way that may be over soon: overload, a gateway's own response, a broken connection.

        Such a response says nothing about what the backend promises.
        """
        if self.injected or self.cut_after is not None:
            return False
        return self.status is None or self.status in OVERLOADED or self.error is not None

    @property
    def request_class(self) -> RequestClass:
        """The class by which providers bill this request."""
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
"""Query parameters that only listings have: of keys, versions, buckets, uploads or parts."""


@dataclass(slots=True)
class Recorder:
    """Collects exchanges in the order of their responses. Thread-safe."""

    _exchanges: list[Exchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept_bytes: int = 0
    sent_bytes: int = 0
    """Bytes of all request bodies of the example. No object that it reads is larger, except for copies of copies."""
    total: int = 0
    by_class: dict[RequestClass, int] = field(default_factory=lambda: dict.fromkeys(RequestClass, 0))
    budget: int | None = None
    """The maximum number of requests of this run; ``None`` for no limit."""
    left_behind: str = ""
    """What could not be removed when the session closed; '' where all is gone."""
    side_buckets: set[str] = field(default_factory=set)
    """Further buckets that clauses made and that are not known to be removed."""
    note: str = ""
    """What the operator should know about the run, in addition to the verdicts; '' for nothing."""
    keeps_bodies: bool = True
    """Whether the bodies that an SDK sends stay in memory with their exchange."""
    hopeless: bool = False
    """Whether sending requests is useless, because each of them times out."""
    last_timed_out: bool = False
    """Whether the last exchange timed out."""
    _time_outs: int = 0
    _timed_out_at: float = 0.0

    def add_note(self, text: str) -> None:
        """Add a text for the operator to ``note``, once; '' adds nothing."""
        if text and text not in self.note:
            self.note = f"{self.note}; {text}" if self.note else text

    @contextmanager
    def without_bodies(self) -> Iterator[None]:
        """Keep no bodies of an SDK inside the block: for clauses that measure the memory that a storage needs."""
        self.keeps_bodies = False
        try:
            yield
        finally:
            self.keeps_bodies = True

    def add(self, exchange: Exchange) -> None:
        """Record an exchange and count it."""
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
        elif exchange.started >= self._timed_out_at:  # requests that waited at the same time count as one
            self._time_outs += 1
            self._timed_out_at = time.monotonic()
            if self._time_outs >= TIME_OUTS_IN_A_ROW:
                self._time_outs = 0
                self.hopeless = True

    def clear(self) -> None:
        """Forget the recorded exchanges but not the counts. Called before each generated example."""
        with self._lock:
            self._exchanges.clear()
            self._kept_bytes = 0
            self.sent_bytes = 0

    def recall(self, exchanges: Sequence[Exchange]) -> None:
        """Insert exchanges of an earlier example before the recorded ones, without counting them again."""
        with self._lock:
            self._exchanges[:0] = exchanges
            self.sent_bytes += sum(exchange.body_size for exchange in exchanges)

    def kept(self) -> list[Exchange]:
        """Return the recorded exchanges of this example."""
        with self._lock:
            return list(self._exchanges)

    def mark(self) -> int:
        """Return a position in the recording, for :meth:`since`."""
        with self._lock:
            return len(self._exchanges)

    def since(self, mark: int) -> list[Exchange]:
        """Return the exchanges recorded after a :meth:`mark`."""
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
    """Return the forms in which a text may contain a secret: plain, escaped for URL, XML, JSON or Python, encoded."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(raw, safe=""), quote(raw), quote_plus(raw), repr(secret)[1:-1]}
    forms |= {xml_escape(secret), html.escape(secret), json.dumps(secret)[1:-1], secret.replace("/", "\\/")}
    forms |= {secret.encode("unicode_escape").decode("ascii"), raw.hex()}
    if len(raw) >= 8:
        # Inside a longer text, Base64 depends on the position: there is one form for each of three positions.
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + raw).decode("ascii").rstrip("=")
            inner = whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
            forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    forms.add(base64.b64encode(raw).decode("ascii"))
    return forms


def _pattern(form: str) -> re.Pattern[str]:
    either_case = re.sub("%[0-9A-F]{2}", lambda found: f"(?i:{found[0]})", re.escape(form))
    # A short secret ("test") is part of many words; it is removed only where it stands alone.
    return re.compile(either_case if len(form) >= 8 else rf"(?<![0-9A-Za-z]){either_case}(?![0-9A-Za-z])")


class Redactor:
    """Removes secrets from any text or structure before it leaves the process."""

    MASK: Final = "[redacted]"

    def __init__(self, secrets: Iterable[str | None]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            # Shorter ones are no secrets, and occur in every text.
            if secret and len(secret) >= 4:
                forms |= _forms(secret)
        self._forms = [_pattern(form) for form in sorted(forms, key=len, reverse=True)]

    def text(self, text: str) -> str:
        """Return ``text`` without secrets: without known values, and without anything at the place of credentials."""
        for form in self._forms:
            text = form.sub(self.MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{self.MASK}", text)
        return text

    def data(self, value: Any) -> Any:
        """Return a JSON-like structure in which every text is redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value


def render(exchanges: Sequence[Exchange], redactor: Redactor, *, limit: int = 40) -> str:
    """Return a transcript without secrets, for people. Of more than ``limit`` exchanges, the middle is left out."""
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
    """Return ``text`` with every character that could control a terminal or a log escaped, except for line ends."""
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
