"""Any S3 endpoint: address and credentials from ``CONFORMANCE_REMOTE_*`` variables."""

from __future__ import annotations

from bucket_conformance.providers.declared_file import S3_CAPABILITIES
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Kind, Provider

PROVIDER = Provider(
    id="remote",
    title="Any S3 endpoint",
    homepage="https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html",
    licence="unknown",
    kind=Kind.SERVICE,
    launches=(RemoteLaunch(title="Any S3 endpoint", variables=Variables.of("remote"), region="us-east-1"),),
    capabilities=S3_CAPABILITIES,
    notes=(
        "Declares only what every S3-compatible endpoint claims; a provider file of your own can declare more.",
        "Requests to a paid service cost money; the suite removes what it wrote.",
    ),
)
