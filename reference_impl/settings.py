"""The settings of the storage: ``AP_*`` variables, read once, every wrong or missing one named at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from urllib.parse import urlsplit

from bucket_conformance.reference_impl import settings_values as values
from bucket_conformance.reference_impl.api import DEFAULT_BATCH_SIZE, MAX_BATCH_SIZE, MAX_URL_LIFE_S, Storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

Location = Literal["local", "s3"]

LOCATION: Final = "AP_FILE_STORAGE_LOCATION"
LOCAL_ROOT: Final = "AP_LOCAL_STORAGE_ROOT"
LOCAL_URL_BASE: Final = "AP_LOCAL_URL_BASE"
LOCAL_URL_SECRET: Final = "AP_LOCAL_URL_SECRET"
BUCKET: Final = "AP_S3_BUCKET"
ACCESS_KEY_ID: Final = "AP_S3_ACCESS_KEY_ID"
SECRET_ACCESS_KEY: Final = "AP_S3_SECRET_ACCESS_KEY"
REGION: Final = "AP_S3_REGION"
ENDPOINT: Final = "AP_S3_ENDPOINT"
PUBLIC_ENDPOINT: Final = "AP_S3_PUBLIC_ENDPOINT"
USE_SIGNED_URLS: Final = "AP_S3_USE_SIGNED_URLS"
USE_IRSA: Final = "AP_S3_USE_IRSA"
DELETE_BATCH_SIZE: Final = "AP_S3_DELETE_BATCH_SIZE"
URL_LIFE: Final = "AP_FILE_URL_LIFE_SECONDS"

KNOWN: Final = (
    LOCATION,
    URL_LIFE,
    LOCAL_ROOT,
    LOCAL_URL_BASE,
    LOCAL_URL_SECRET,
    BUCKET,
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    REGION,
    ENDPOINT,
    PUBLIC_ENDPOINT,
    USE_SIGNED_URLS,
    USE_IRSA,
    DELETE_BATCH_SIZE,
)
"""Every variable that is read."""

SECRET: Final = frozenset({ACCESS_KEY_ID, SECRET_ACCESS_KEY, LOCAL_URL_SECRET})
"""Variables whose values are never shown, only that they are set and how long they are."""

DEFAULT_LOCAL_ROOT: Final = Path("/usr/src/app/cache")
DEFAULT_REGION: Final = "us-east-1"
"""Used only with an endpoint: most such servers ignore the region, and requests are signed for this one by default."""

_FAMILIES: Final = ("AP_S3_", "AP_LOCAL_", "AP_FILE_")
_ALIKE: Final = 0.8
_SERVICES: Final = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "backblazeb2.com",
    "digitaloceanspaces.com",
    "r2.cloudflarestorage.com",
    "storage.googleapis.com",
    "wasabisys.com",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One wrong or missing variable: its name, its value as it may be shown (``None``: not set), what is allowed."""

    name: str
    value: str | None
    allowed: str

    def __str__(self) -> str:
        found = "is not set" if self.value is None else f"is {self.value}"
        return f"{self.name} {found}; allowed: {self.allowed}"


