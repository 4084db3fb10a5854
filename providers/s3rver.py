"""s3rver: a fake S3 server in Node over a folder; no longer maintained."""

from __future__ import annotations

from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Npm
from bucket_conformance.providers.provider import Declared, Kind, Provider

_VERSION: Final = "3.7.1"
_ENVIRONMENT = Environment(
    name="s3rver",
    title="s3rver",
    recipe=Npm(packages=(f"s3rver@{_VERSION}",)),
    checks=("s3rver/lib/s3rver.js",),
)
_AS_OLD_NODE: Final = ("--openssl-legacy-provider",)
"""Options of Node: it is older than Node 17, which removed the cipher of its continuation tokens."""
_PROGRAM: Final = """\
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import net from "node:net";
const [library, address, port, directory, ...files] = process.argv.slice(2);
if (process.send) {
  const loaded = await import(library);
  const [key, cert] = files.map((file) => readFileSync(file));
  const server = new loaded.default({ address, port: 0, directory, silent: true, vhostBuckets: false, key, cert });
  process.on("disconnect", () => process.exit());
  process.send((await server.run()).port);
} else {
  let behind;
  const start = () => {
    const child = fork(process.argv[1], process.argv.slice(2));
    behind = new Promise((resolve) => child.once("message", resolve));
    child.once("exit", start);
  };
  start();
  net.createServer({ allowHalfOpen: true }, async (client) => {
    client.on("error", () => {});
    const server = net.connect({ host: address, port: await behind, allowHalfOpen: true });
    server.on("error", () => client.destroy());
    client.on("error", () => server.destroy());
    client.pipe(server).pipe(client);
  }).listen(Number(port), address);
}
"""
"""The server ends at a name that the file system refuses. This script then starts it again, as a service manager does;
connections wait meanwhile. So one clause sees it end, and the others are judged."""
_CODE: Final = "https://github.com/jamhall/s3rver/blob/master/lib"


def _command(context: LaunchContext) -> Command:
    program = context.work / "serve.mjs"
    program.write_text(_PROGRAM, encoding="utf-8")
    library = str(_ENVIRONMENT.program("s3rver/lib/s3rver.js"))
    files = (str(context.tls.key), str(context.tls.certificate)) if context.tls else ()
    place = ("127.0.0.1", str(context.ports[0]), str(context.data))
    return Command(argv=("node", *_AS_OLD_NODE, str(program), library, *place, *files))


def _version(_: ProbeResponse) -> str:
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
        "page_keys": Declared(value=1000, source=f"{_CODE}/controllers/bucket.js"),
        "url_life_s": Declared(value=604_800, source=f"{_CODE}/middleware/authentication.js"),
    },
    notes=(
        "Unmaintained since 2021; `s3rver-20minutes` is the maintained fork.",
        "Written for older Nodes: started with --openssl-legacy-provider.",
        "Ends at a name that the file system refuses (a segment of 255 bytes); here it is then started again.",
        "One fixed pair of keys (S3RVER).",
    ),
)
