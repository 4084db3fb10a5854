"""SEC: nothing outside of the storage's directory is reached, and no secret is revealed."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Harm, Level, Profile
from bucket_conformance.conformance.parts import SettingsRejected
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples
from bucket_conformance.conformance.testkit.sources import (
    LINK_FOLLOWING,
    PATH_TRAVERSAL,
    SECRETS_IN_ERRORS,
    SECRETS_IN_LOGS,
)
from bucket_conformance.conformance.verdict import Deviation, compare
from bucket_conformance.reference_impl.api import DeleteError, Storage
from bucket_conformance.reference_impl.errors import StorageError

CANARY: Final = b"canary: this file is none of the storage's"
INTRUDER: Final = b"written by the storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A directory next to the storage's root, which the storage must not access."""

    folder: Path

    def state(self) -> dict[str, bytes | None]:
        """Return every name in it, with the bytes of files."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in sorted(self.folder.rglob("*"))
        }


@contextmanager
def outside_of(session: Session) -> Iterator[Outside]:
    """Make that directory next to the root, with a file and a directory of canaries, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="outside-", dir=session.root.parent) as name:
        folder = Path(name)
        (folder / "canary").write_bytes(CANARY)
        (folder / "nest").mkdir()
        (folder / "nest" / "canary").write_bytes(CANARY)
        yield Outside(folder=folder)


def reach(storage: Storage, key: str) -> list[str]:
    """Try every operation with ``key``; return those that revealed the canary. A rejection is fine."""
    reached: list[str] = []

    def attempt(name: str, action: Callable[[], object]) -> None:
        # Any exception is fine for this clause, as long as nothing was reached.
        with contextlib.suppress(Exception):
            if CANARY in repr(action()).encode():
                reached.append(name)

    def opened() -> bytes:
        with storage.open(key) as stream:
            return stream.read()

    attempt("download", lambda: storage.download(key))
    attempt("open", opened)
    attempt("stat", lambda: storage.stat(key))
    attempt("list", lambda: list(storage.list(key)))
    attempt("upload", lambda: storage.upload(key, INTRUDER))
    attempt("delete_files", lambda: storage.delete_files([key]))
    return reached


def _require_untouched(before: dict[str, bytes | None], after: dict[str, bytes | None], reached: list[str]) -> None:
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name, b"?") != after.get(name, b"?"))
    what = "operations that gave away a file outside, and names changed outside"
    compare((reached, changed), ([], []), what, harm=Harm.BREAKS_OUT)


HOSTILE_PATHS: Final = (
    "../{0}/canary",
    "../{0}/new",
    "../{0}/nest/canary",
    "./../{0}/canary",
    "project/../../{0}/canary",
    "project/../../{0}/new",
    "project//../../{0}/canary",
    "{1}/canary",
    "/{1}/canary",
    "{1}/new",
    "file://{1}/canary",
    "..\\{0}\\canary",
    "project\\..\\..\\{0}\\canary",
    "%2e%2e/{0}/canary",
    "..%2f{0}%2fcanary",
    "\u2025/{0}/canary",
    "\uff0e\uff0e/{0}/canary",
    "..\x00/{0}/canary",
    "../{0}/canary\x00",
    "../{0}/canary\x00.log",
    "../{0}/canary/",
    "../{0}/canary ",
    "../{0}/.",
    "..;/{0}/canary",
    "~/../../{1}/canary",
)
"""Keys that name a file outside where code is careless; 0 is the directory next to the root, 1 its absolute path."""


