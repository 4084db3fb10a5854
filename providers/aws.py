"""Amazon S3 itself: the norm for all others."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Declared, Kind, Provider

_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"

PROVIDER = Provider(
    id="aws",
    title="Amazon S3",
    homepage="https://aws.amazon.com/s3/",
    licence="proprietary",
    kind=Kind.SERVICE,
    launches=(
        RemoteLaunch(
            title="Amazon S3",
            variables=Variables.of("aws"),
            endpoint="https://s3.{region}.amazonaws.com",
            addressing="virtual",
            checksums="when_supported",
            web_identity=True,
        ),
    ),
    capabilities=S3_CAPABILITIES
    | {Capability.CONDITIONAL_PUT, Capability.VERSIONING, Capability.LIFECYCLE, Capability.DURABLE},
    limits={
        "batch_keys": Declared(
            value=1000, source="https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"
        ),
        "key_bytes": Declared(value=1024, source=f"{_GUIDE}/object-keys.html"),
        "url_life_s": Declared(value=604_800, source=f"{_GUIDE}/ShareObjectPreSignedURL.html"),
        "put_bytes": Declared(value=5 * 1024**3, source=f"{_GUIDE}/upload-objects.html"),
        "parts": Declared(value=10_000, source=f"{_GUIDE}/qfacts.html"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_GUIDE}/qfacts.html"),
        "page_keys": Declared(
            value=1000, source="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"
        ),
    },
    notes=(
        f"Strong consistency of object operations: {_GUIDE}/Welcome.html#ConsistencyModel",
        "Without keys, the role of the process is used (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE), as on EKS.",
        "Requests cost money; refused ones (4xx) too.",
    ),
)
