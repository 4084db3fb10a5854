"""Command-line options for any S3 endpoint, without a file. Credentials come from the environment only."""

from __future__ import annotations

import argparse
import re
import shlex
import ssl
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from bucket_conformance.conformance.contract import ConformanceError
from bucket_conformance.reference_impl.settings import SettingsError
from bucket_conformance.reference_impl.settings import load as load_settings


class UsageError(ConformanceError):
    """Raised for command-line options that cannot be used; the message says what is allowed."""


def add_endpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser, in a group of their own."""
    where = parser.add_argument_group("any endpoint, with no file written")
    where.add_argument("--endpoint", metavar="URL", help="this S3 endpoint; the credentials come from the environment")
    where.add_argument(
        "--bucket", metavar="NAME", help="an existing bucket; without it the run creates one and removes it"
    )
    where.add_argument("--region", metavar="NAME", help="region to sign for (default: us-east-1)")
    where.add_argument("--virtual", action="store_true", help="bucket in the host name instead of the path")
    where.add_argument("--ca-file", metavar="PEM", help="certificates to trust instead of the system's")
    where.add_argument("--env", action="store_true", help="the endpoint in the AP_S3_* variables")


def endpoint_of(args: argparse.Namespace, environ: Mapping[str, str], *, prefix: str = "--") -> dict[str, Any] | None:
    """Return the fields of an ``S3Endpoint`` as JSON-like values, or ``None`` where the options name no endpoint.

    ``prefix``: how option names begin in messages. Raises :class:`UsageError` for invalid or contradicting options, and
    for missing credentials.
    """
    if args.endpoint == "":
        # This usually comes from a variable that is not set; it must not mean the embedded backends.
        raise UsageError(f"{prefix}endpoint is empty; give the address of the server, or leave the option out")
    if args.env and args.endpoint:
        raise UsageError("--env and --endpoint exclude each other")
    if args.env:
        for option in ("bucket", "region", "virtual"):
            if getattr(args, option):
                raise UsageError(f"--{option} goes with --endpoint; --env reads everything from the AP_S3_* variables")
        return {**_of_settings(environ), "ca_file": _certificates(args.ca_file, environ)}
    if not args.endpoint:
        for option in ("bucket", "region", "ca_file", "virtual"):
            if getattr(args, option) not in (None, False):
                raise UsageError(f"{prefix}{option.replace('_', '-')} goes with {prefix}endpoint")
        return None
    if not _is_address(args.endpoint):
        raise UsageError(f"{prefix}endpoint: write http://HOST:PORT or https://HOST, without user, keys or query")
    if args.bucket is not None and not _BUCKET.fullmatch(args.bucket):
        # An empty name usually comes from a variable that is not set; it must not mean "create a bucket".
        raise UsageError(
            f"{prefix}bucket is {args.bucket!r}; "
            "a bucket name has 3 to 63 letters, digits, dots, hyphens or underscores"
        )
    region = args.region or environ.get("AWS_REGION") or "us-east-1"
    if not _REGION.fullmatch(region):
        raise UsageError(f"the region is {region!r}; it has letters, digits, dots, hyphens or underscores, 64 at most")
    access = _first(environ, "AWS_ACCESS_KEY_ID", "AP_S3_ACCESS_KEY_ID")
    secret = _first(environ, "AWS_SECRET_ACCESS_KEY", "AP_S3_SECRET_ACCESS_KEY")
    if not access or not secret:
        profile = environ.get("AWS_PROFILE")
        of_profile = (
            f". Profiles are not read; for the profile {profile!r}, run: "
            f'eval "$(aws configure export-credentials --profile {shlex.quote(profile)} --format env)"'
            if profile
            else ""
        )
        raise UsageError(
            f"{prefix}endpoint needs credentials in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            f"(or AP_S3_ACCESS_KEY_ID and AP_S3_SECRET_ACCESS_KEY){of_profile}"
        )
    for name, value in (("access", access), ("secret", secret)):
        if not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError(f"the {name} key in the environment has white space or a control character in it")
    return {
        "url": args.endpoint.rstrip("/"),
        "access_key": access,
        "secret_key": secret,
        "session_token": environ.get("AWS_SESSION_TOKEN") or None,
        "region": region,
        "bucket": args.bucket,
        "addressing": "virtual" if args.virtual else "path",
        "ca_file": _certificates(args.ca_file, environ),
    }


_REGION: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}")


def _is_address(text: str) -> bool:
    if any(sign in text for sign in "@?#") or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _certificates(given: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the path of the file of certificates after reading it: the option, otherwise ``AWS_CA_BUNDLE`` as in SDKs.

    Raises :class:`UsageError`.
    """
    path = given if given is not None else environ.get("AWS_CA_BUNDLE") or None
    if path is None:
        return None
    source = "--ca-file" if given is not None else "AWS_CA_BUNDLE"
    try:
        ssl.create_default_context(cafile=path)
    except FileNotFoundError:
        raise UsageError(f"{source}: there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{source} {path}: no certificates in PEM form could be read: {error.strerror}") from None
    return path


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _of_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        settings = load_settings({**environ, "AP_FILE_STORAGE_LOCATION": "s3"})
    except SettingsError as error:
        raise UsageError(f"--env: {error}") from None
    for warning in settings.warnings:
        # Without AP_S3_ENDPOINT requests go to AWS: a misspelt name would send another server's credentials there.
        print(f"conformance: --env: warning: {warning}", file=sys.stderr)
    if settings.use_irsa:
        raise UsageError(
            "--env: AP_S3_USE_IRSA is true, but the clauses sign their own requests and need credentials: unset it and "
            "give AP_S3_ACCESS_KEY_ID and AP_S3_SECRET_ACCESS_KEY"
        )
    region = settings.region or "us-east-1"
    return {
        "url": settings.endpoint or f"https://s3.{region}.amazonaws.com",
        "access_key": settings.access_key_id,
        "secret_key": settings.secret_access_key,
        "region": region,
        "bucket": settings.bucket,
        "addressing": "path" if settings.endpoint else "virtual",
    }