@clause(
    "SEC-001",
    "On local disk no key, symbolic link or race reaches anything outside the storage's folder, and names that only a "
    "careless file system takes for equal never share a file.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(PATH_TRAVERSAL, LINK_FOLLOWING),
    proved_by=(
        "joins-keys-to-the-root",
        "cuts-keys-at-nul",
        "follows-links",
        "lists-through-links",
        "checks-the-path-then-opens-it",
        "folds-case-of-keys",
    ),
    requires={Capability.FILE_TREE},
)
@examples("path", list(HOSTILE_PATHS))
@given(
    path=st.lists(
        st.sampled_from(("..", ".", "", "project", "%2e%2e", "..\x00", "{0}", "{1}", "nest", "canary", "new")),
        min_size=2,
        max_size=7,
    ).map("/".join)
)
def test_no_key_leads_outside(session: Session, path: str) -> None:
    with outside_of(session) as outside:
        before = outside.state()
        key = path.replace("{0}", outside.folder.name).replace("{1}", str(outside.folder))
        reached = reach(session.storage, key)
        _require_untouched(before, outside.state(), reached)


LINKED: Final = ("owner", "type", "file", "missing file", "relative", "link to a link", "the whole scope")


@also("SEC-001", requires={Capability.FILE_TREE})
@examples("place", list(LINKED))
@given(place=st.sampled_from(LINKED))
def test_no_planted_link_leads_outside(session: Session, place: str) -> None:
    with outside_of(session) as outside:
        owner = session.root / "project" / session.fresh_id()
        with _planted(outside.folder, owner, place) as key:
            before = outside.state()
            reached = reach(session.storage, f"project/{owner.name}/{key}")
            listed = [stat.key for stat in session.storage.list(f"project/{owner.name}") if "canary" in stat.key]
            _require_untouched(before, outside.state(), reached + [f"list: {name}" for name in listed])


@contextmanager
def _planted(outside: Path, owner: Path, place: str) -> Iterator[str]:
    """Make a link as :func:`_plant` does, and remove it at the end.

    Several links that lead to a directory above them would make a storage that follows links walk without end.
    """
    try:
        yield _plant(outside, owner, place)
    finally:
        if owner.is_symlink():
            owner.unlink()
        else:
            shutil.rmtree(owner, ignore_errors=True)  # does not follow links


def _plant(outside: Path, owner: Path, place: str) -> str:
    """Make a link to the directory outside; return a key below the owner that leads through it."""
    if owner.parent.is_file():
        owner.parent.unlink()  # left by a storage that took a hostile key of another example for this name
    owner.parent.mkdir(parents=True, exist_ok=True)
    if place == "owner":
        owner.symlink_to(outside, target_is_directory=True)
        return "nest/canary"
    owner.mkdir()
    if place == "the whole scope":
        (owner / "FILE").symlink_to(outside.parent, target_is_directory=True)
        return f"FILE/{outside.name}/canary"
    if place == "type":
        (owner / "FILE").symlink_to(outside / "nest", target_is_directory=True)
        return "FILE/canary"
    (owner / "FILE").mkdir()
    link = owner / "FILE" / "canary"
    if place == "missing file":
        link.symlink_to(outside / "new")
    elif place == "relative":
        link.symlink_to(os.path.relpath(outside / "canary", link.parent))
    elif place == "link to a link":
        (outside / "nest" / "hop").symlink_to(outside / "canary")
        link.symlink_to(outside / "nest" / "hop")
    else:
        link.symlink_to(outside / "canary")
    return "FILE/canary"


@also("SEC-001", requires={Capability.FILE_TREE, Capability.SIGNED_URLS})
@examples("place", ["owner", "file"])
@given(place=st.sampled_from(LINKED))
def test_no_signed_url_leads_outside(session: Session, place: str) -> None:
    with outside_of(session) as outside:
        owner = session.root / "project" / session.fresh_id()
        with _planted(outside.folder, owner, place) as below:
            key = f"project/{owner.name}/{below}"
            before = outside.state()
            got = session.fetch(session.signed_url(key, expires_in=60))
            if Capability.SIGNED_UPLOADS in session.capabilities:
                session.fetch(session.signed_upload_url(key, expires_in=60), method="PUT", body=INTRUDER)
            _require_untouched(before, outside.state(), ["signed URL"] if CANARY in got.body else [])


RACE_S: Final = 0.25
"""Seconds per race: a fast storage gets many chances to lose it, and a slow one does not take long."""
RACE_CALLS: Final = 1000
"""Minimum number of calls, also on a busy machine, but within ``RACE_MOST_S`` seconds."""
RACE_MOST_S: Final = 5.0


