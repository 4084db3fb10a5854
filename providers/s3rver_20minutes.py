"""The fork of s3rver that is still maintained: a fake S3 server in Node over a folder."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Npm
from bucket_conformance.providers.provider import Declared, Kind, Provider

_VERSION: Final = "4.0.4"
_ENVIRONMENT = Environment(
    name="s3rver-20minutes",
    title="s3rver (fork of 20minutes)",
    recipe=Npm(packages=(f"@20minutes/s3rver@{_VERSION}",)),
    checks=("@20minutes/s3rver/lib/s3rver.js",),
)
_PROGRAM: Final = """\
import { readFileSync } from "node:fs";
const [library, address, port, directory, ...files] = process.argv.slice(2);
const [key, cert] = files.map((file) => readFileSync(file));
const loaded = await import(library);
const Server = loaded.default;
await new Server({ address, port: Number(port), directory, silent: true, vhostBuckets: false, key, cert }).run();
"""
_CODE: Final = "https://github.com/20minutes/s3rver/blob/master/lib"


def _command(context: LaunchContext) -> Command:
    program = context.work / "serve.mjs"
    program.write_text(_PROGRAM, encoding="utf-8")
    library = str(_ENVIRONMENT.program("@20minutes/s3rver/lib/s3rver.js"))
    files = (str(context.tls.key), str(context.tls.certificate)) if context.tls else ()
    return Command(argv=("node", str(program), library, "127.0.0.1", str(context.ports[0]), str(context.data), *files))


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="s3rver-20minutes",
    title="s3rver (fork of 20minutes)",
    homepage="https://github.com/20minutes/s3rver",
    licence="MIT",
    kind=Kind.MOCK,
    launches=(
        ProcessLaunch(
            name="s3rver-20minutes",
            title="s3rver (fork of 20minutes)",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            fixed_credentials=("S3RVER", "S3RVER"),
            https=True,
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
            Capability.COPY,
        }
    ),
    limits={
        "url_life_s": Declared(value=604_800, source=f"{_CODE}/signature/v4.js"),
    },
    notes=(
        "Needs Node.js 20 or newer.",
        "Its continuation tokens need a cipher that newer Nodes have only with --openssl-legacy-provider, which is "
        "not set here: as it ships, every listing of more than one page ends in 500.",
        "One fixed pair of keys (S3RVER).",
    ),
)
