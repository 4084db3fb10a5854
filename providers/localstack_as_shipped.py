"""LocalStack as it ships: signatures are not checked at all. Judged so that the difference is on record."""

from __future__ import annotations

from dataclasses import replace

from bucket_conformance.providers import localstack
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.provider import Provider


def _command(context: LaunchContext) -> Command:
    return localstack.serve(context, skip_signatures=True)


PROVIDER = Provider(
    id="localstack-as-shipped",
    title="LocalStack as it ships",
    homepage=localstack.PROVIDER.homepage,
    licence=localstack.PROVIDER.licence,
    kind=localstack.PROVIDER.kind,
    launches=tuple(
        replace(launch, name="localstack-as-shipped", title="LocalStack as it ships", command=_command)
        for launch in localstack.PROVIDER.launches
        if isinstance(launch, ProcessLaunch)
    ),
    capabilities=localstack.PROVIDER.capabilities,
    limits=localstack.PROVIDER.limits,
    slow=localstack.PROVIDER.slow,
    notes=(
        "S3_SKIP_SIGNATURE_VALIDATION is left at its default: expired, tampered and unsigned requests are served.",
        "A test that passes against it says nothing about signed URLs; judge `localstack` for those.",
        "Forgets everything at a restart (persistence is a paid feature).",
    ),
)