@also("SEC-001", requires={Capability.FILE_TREE}, effort=0.4, racy=True)
@examples("operation", ["upload", "download", "delete"])
@given(operation=st.sampled_from(("upload", "download", "delete")))
def test_no_race_leads_outside(session: Session, operation: str) -> None:
    with outside_of(session) as outside:
        owner = session.root / "project" / session.fresh_id()
        key = f"project/{owner.name}/FILE/canary"
        session.storage.upload(key, INTRUDER)
        before = outside.state()
        reached: list[str] = []
        with _swapping(owner / "FILE", outside.folder / "nest"):
            began = time.monotonic()
            for calls in itertools.count():
                gone = time.monotonic() - began
                if gone > RACE_MOST_S or (gone > RACE_S and calls >= RACE_CALLS):
                    break
                # A link may be rejected, and the key may be missing for a moment. How this is reported is not judged.
                with contextlib.suppress(Exception):
                    if operation == "upload":
                        session.storage.upload(key, INTRUDER)
                    elif operation == "delete":
                        session.storage.delete_files([key])
                    elif session.storage.download(key) == CANARY:
                        reached.append("download")
        _require_untouched(before, outside.state(), reached[:1])


@contextmanager
def _swapping(folder: Path, elsewhere: Path) -> Iterator[None]:
    """Let a thread replace ``folder`` by a link to ``elsewhere``, and put it back, as fast as possible."""
    link = folder.with_name("link")
    link.symlink_to(elsewhere, target_is_directory=True)
    stop = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            # The storage may create the directory again meanwhile; then the renamed one keeps its unique name.
            real = folder.with_name(f"real-{number}")
            with contextlib.suppress(OSError):
                folder.rename(real)
            with contextlib.suppress(OSError):
                link.rename(folder)
            with contextlib.suppress(OSError):
                if folder.is_symlink():
                    folder.rename(link)
            with contextlib.suppress(OSError):
                real.rename(folder)

    thread = threading.Thread(target=swap)
    interval = sys.getswitchinterval()
    # With the default interval, a thread switch rarely falls between a check and the use of its result.
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


TWINS: Final = {
    "case": ("report-a", "REPORT-A"),
    "case of one letter": ("filea", "fileA"),
    "sharp s": ("stra\u00dfe", "STRASSE"),
    "normal form": ("caf\u00e9", "cafe\u0301"),
    "full width": ("file", "\uff46\uff49\uff4c\uff45"),
    "trailing dot": ("file", "file."),
    "trailing space": ("file", "file "),
    "device name": ("NUL", "nul.txt"),
    "another device name": ("CON", "con"),
    "stream of a file": ("file", "file:stream"),
    "short name": ("longfilename", "LONGFI~1"),
}
"""Pairs of names that some file systems take for one."""


@also("SEC-001", requires={Capability.FILE_TREE})
@examples("twins", list(TWINS.values()))
@given(twins=st.sampled_from(sorted(TWINS.values())))
def test_names_that_look_equal_never_share_a_file(session: Session, twins: tuple[str, str]) -> None:
    prefix = session.fresh_prefix()
    held: dict[str, bytes] = {}
    for number, name in enumerate(twins):
        # Where the file system cannot distinguish them, the second may be rejected but must not replace the first.
        with contextlib.suppress(StorageError):
            session.storage.upload(prefix + name, b"%d" % number)
            held[name] = b"%d" % number
    compare({name: session.storage.download(prefix + name) for name in held}, held, "what is held under each name")


SECRETS: Final = (
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "p%40ss%2Fword%25and%2B",
    "a+b/c=d==&e?f#g;h",
    "quote\"and'apostrophe<and>angle",
    "back\\slash\\n\\x41",
    "{brace}%s%(name)s$VAR`id`",
)
"""Secrets whose characters look different when quoted, escaped or formatted."""


