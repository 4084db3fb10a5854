"""Backblaze B2."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_LARGE_FILES = "https://www.backblaze.com/docs/cloud-storage-create-large-files-with-the-native-api"

PROVIDER = Provider(
    id="b2",
    title="Backblaze B2",
    homepage="https://www.backblaze.com/cloud-storage",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Backblaze B2", variables=Variables.of("b2"), endpoint="https://s3.{region}.backblazeb2.com"
        ),
    ),
    capabilities=S3_CAPABILITIES | {Capability.VERSIONING},
    limits={
        "parts": Declared(value=10_000, source=_LARGE_FILES),
        "part_min_bytes": Declared(value=5_000_000, source=_LARGE_FILES),
    },
    notes=(
        "Region as in the endpoint (us-west-004); Signature Version 4 only: https://www.backblaze.com/b2/docs/s3_compatible_api.html",
        "Every bucket keeps versions; a delete without one adds a marker: https://www.backblaze.com/apidocs/s3-delete-object",
        "Refused the default checksum headers in March 2025; they are not sent: github.com/boto/s3transfer/issues/327",
        "Listing, copying and HeadBucket are the expensive requests: https://www.backblaze.com/cloud-storage/transaction-pricing",
        "Every x-amz-checksum-… header is 400 InvalidArgument (2025-03): a wrong checksum is refused like a right one.",
        "Segments of keys over 250 bytes, backslashes and characters below 32 are refused (2021-04-09): "
        "https://github.com/Backblaze/B2_Command_Line_Tool/issues/655",
        "A quiet batch once had an Error without a key (2024-01-06): https://github.com/pgbackrest/pgbackrest/issues/2259",
        "The value of response-content-disposition is parsed (2025-09-20): https://github.com/kyantech/Palmr/issues/262",
        "No statement about consistency was found.",
    ),
)
