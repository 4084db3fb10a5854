"""LocalStack: the last community release of its S3 simulator that runs on this Python, without Docker or a token."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.certificates import Certificates
from bucket_conformance.providers.launch.container import ContainerLaunch, Image
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

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


_KEYS: Final = ("test", "test")
_QUIET: Final = {
    "SERVICES": "s3",
    "EAGER_SERVICE_LOADING": "1",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DNS_ADDRESS": "0",
}


def _one_file(tls: Certificates) -> str:
    """Write key and certificate into one file, as LocalStack requires."""
    path = tls.key.with_name("localstack.pem")
    path.write_bytes(tls.key.read_bytes() + tls.certificate.read_bytes())
    path.chmod(0o600)
    return str(path)


# It keeps objects in a folder with a fixed name, which neither a variable nor TMPDIR changes. This code changes the
# name before its provider reads it, so that the objects are removed with the run's folder.
_START: Final = """\
import sys
from localstack.services.s3 import provider
if not provider.DEFAULT_S3_TMP_DIR:
    raise SystemExit("this LocalStack keeps objects elsewhere")
provider.DEFAULT_S3_TMP_DIR = sys.argv.pop(1)
from localstack.runtime.main import main
main()
"""


def serve(context: LaunchContext, *, skip_signatures: bool) -> Command:
    """Start it with the check of signatures switched off, as it ships, or switched on."""
    return Command(
        argv=(str(ENVIRONMENT.program("python")), "-c", _START, str(context.data / "objects")),
        env={
            **_QUIET,
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(context.data),
            # As it ships, even a forged signature is served.
            "S3_SKIP_SIGNATURE_VALIDATION": "1" if skip_signatures else "0",
            "GATEWAY_LISTEN": context.address,
            "LOCALSTACK_HOST": context.address,
            # It serves both schemes on one port; without this it makes its own certificate.
            **({"CUSTOM_SSL_CERT_PATH": _one_file(context.tls)} if context.tls else {}),
        },
    )


def _command(context: LaunchContext) -> Command:
    return serve(context, skip_signatures=False)


def version(_: ProbeResponse) -> str:
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
            fixed_credentials=_KEYS,
            deadline_s=240.0,
            https=True,
        ),
        ContainerLaunch(
            name="localstack",
            title="LocalStack",
            image=Image(name="localstack/localstack", tag="4.9.2", variable="CONFORMANCE_LOCALSTACK_IMAGE"),
            port=4566,
            environment=lambda access_key, secret_key: {
                **_QUIET,
                "S3_SKIP_SIGNATURE_VALIDATION": "0",
                "GATEWAY_LISTEN": "0.0.0.0:4566",
            },
            fixed_credentials=_KEYS,
            deadline_s=240.0,
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
    slow=True,
    notes=(
        "Started with S3_SKIP_SIGNATURE_VALIDATION=0; header signatures are not checked even so.",
        "Conditional writes: "
        "https://github.com/localstack/localstack/pull/11402 and https://github.com/localstack/localstack/pull/11941",
        "Community edition archived upstream; newer releases need Python 3.13 or an account.",
        "Forgets everything at a restart (persistence is a paid feature).",
    ),
)