def forms(secret: str) -> set[str]:
    """Return the forms in which a text may contain a secret."""
    return {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1], secret.encode("unicode_escape").decode()}


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO or record.name.startswith("bucket_conformance.reference_impl"):
            self.texts.append(logging.Formatter().format(record))


@contextmanager
def captured_log() -> Iterator[list[str]]:
    """Collect log records (INFO and above; all of the storage's own) and warnings inside the block. Yields a list."""
    records, root = _Records(), logging.getLogger()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.INFO)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            yield records.texts
        finally:
            root.removeHandler(records)
            root.setLevel(level)
            records.texts += [str(warning.message) for warning in warned]


def everything_said(storage: Storage, key: str) -> list[str]:
    """Use a storage in every way; return everything it outputs: errors with causes, ``repr``, log records, warnings."""
    texts = [repr(storage), str(storage)]
    with captured_log() as logged:
        for action in (
            lambda: storage.upload(key, b"x"),
            lambda: storage.download(key),
            lambda: storage.download(key + "-missing"),
            lambda: storage.stat(key + "-missing"),
            lambda: list(storage.list(key)),
            lambda: storage.delete_files([key]),
            lambda: storage.signed_url(key, expires_in=-1),
            lambda: storage.upload("", b"x"),
            lambda: storage.check(),
        ):
            try:
                action()
            except Exception as error:
                texts += [repr(error), *traceback.format_exception(error)]
                if isinstance(error, DeleteError):
                    texts.append(repr(error.result))
    return texts + logged


def require_silence(texts: list[str], secret: str, what: str) -> None:
    """Raise ``Deviation`` where a text contains the secret in any form. The observation does not quote it."""
    telling = [text for text in texts if any(form in text for form in forms(secret))]
    if telling:
        shown = telling[0]
        for form in sorted(forms(secret), key=len, reverse=True):
            shown = shown.replace(form, "[the secret]")
        raise Deviation(
            promised=f"no {what} anywhere",
            observed=f"{len(telling)} texts tell it, the first: {shown[-300:]}",
            harm=Harm.LEAKS,
        )


@clause(
    "SEC-002",
    "Secrets never appear in errors, reprs, logs, warnings or shown settings.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(SECRETS_IN_LOGS, SECRETS_IN_ERRORS),
    proved_by=("errors-quote-the-secret", "repr-shows-the-secret", "logs-the-secret", "settings-repr-shows-the-secret"),
    requires={Capability.OTHER_SECRETS},
    effort=0.2,
)
@examples("secret", list(SECRETS[:2]))
@given(secret=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=20, max_size=40))
def test_the_storage_keeps_its_secret(session: Session, secret: str) -> None:
    storage = session.alternate_credentials.with_secret(secret)
    require_silence(everything_said(storage, session.fresh_key()), secret, "secret key")


@also("SEC-002", requires={Capability.SETTINGS})
@examples("secret", list(SECRETS))
@given(secret=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=20, max_size=40))
def test_shown_settings_keep_the_secret(session: Session, secret: str) -> None:
    good = _environment(secret)
    texts = []
    with captured_log() as logged:
        for environ in (good, good | {"AP_S3_BUCKET": "No_Bucket"}, good | {"AP_S3_USE_IRSA": "true"}):
            try:
                texts.append(session.settings.load(environ).shown)
            except SettingsRejected as error:
                texts += [str(error), *(str(refusal) for refusal in error.refusals)]
    require_silence(texts + logged, secret, "secret key")


def _environment(secret: str) -> dict[str, str]:
    return {
        "AP_FILE_STORAGE_LOCATION": "s3",
        "AP_S3_BUCKET": "activepieces-files",
        "AP_S3_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AP_S3_SECRET_ACCESS_KEY": secret,
        "AP_S3_REGION": "us-east-1",
    }


@also("SEC-002", requires={Capability.SETTINGS})
def test_an_opened_storage_keeps_the_secret(session: Session) -> None:
    secret = SECRETS[2]
    with captured_log() as logged:
        texts = [repr(session.settings.open(_environment(secret)))]
    require_silence(texts + logged, secret, "secret key")
