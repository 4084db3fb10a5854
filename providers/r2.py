"""Cloudflare R2."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_DOCS = "https://developers.cloudflare.com/r2"

PROVIDER = Provider(
    id="r2",
    title="Cloudflare R2",
    homepage=f"{_DOCS}/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(RemoteLaunch(title="Cloudflare R2", variables=Variables.of("r2"), region="auto"),),
    capabilities=S3_CAPABILITIES | {Capability.CONDITIONAL_PUT, Capability.LIFECYCLE, Capability.DURABLE},
    limits={
        "batch_keys": Declared(value=1000, source=f"{_DOCS}/platform/release-notes/"),
        "key_bytes": Declared(value=1024, source=f"{_DOCS}/platform/limits/"),
        "put_bytes": Declared(value=5 * 1024**3 - 5 * 1024**2, source=f"{_DOCS}/platform/limits/"),
        "parts": Declared(value=10_000, source=f"{_DOCS}/platform/limits/"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_DOCS}/objects/upload-objects/"),
        "url_life_s": Declared(value=604_800, source=f"{_DOCS}/api/s3/presigned-urls/"),
    },
    notes=(
        f"The endpoint holds the account: https://ACCOUNT.r2.cloudflarestorage.com ({_DOCS}/api/s3/api/)",
        f"Keys are normalised to NFC: {_DOCS}/reference/unicode-interoperability/",
        f"Strong consistency, except through a cached custom domain: {_DOCS}/reference/consistency/",
        f"One write per second to one key; more gets 429: {_DOCS}/platform/limits/",
        "Batches: 128 keys before July 2022; 999 keys once gave 500: https://github.com/apache/opendal/issues/2227",
        "Region `auto`, also written us-east-1 or empty; with a jurisdiction: https://ACCOUNT.eu.r2.cloudflarestorage.com",
        "No versioning. Parts of an upload must be of equal size, but for the last (InvalidPart); parts out of order "
        f"are sorted (2024-01-26): {_DOCS}/platform/release-notes/",
        f"Codes of its own: InvalidObjectName for keys over 1024 bytes, Unauthorized (401) without a signature: "
        f"{_DOCS}/api/error-codes/",
        "An expired URL is 403 ExpiredRequest (2026-07-30): https://github.com/cloudflare/cloudflare-docs/issues/32436",
        "A life over 7 days is InvalidArgument (2025-04-10): https://github.com/cloudreve/cloudreve/issues/2176",
        "Bodies in signed chunks are 501 NotImplemented (2026-09-22): "
        "https://github.com/bitfoundation/bitplatform/issues/13362",
        "A listing is not sorted (2026-08-21): https://github.com/juicedata/juicefs "
        "docs/en/reference/how_to_set_up_object_storage.md",
    ),
)
