"""How one value of a setting is read: each function returns the value or says, as ``InvalidValue``, what is allowed."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

MIN_URL_SECRET: Final = 32

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_STARTS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_ENDS: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
_BUCKET_RULES: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"


class InvalidValue(ValueError):
    """A value that is not allowed; the text says what is. ``show`` is false where the value itself holds a secret."""

    def __init__(self, allowed: str, *, show: bool = True) -> None:
        super().__init__(allowed)
        self.allowed = allowed
        self.show = show


def boolean(value: str) -> bool:
    """``true`` or ``false``, in any case."""
    lowered = value.lower()
    if lowered not in ("true", "false"):
        raise InvalidValue("true or false")
    return lowered == "true"


def whole_number(value: str, lowest: int, highest: int) -> int:
    """Decimal digits within a range, both ends included."""
    if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
        raise InvalidValue(f"a whole number from {lowest} to {highest}")
    return int(value)


def bucket(value: str) -> str:
    """A bucket name by the rules of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)."""
    if not _BUCKET.fullmatch(value) or ".." in value:
        raise InvalidValue(
            "a bucket name by the rules of S3: 3 to 63 of a-z 0-9 . -, first and last a letter or digit, no two dots "
            f"together ({_BUCKET_RULES})"
        )
    if _is_ipv4(value):
        raise InvalidValue(f"a bucket name that is not written like an IP address ({_BUCKET_RULES})")
    if value.startswith(_BUCKET_STARTS) or value.endswith(_BUCKET_ENDS):
        reserved = ", ".join((*(start + "…" for start in _BUCKET_STARTS), *("…" + end for end in _BUCKET_ENDS)))
        raise InvalidValue(f"a bucket name without what S3 reserves: {reserved} ({_BUCKET_RULES})")
    return value


def region(value: str) -> str:
    """A region name such as ``us-east-1``, ``nyc3`` or ``auto``."""
    if not _REGION.fullmatch(value):
        raise InvalidValue("a region name: up to 63 letters, digits and hyphens, such as us-east-1, nyc3 or auto")
    return value


def url(value: str) -> str:
    """An http(s) address with a host and, where S3 is mounted below one, a path; returned without a last ``/``."""
    allowed = "http://host[:port][/path] or https://host[:port][/path], without credentials, query or fragment"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidValue(allowed, show="@" not in value) from None
    if "@" in value:
        raise InvalidValue(f"{allowed}; the credentials belong into their own variables", show=False)
    if "?" in value or "#" in value:
        # A query may be a signature.
        raise InvalidValue(allowed, show=False)
    if parts.scheme not in ("http", "https") or not host or not value.isascii() or re.search(r"[\s\x00-\x1f]", value):
        raise InvalidValue(allowed)
    if not (_HOST.fullmatch(host) or _is_ipv6(host)):
        raise InvalidValue(f"{allowed}; {host!r} is no host name (a placeholder left unfilled?)")
    return value.rstrip("/")


def key_part(value: str) -> str:
    """An access key id or a secret: printable ASCII without spaces."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise InvalidValue("printable ASCII without spaces or line breaks", show=False)
    return value


def url_secret(value: str) -> str:
    """The secret that signs local URLs: long enough that it cannot be guessed."""
    if len(key_part(value)) < MIN_URL_SECRET:
        raise InvalidValue(f"at least {MIN_URL_SECRET} characters of printable ASCII", show=False)
    return value


def absolute_path(value: str) -> Path:
    """A path that starts at the root, so that it means the same from every working directory."""
    path = Path(value)
    if not path.is_absolute() or "\x00" in value or ".." in path.parts:
        raise InvalidValue("an absolute path without '..'")
    return path


def _is_ipv4(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(?:\.[0-9]+){3}", value))


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
