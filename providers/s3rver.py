"""s3rver: a fake S3 server in Node over a folder; no longer maintained."""

from __future__ import annotations

from typing import Final

from conformance.contract import Capability
from providers.launch.environment import Environment
from providers.launch.probe import Answer
from providers.launch.process import Command, ProcessLaunch, Room
from providers.launch.recipes import Npm
from providers.provider import Kind, Provider

_VERSION: Final = "3.7.1"
_ENVIRONMENT = Environment(
    name="s3rver",
    title="s3rver",
    recipe=Npm(packages=(f"s3rver@{_VERSION}",)),
    checks=("s3rver/lib/s3rver.js",),
)
_AS_OLD_NODE: Final = ("--openssl-legacy-provider",)
"""It is older than Node 17, which dropped the cipher of its continuation tokens."""
_PROGRAM: Final = """\
const [library, address, port, directory] = process.argv.slice(2);
const loaded = await import(library);
const Server = loaded.default;
await new Server({ address, port: Number(port), directory, silent: true, vhostBuckets: false }).run();
"""


def _command(room: Room) -> Command:
    program = room.work / "serve.mjs"
    program.write_text(_PROGRAM, encoding="utf-8")
    library = str(_ENVIRONMENT.program("s3rver/lib/s3rver.js"))
    return Command(argv=("node", *_AS_OLD_NODE, str(program), library, "127.0.0.1", str(room.ports[0]), str(room.data)))


def _version(_: Answer) -> str:
    return _VERSION


PROVIDER = Provider(
    id="s3rver",
    title="s3rver",
    homepage="https://github.com/jamhall/s3rver",
    licence="MIT",
    kind=Kind.MOCK,
    launches=(
        ProcessLaunch(
            name="s3rver",
            title="s3rver",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            fixed_credentials=("S3RVER", "S3RVER"),
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
    notes=(
        "Unmaintained since 2021; `s3rver-20minutes` is the fork that goes on.",
        "Written for older Nodes: started with --openssl-legacy-provider.",
        "Ends at a name that the file system refuses (a segment of 255 bytes), so judging it whole ends in errors.",
        "One fixed pair of keys (S3RVER).",
    ),
)
