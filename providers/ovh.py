"""OVHcloud Object Storage."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_LIMITS = "https://support.us.ovhcloud.com/hc/en-us/articles/4605467875603"

PROVIDER = Provider(
    id="ovh",
    title="OVHcloud Object Storage",
    homepage="https://www.ovhcloud.com/en/public-cloud/object-storage/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="OVHcloud Object Storage",
            variables=Variables.of("ovh"),
            endpoint="https://s3.{region}.io.cloud.ovh.net",
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING, Capability.LIFECYCLE},
    limits={
        "put_bytes": Declared(value=5 * 1024**3, source=_LIMITS),
        "parts": Declared(value=10_000, source=_LIMITS),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_LIMITS),
    },
    notes=(
        "Endpoints and regions, such as gra or sbg: https://github.com/rclone/rclone/tree/master/backend/s3/provider/OVHcloud.yaml",
        "Versioning and lifecycle as in its own provider for Pulumi: https://www.pulumi.com/registry/packages/ovh/",
        "Refused the checksums that SDKs send by default (400 InvalidArgument, 2025-01-17), so they are sent only "
        "where required: https://github.com/boto/boto3/issues/4401",
        "A batch delete wants Content-MD5; a checksum alone is 400 InvalidRequest (2025-02-06): "
        "https://github.com/MTES-MCT/acceslibre/issues/1895",
    ),
)