class SettingsError(Exception):
    """The environment describes no usable storage. ``problems`` holds everything that is wrong, not only the first.

    ``warnings`` are those of :class:`Settings`: a variable that is missing may be there under a misspelt name.
    """

    def __init__(self, problems: tuple[Problem, ...], warnings: tuple[str, ...] = ()) -> None:
        super().__init__(problems, warnings)
        self.problems = problems
        self.warnings = warnings

    def __str__(self) -> str:
        head = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''} in the settings:"
        return "\n".join([head, *(f"  {line}" for line in (*self.problems, *self.warnings))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A checked configuration. ``repr`` shows no secrets.

    ``url_life_s`` is in seconds. ``access_key_id`` and ``secret_access_key`` are both ``None`` with ``use_irsa``.
    ``use_signed_urls`` is for whoever hands out files: whether readers get signed URLs, or the bytes through it. The
    storage signs whenever it is asked to. ``warnings`` holds sentences on variables that look misspelt: they are
    ignored, as other programs may use them.
    """

    location: Location = "local"
    url_life_s: int = MAX_URL_LIFE_S
    local_root: Path = DEFAULT_LOCAL_ROOT
    local_url_base: str | None = None
    local_url_secret: str | None = field(default=None, repr=False)
    bucket: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    public_endpoint: str | None = None
    use_signed_urls: bool = False
    use_irsa: bool = False
    delete_batch_size: int = DEFAULT_BATCH_SIZE
    warnings: tuple[str, ...] = ()


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings that ``environ`` holds; raise :class:`SettingsError` naming every wrong or missing variable.

    An empty value counts as not set. Nothing is stripped: a value with space around it is refused, because a stripped
    key works until somebody else reads the same file. Variables of the backend that is not chosen are checked too.
    Nothing is contacted and nothing is written.
    """
    reader = _Reader(environ)
    location = reader.read(LOCATION, _location) or "local"
    settings = Settings(
        location=location,
        url_life_s=reader.read(URL_LIFE, lambda text: values.whole_number(text, 1, MAX_URL_LIFE_S)) or MAX_URL_LIFE_S,
        local_root=reader.read(LOCAL_ROOT, values.absolute_path) or DEFAULT_LOCAL_ROOT,
        local_url_base=reader.read(LOCAL_URL_BASE, values.url),
        local_url_secret=reader.read(LOCAL_URL_SECRET, values.url_secret),
        bucket=reader.read(BUCKET, values.bucket),
        access_key_id=reader.read(ACCESS_KEY_ID, values.key_part),
        secret_access_key=reader.read(SECRET_ACCESS_KEY, values.key_part),
        region=reader.read(REGION, values.region) or (DEFAULT_REGION if reader.given(ENDPOINT) else None),
        endpoint=reader.read(ENDPOINT, values.url),
        public_endpoint=reader.read(PUBLIC_ENDPOINT, values.url),
        use_signed_urls=reader.read(USE_SIGNED_URLS, values.boolean) or False,
        use_irsa=reader.read(USE_IRSA, values.boolean) or False,
        delete_batch_size=reader.read(DELETE_BATCH_SIZE, lambda text: values.whole_number(text, 1, MAX_BATCH_SIZE))
        or DEFAULT_BATCH_SIZE,
        warnings=_misspelt(environ),
    )
    _check_together(reader, settings)
    if reader.problems:
        raise SettingsError(tuple(reader.problems), settings.warnings)
    return settings


class _Reader:
    """Reads variables by name and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []

    def given(self, name: str) -> bool:
        return bool(self._environ.get(name))

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self._environ.get(name)
        if not text:
            return None
        if text != text.strip():
            self.refuse(name, "the value without space or line breaks around it", show=name not in SECRET)
            return None
        try:
            return parse(text)
        except values.InvalidValue as error:
            self.refuse(name, error.allowed, show=error.show)
            return None

    def refuse(self, name: str, allowed: str, *, show: bool = True) -> None:
        text = self._environ.get(name) or None
        shown = None if text is None else _shown(name, text, show)
        self.problems.append(Problem(name=name, value=shown, allowed=allowed))

    def require(self, name: str, why: str) -> None:
        if not self.given(name):
            self.refuse(name, why)


def _shown(name: str, text: str, show: bool) -> str:
    if name in SECRET or not show:
        return f"set ({len(text)} characters, not shown)"
    return repr(text if len(text) <= 200 else text[:200] + "…")


def _location(text: str) -> Location:
    lowered = text.lower()
    if lowered == "s3":
        return "s3"
    if lowered == "local":
        return "local"
    raise values.InvalidValue("local or s3")


def _check_together(reader: _Reader, settings: Settings) -> None:
    if settings.use_irsa and (reader.given(ACCESS_KEY_ID) or reader.given(SECRET_ACCESS_KEY)):
        given = [name for name in (ACCESS_KEY_ID, SECRET_ACCESS_KEY) if reader.given(name)]
        for name in given:
            reader.refuse(
                name, f"nothing while {USE_IRSA} is true: unset {' and '.join(given)}, or set {USE_IRSA}=false"
            )
    elif settings.location == "s3" and not settings.use_irsa:
        for name in (ACCESS_KEY_ID, SECRET_ACCESS_KEY):
            reader.require(name, f"a key of the account that owns the bucket, or {USE_IRSA}=true on EKS")
    elif reader.given(ACCESS_KEY_ID) != reader.given(SECRET_ACCESS_KEY):
        missing, other = (
            (SECRET_ACCESS_KEY, ACCESS_KEY_ID) if reader.given(ACCESS_KEY_ID) else (ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        )
        reader.require(missing, f"set together with {other}, or neither")
    if settings.location == "s3":
        reader.require(BUCKET, "the name of an existing bucket")
        if not reader.given(ENDPOINT):
            reader.require(REGION, f"the bucket's region, such as us-east-1 (only with {ENDPOINT} it may be left out)")
    for name, endpoint in ((ENDPOINT, settings.endpoint), (PUBLIC_ENDPOINT, settings.public_endpoint)):
        if endpoint is not None and settings.bucket is not None and _holds_bucket(endpoint, settings.bucket):
            reader.refuse(
                name,
                f"the address of the service alone, without the bucket {settings.bucket!r} in its host or path: the "
                f"bucket is named by {BUCKET}, and would be named twice",
            )
    if settings.region == "auto" and not reader.given(ENDPOINT):
        reader.refuse(REGION, f"a region of AWS, or {ENDPOINT} set as well: only other services know a region 'auto'")
    if reader.given(LOCAL_URL_BASE) != reader.given(LOCAL_URL_SECRET):
        missing, other = (
            (LOCAL_URL_SECRET, LOCAL_URL_BASE) if reader.given(LOCAL_URL_BASE) else (LOCAL_URL_BASE, LOCAL_URL_SECRET)
        )
        reader.require(missing, f"set together with {other}, or neither: local URLs need both")


def _holds_bucket(endpoint: str, bucket: str) -> bool:
    """Return whether an endpoint names the bucket as the last part of its path, or before the host of a known service.

    Other hosts may begin like a bucket: a service ``minio`` of a cluster, with a bucket of that name.
    """
    parts = urlsplit(endpoint)
    first, service = (parts.hostname or "")[: len(bucket) + 1], (parts.hostname or "")[len(bucket) + 1 :]
    in_host = first == f"{bucket}." and (service.startswith(("s3.", "s3-")) or service.endswith(_SERVICES))
    return in_host or parts.path.strip("/").split("/")[-1] == bucket


def _misspelt(environ: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    for name in sorted(environ):
        if name in KNOWN or not name.upper().startswith(_FAMILIES):
            continue
        close = difflib.get_close_matches(name.upper(), KNOWN, n=1, cutoff=_ALIKE)
        if close:
            found.append(f"{name} is not read by this storage; is {close[0]} meant?")
    return tuple(found)


def open_storage(settings: Settings) -> Storage:
    """Return the storage that ``settings`` describe. Nothing is contacted yet; ``check`` of the storage does that."""
    if settings.location == "local":
        return _open_local(settings)
    return _open_s3(settings)


def _open_local(settings: Settings) -> Storage:
    from bucket_conformance.reference_impl.local import LocalStorage

    secret = settings.local_url_secret
    return LocalStorage(
        settings.local_root,
        base_url=settings.local_url_base,
        secret=secret.encode() if secret is not None else None,
        url_life=settings.url_life_s,
    )


def _open_s3(settings: Settings) -> Storage:
    # Imported here, so that a storage on local disk starts without the SDK, which takes most of a second.
    from bucket_conformance.reference_impl.s3 import S3Storage
    from bucket_conformance.reference_impl.s3_client import make_client

    if settings.bucket is None or settings.region is None:
        raise ValueError("these settings name no bucket or no region; make them with load()")

    def client(endpoint: str | None) -> S3Client:
        return make_client(
            endpoint=endpoint,
            region=settings.region or DEFAULT_REGION,
            access_key=settings.access_key_id,
            secret_key=settings.secret_access_key,
            web_identity_only=settings.use_irsa,
        )

    return S3Storage(
        client(settings.endpoint),
        settings.bucket,
        batch_size=settings.delete_batch_size,
        url_life=settings.url_life_s,
        url_client=client(settings.public_endpoint) if settings.public_endpoint is not None else None,
    )
