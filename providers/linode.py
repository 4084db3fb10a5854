"""Linode (Akamai) Object Storage."""

from __future__ import annotations

from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_SPECIFICATIONS = (
    "https://github.com/linode/docs/blob/0e78baa8dd589ec7d2ffde1d6cc0747c1fd861ec"
    "/docs/products/storage/object-storage/_index.md"
)

PROVIDER = Provider(
    id="linode",
    title="Linode (Akamai) Object Storage",
    homepage="https://techdocs.akamai.com/cloud-computing/docs/object-storage",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Linode (Akamai) Object Storage",
            variables=Variables.of("linode"),
            endpoint="https://{region}.linodeobjects.com",
        ),
    ),
    capabilities=S3_CAPABILITIES,
    limits={"put_bytes": Declared(value=5_000_000_000, source=_SPECIFICATIONS)},
    notes=(
        "The region is the cluster, such as us-east-1 or nl-ams-1: https://github.com/rclone/rclone/tree/master/backend/s3/provider/Linode.yaml",
        "Advises SDKs from before January 2025 (no default checksums): https://techdocs.akamai.com/cloud-computing/docs/clients-and-tooling",
        "So checksums are sent only where required.",
        "Requests per second differ by the type of endpoint: https://techdocs.akamai.com/cloud-computing/docs/object-storage-product-limits",
        "No page read states a limit of keys, batches, parts or of the life of URLs; none is declared.",
    ),
)
