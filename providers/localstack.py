"""LocalStack: the last community release of its S3 simulator that runs on this Python, without Docker or a token."""

from __future__ import annotations

from typing import Final

from conformance.contract import Capability
from providers.launch.environment import Environment
from providers.launch.probe import Answer
from providers.launch.process import Command, ProcessLaunch, Room
from providers.launch.recipes import PyPI
from providers.provider import Declared, Kind, Provider

_SOURCE: Final = "https://github.com/localstack/localstack/blob/v4.9.2/localstack-core/localstack/services/s3"
ENVIRONMENT = Environment(
    name="localstack",
    title="LocalStack",
    recipe=PyPI(
        requirements=(
            "localstack-core[base-runtime]==4.9.2",
            "cbor2<6",
            "pyopenssl<25.2",
            "cryptography<46",
            "service-identity",
        ),
        python=((3, 10), (3, 13)),
    ),
    checks=("python",),
)


def serve(room: Room, *, skip_signatures: bool) -> Command:
    """Start with the check of signatures left out, as it ships, or switched on."""
    return Command(
        argv=(str(ENVIRONMENT.program("python")), "-m", "localstack.runtime.main"),
        env={
            "SERVICES": "s3",
            "EAGER_SERVICE_LOADING": "1",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(room.data),
            # As it ships, even a forged signature is served.
            "S3_SKIP_SIGNATURE_VALIDATION": "1" if skip_signatures else "0",
            "GATEWAY_LISTEN": room.address,
            "LOCALSTACK_HOST": room.address,
        },
    )


def _command(room: Room) -> Command:
    return serve(room, skip_signatures=False)


def version(_: Answer) -> str:
    return ENVIRONMENT.distribution_version("localstack-core")


PROVIDER = Provider(
    id="localstack",
    title="LocalStack",
    homepage="https://github.com/localstack/localstack",
    licence="Apache-2.0",
    kind=Kind.SIMULATOR,
    launches=(
        ProcessLaunch(
            name="localstack",
            title="LocalStack",
            environment=ENVIRONMENT,
            command=_command,
            version=version,
            fixed_credentials=("test", "test"),
            deadline_s=120.0,
        ),
    ),
    capabilities=frozenset(
        {
            Capability.WIRE,
            Capability.SIGNED_URLS,
            Capability.SIGNED_UPLOADS,
            Capability.OWN_VIEW,
            Capability.FAULT_INJECTION,
            Capability.MULTIPART,
            Capability.CONDITIONAL_PUT,
            Capability.VERSIONING,
            Capability.LIFECYCLE,
            Capability.COPY,
        }
    ),
    limits={
        "key_bytes": Declared(value=1024, source=f"{_SOURCE}/validation.py"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_SOURCE}/constants.py"),
        "parts": Declared(value=10_000, source=f"{_SOURCE}/provider.py"),
    },
    notes=(
        "Started with S3_SKIP_SIGNATURE_VALIDATION=0; header signatures are not checked even so.",
        "Conditional writes: "
        "https://github.com/localstack/localstack/pull/11402 and https://github.com/localstack/localstack/pull/11941",
        "Community edition archived upstream; newer releases need Python 3.13 or an account.",
        "Forgets everything at a restart (persistence is a paid feature).",
    ),
)
