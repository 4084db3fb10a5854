"""CFG: settings are read, typed and checked at the start, and errors name the wrong setting."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.parts import SettingsRejected
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import examples
from bucket_conformance.conformance.testkit.sources import BUCKET_NAMES, FILE_STORAGE, PERMISSIONS, WEB_IDENTITY
from bucket_conformance.conformance.testkit.web_identity import TEMPORARY_KEY, TEMPORARY_TOKEN, identity_service
from bucket_conformance.conformance.verdict import compare, require
from bucket_conformance.conformance.wire.exchange import Exchange
from bucket_conformance.reference_impl.errors import StorageError

LOCATION: Final = "AP_FILE_STORAGE_LOCATION"
BUCKET: Final = "AP_S3_BUCKET"
ACCESS_KEY: Final = "AP_S3_ACCESS_KEY_ID"
SECRET_KEY: Final = "AP_S3_SECRET_ACCESS_KEY"
REGION: Final = "AP_S3_REGION"
ENDPOINT: Final = "AP_S3_ENDPOINT"
SIGNED_URLS: Final = "AP_S3_USE_SIGNED_URLS"
IRSA: Final = "AP_S3_USE_IRSA"

AWS: Final = {
    LOCATION: "s3",
    BUCKET: "activepieces-files",
    ACCESS_KEY: "AKIAIOSFODNN7EXAMPLE",
    SECRET_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    REGION: "us-east-1",
}

GOOD: Final[dict[str, tuple[dict[str, str], dict[str, str | bool | None]]]] = {
    "nothing set: local disk": ({}, {LOCATION: "local", SIGNED_URLS: False, IRSA: False}),
    "local disk": ({LOCATION: "local"}, {LOCATION: "local"}),
    "Amazon S3": (AWS, {**AWS, ENDPOINT: None, SIGNED_URLS: False, IRSA: False}),
    "Amazon S3 with signed URLs": ({**AWS, SIGNED_URLS: "true"}, {SIGNED_URLS: True}),
    "signed URLs switched off": ({**AWS, SIGNED_URLS: "false"}, {SIGNED_URLS: False}),
    "an own server": (
        {**AWS, BUCKET: "activepieces", ENDPOINT: "http://minio:9000"},
        {BUCKET: "activepieces", ENDPOINT: "http://minio:9000"},
    ),
    "region auto at an endpoint": (
        {**AWS, REGION: "auto", ENDPOINT: "https://0123456789abcdef.r2.cloudflarestorage.com"},
        {REGION: "auto", ENDPOINT: "https://0123456789abcdef.r2.cloudflarestorage.com"},
    ),
    "an endpoint of a region": (
        {**AWS, REGION: "nyc3", ENDPOINT: "https://nyc3.digitaloceanspaces.com"},
        {REGION: "nyc3", ENDPOINT: "https://nyc3.digitaloceanspaces.com"},
    ),
    "web identity": (
        {LOCATION: "s3", BUCKET: "activepieces-files", REGION: "us-east-1", IRSA: "true"},
        {LOCATION: "s3", IRSA: True, ACCESS_KEY: None, SECRET_KEY: None},
    ),
}
"""Environments from the documentation of the product, and the values that must be read from them."""

WRONG: Final[dict[str, dict[str, str | None]]] = {
    "an unknown location": {LOCATION: "gcs"},
    "a misspelt location": {LOCATION: "s3x"},
    "no bucket": {BUCKET: None},
    "an empty bucket": {BUCKET: ""},
    "a bucket in capitals": {BUCKET: "My-Files"},
    "a bucket with an underscore": {BUCKET: "my_files"},
    "a short bucket": {BUCKET: "ab"},
    "a long bucket": {BUCKET: "b" * 64},
    "a bucket with a path": {BUCKET: "files/sub"},
    "a bucket like an address": {BUCKET: "192.168.5.4"},
    "no key id": {ACCESS_KEY: None},
    "no secret": {SECRET_KEY: None},
    "an empty secret": {SECRET_KEY: ""},
    "no region and no endpoint": {REGION: None},
    "a region with a space": {REGION: "us east 1"},
    "an endpoint without scheme": {ENDPOINT: "minio:9000"},
    "an endpoint of another scheme": {ENDPOINT: "ftp://minio:9000"},
    "an endpoint without host": {ENDPOINT: "http://"},
    "an endpoint left as documented": {ENDPOINT: "https://<account_id>.r2.cloudflarestorage.com"},
    "a port that is none": {ENDPOINT: "http://minio:99999"},
    "signed URLs neither true nor false": {SIGNED_URLS: "maybe"},
    "IRSA neither true nor false": {IRSA: "2"},
}
"""Wrong settings, each in an environment that is correct otherwise."""


@clause(
    "CFG-001",
    "Every documented variable is read, typed and checked at start; a wrong or missing one stops with its name, its "
    "value (secrets hidden) and what is allowed, and nothing is written.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, BUCKET_NAMES),
    proved_by=(
        "settings-read-false-as-true",
        "settings-ignore-the-endpoint",
        "settings-accept-any-bucket",
        "settings-hide-which-variable",
        "settings-hide-the-value",
        "settings-say-nothing-of-what-is-allowed",
        "settings-show-a-refused-secret",
        "settings-make-the-root",
    ),
    requires={Capability.SETTINGS},
)
@examples("case", list(GOOD))
@given(case=st.sampled_from(sorted(GOOD)))
def test_documented_settings_are_read_and_typed(session: Session, case: str) -> None:
    environ, promised = GOOD[case]
    try:
        found = session.settings.load(environ).values
    except SettingsRejected as error:
        found = {"refused": str(error)}
    compare({name: found.get(name, "not read") for name in promised}, promised, f"settings read ({case})")


@also("CFG-001", requires={Capability.SETTINGS})
@examples("case", list(WRONG))
@given(case=st.sampled_from(sorted(WRONG)))
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(session: Session, case: str) -> None:
    (name, value), *_ = WRONG[case].items()
    seen = _refused(session, _changed(AWS, {name: value}))
    # A secret is never shown; of a very long value, the beginning is sufficient.
    shown = "" if not value or name in (ACCESS_KEY, SECRET_KEY) else value[:40]
    problem = next((problem for problem in seen.refusals if problem.name == name), None) if seen else None
    require(
        problem is not None
        and bool(problem.allowed.strip())
        and shown in (problem.shown or "")
        and name in str(seen)
        and problem.allowed in str(seen)
        and shown in str(seen),
        promised=f"{case}: refused, naming {name}, its value {shown!r} and what is allowed",
        observed=f"refused with: {seen}" if seen else "accepted",
    )


def _changed(base: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**base, **change}
    return {name: value for name, value in merged.items() if value is not None}


def _refused(session: Session, environ: Mapping[str, str]) -> SettingsRejected | None:
    try:
        session.settings.load(environ)
    except SettingsRejected as error:
        return error
    return None


@also("CFG-001", requires={Capability.SETTINGS})
@examples("spoiled", ["Zq8 v/K7+x", "Zq8v/K7+x\n", "\u00fcZq8v/K7", "Zq8v\x00K7"])
@given(spoiled=st.text("Zq8v/K7+= \n\u00fc", min_size=6, max_size=40).filter(lambda text: len(set(text.strip())) > 4))
def test_a_refused_secret_is_not_shown(session: Session, spoiled: str) -> None:
    shown = []
    for name in (SECRET_KEY, ACCESS_KEY):
        refused = _refused(session, {**AWS, name: spoiled})
        texts = [str(refused), repr(refused), *(str(problem) for problem in refused.refusals)] if refused else []
        shown += [name for text in texts if spoiled.strip() in text or repr(spoiled.strip())[1:-1] in text]
    compare(shown, [], "variables whose refused value is shown")


@also("CFG-001", requires={Capability.SETTINGS})
def test_reading_settings_writes_nothing(session: Session) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "not", "there", "yet")
        for environ in (
            {LOCATION: "local", "AP_LOCAL_STORAGE_ROOT": str(root)},
            {LOCATION: "lokal", "AP_LOCAL_STORAGE_ROOT": str(root)},
        ):
            _refused(session, environ)
        compare(sorted(path.name for path in Path(folder).rglob("*")), [], "files and folders made by reading settings")


CHECKED: Final = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")


@clause(
    "CFG-002",
    "The start-up check writes, reads, lists and removes a probe object, and names the missing permission when one "
    "of these is refused.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, PERMISSIONS),
    proved_by=(
        "check-tries-nothing",
        "check-leaves-its-probe",
        "check-names-no-permission",
        "check-does-not-list",
        "check-passes-without-a-root",
    ),
    requires={Capability.OWN_VIEW, Capability.WIRE},
)
def test_the_check_tries_every_permission_and_leaves_nothing(session: Session) -> None:
    mark = session.recorder.mark()
    result = session.storage.check()
    sent = [exchange for exchange in session.recorder.since(mark) if exchange.origin == "storage"]
    left = [key for key in _written(session, sent) if session.view.read(key) is not None]
    compare(
        (sorted(result.permissions), sorted({_permission(session, exchange) for exchange in sent}), left),
        (sorted(CHECKED), sorted(CHECKED), []),
        "permissions reported, permissions tried, probes left",
    )


@also("CFG-002", requires={Capability.FAULT_INJECTION, Capability.WIRE})
@examples("permission", list(CHECKED))
@given(permission=st.sampled_from(CHECKED))
def test_the_check_names_the_missing_permission(session: Session, permission: str) -> None:
    mark = session.recorder.mark()
    error: StorageError | None = None
    with session.interference.deny(permission):
        try:
            session.storage.check()
        except StorageError as raised:
            error = raised
    for key in _written(session, session.recorder.since(mark)):
        session.remove(key)
    require(
        error is not None and error.code.value == "access_denied" and permission in error.hint,
        promised=f"access_denied with {permission} in its hint",
        observed=f"{error.code.value}: {error.hint}" if error is not None else "the check passed",
    )


@also("CFG-002", requires={Capability.FILE_TREE, Capability.OWN_VIEW})
def test_the_check_of_a_folder_leaves_nothing(session: Session) -> None:
    before = session.view.keys("")
    permissions = session.storage.check().permissions
    left = sorted(set(session.view.keys("")) - set(before))
    compare((sorted(permissions), left), (sorted(CHECKED), []), "permissions reported, probes left")


@also("CFG-002", requires={Capability.FILE_TREE})
def test_the_check_fails_where_the_folder_is_gone(session: Session) -> None:
    aside = session.root.with_name(session.root.name + "-aside")
    session.root.rename(aside)
    code = "passed"
    try:
        session.storage.check()
    except StorageError as error:
        code = error.code.value
    finally:
        # If the storage made the directory again, the verdict says so; the original directory replaces it.
        shutil.rmtree(session.root, ignore_errors=True)
        aside.rename(session.root)
    compare(code, "bucket_not_found", "what the check says while the folder is missing")


def _written(session: Session, exchanges: list[Exchange]) -> list[str]:
    base = urlsplit(session.wire.url("")).path
    puts = [exchange for exchange in exchanges if exchange.method == "PUT" and exchange.origin == "storage"]
    return [unquote(urlsplit(exchange.target).path).removeprefix(base) for exchange in puts]


def _permission(session: Session, exchange: Exchange) -> str:
    path, query = urlsplit(exchange.target).path, urlsplit(exchange.target).query
    on_bucket = path.rstrip("/") == urlsplit(session.wire.url("")).path.rstrip("/")
    if exchange.method == "DELETE" or (exchange.method == "POST" and "delete" in query):
        return "s3:DeleteObject"
    if exchange.method in ("PUT", "POST"):
        return "s3:PutObject"
    return "s3:ListBucket" if on_bucket else "s3:GetObject"


@clause(
    "CFG-003",
    "With AP_S3_USE_IRSA no keys are needed: the pod's web identity is exchanged for temporary credentials, and "
    "those sign.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, WEB_IDENTITY),
    proved_by=("irsa-asks-for-keys", "irsa-is-ignored"),
    requires={Capability.SETTINGS},
)
def test_web_identity_needs_no_keys(session: Session) -> None:
    environ = {LOCATION: "s3", BUCKET: "activepieces-files", REGION: "us-east-1", IRSA: "true"}
    with identity_service() as service:
        try:
            url = session.settings.open(environ).signed_url("project/p/FILE/f", expires_in=60)
        except Exception as error:
            # Whatever a loader or a chain of credentials raises here, no URL was signed.
            compare(f"{type(error).__name__}: {error}", "a signed URL", "what a system with a web identity gives")
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    compare(
        {
            "signed with": query.get("X-Amz-Credential", "").partition("/")[0],
            "token": query.get("X-Amz-Security-Token"),
            "asked with": service.asked,
        },
        {"signed with": TEMPORARY_KEY, "token": TEMPORARY_TOKEN, "asked with": [service.expected]},
        "credentials of the URL, and the exchange of the identity",
    )
