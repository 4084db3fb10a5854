"""The default backend of the storage system: a directory of the local disk."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.embedded import DiskLaunch
from bucket_conformance.providers.provider import Kind, Provider

PROVIDER = Provider(
    id="local_disk",
    title="Local disk",
    homepage="https://www.activepieces.com/docs/install/configuration/environment-variables",
    licence="Apache-2.0",
    kind=Kind.FILE_SYSTEM,
    launches=(DiskLaunch(),),
    capabilities=frozenset(
        {
            Capability.SIGNED_URLS,
            Capability.SIGNED_UPLOADS,
            Capability.OWN_VIEW,
            Capability.FILE_TREE,
            Capability.DURABLE,
        }
    ),
    notes=(
        "Part of the storage system; nothing else has to run.",
        "One machine: several replicas need a shared file system or S3.",
    ),
)
