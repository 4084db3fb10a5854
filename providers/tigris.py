"""Tigris."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

PROVIDER = Provider(
    id="tigris",
    title="Tigris",
    homepage="https://www.tigrisdata.com/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Tigris",
            variables=Variables.of("tigris"),
            endpoint="https://t3.storage.dev",
            region="auto",
            addressing="virtual",
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.CONDITIONAL_PUT, Capability.LIFECYCLE},
    limits={
        # 90 days; others allow seven.
        "url_life_s": Declared(value=7_776_000, source="https://www.tigrisdata.com/docs/objects/presigned/"),
    },
    notes=(
        "One endpoint for the world, region `auto`: https://www.tigrisdata.com/docs/",
        "Recommends virtual-host style; other pages give the endpoint as https://t3.storageapi.dev: "
        "https://www.tigrisdata.com/docs/objects/multipart-uploads/",
        "Parts within Amazon's limits, by the same page; no page read states a limit of keys, batches or of one PUT.",
        "Conditions on writes: https://www.tigrisdata.com/docs/objects/conditionals",
        "A client asks for strong consistency over regions by the header X-Tigris-Consistent (2026-08-19), which this "
        "suite does not send; 408 sheds load: https://github.com/benbjohnson/litestream s3/replica_client.go",
        "Supported calls, without versioning: https://www.tigrisdata.com/docs/api/s3",
    ),
)
