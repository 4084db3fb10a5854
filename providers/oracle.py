"""Oracle Cloud Object Storage."""

from __future__ import annotations

from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_OVERVIEW = "https://docs.oracle.com/en-us/iaas/Content/Object/Concepts/objectstorageoverview.htm"
_TASKS = "https://docs.oracle.com/en-us/iaas/Content/Object/Tasks"

PROVIDER = Provider(
    id="oracle",
    title="Oracle Cloud Object Storage",
    homepage="https://docs.oracle.com/en-us/iaas/Content/Object/Tasks/s3compatibleapi.htm",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(RemoteLaunch(title="Oracle Cloud Object Storage", variables=Variables.of("oracle")),),
    capabilities=S3_CAPABILITIES,
    limits={
        "key_bytes": Declared(value=1024, source=f"{_TASKS}/managingobjects.htm"),
        "put_bytes": Declared(value=50 * 1024**3, source=_OVERVIEW),
        "parts": Declared(value=10_000, source=_OVERVIEW),
    },
    notes=(
        "The endpoint holds the namespace: https://NAMESPACE.compat.objectstorage.REGION.oci.customer-oci.com",
        "No access control of objects, Signature Version 4 only: https://github.com/apache/opendal/blob/main/core/services/s3/src/compatible_services.md",
        f"Strong consistency: {_OVERVIEW}",
        "Batches take SHA-256 or CRC32C in place of Content-MD5 only since July 2026, by its release notes.",
    ),
)
