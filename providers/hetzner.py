"""Hetzner Object Storage."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Kind, Provider

PROVIDER = Provider(
    id="hetzner",
    title="Hetzner Object Storage",
    homepage="https://docs.hetzner.com/storage/object-storage/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Hetzner Object Storage",
            variables=Variables.of("hetzner"),
            endpoint="https://{region}.your-objectstorage.com",
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING, Capability.LIFECYCLE},
    notes=(
        "The region is the location: fsn1, hel1 or nbg1: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Hetzner.yaml",
        "Differences from S3, such as a copy that may fail: https://docs.hetzner.com/storage/object-storage/supported-actions/",
        "Default checksums in trailers were 400 XAmzContentSHA256Mismatch (2025-05-01): "
        "https://github.com/home-assistant/core/issues/144015; aws-chunked is 400 InvalidArgument (2026-08-19): "
        "https://github.com/benbjohnson/litestream docs/PROVIDER_COMPATIBILITY.md",
        "No page read states a limit of keys, batches, parts, of one PUT or of the life of URLs; none is declared.",
        "Built on Ceph's RADOS Gateway; `ceph-rgw` is a hint, not a verdict on it.",
    ),
)
