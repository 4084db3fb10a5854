"""Cloudflare's own simulator of R2 (miniflare), through the S3 endpoint it has for local development."""

from __future__ import annotations

import json
import platform
import sys
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Npm
from bucket_conformance.providers.provider import Declared, Kind, Provider

_BUCKET: Final = "conformance-r2"
_VERSION: Final = "4.20260730.0"
_MACHINE: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_NODE: Final = f"node-{sys.platform}-{_MACHINE}"
"""miniflare needs a newer Node than many machines have. npm offers Node itself, as one package per platform."""
_ENVIRONMENT = Environment(
    name="r2-local",
    title="miniflare (R2 simulator)",
    recipe=Npm(packages=(f"miniflare@{_VERSION}", f"{_NODE}@22.23.3")),
    checks=(f"{_NODE}/bin/node", "miniflare/dist/src/index.js"),
)
_WORKERS: Final = "https://github.com/cloudflare/workers-sdk/tree/main/packages/miniflare/src/workers/r2"
_PROGRAM: Final = """\
import { createRequire } from "node:module";
const { options, library } = JSON.parse(process.env.CONFORMANCE_MINIFLARE);
const { Miniflare } = createRequire(import.meta.url)(library);
const server = new Miniflare(options);
await server.ready;
"""


def _command(context: LaunchContext) -> Command:
    program = context.work / "serve.mjs"
    program.write_text(_PROGRAM, encoding="utf-8")
    keys = {"accessKeyId": context.access_key, "secretAccessKey": context.secret_key}
    options = {
        "host": "127.0.0.1",
        "port": context.ports[0],
        "modules": True,
        "script": "export default { fetch() { return new Response(null, { status: 404 }); } };",
        "compatibilityDate": "2025-01-01",
        "r2Buckets": {"BUCKET": {"id": _BUCKET, "s3Credentials": keys}},
        "r2Persist": str(context.data),
        **(
            {"httpsKeyPath": str(context.tls.key), "httpsCertPath": str(context.tls.certificate)} if context.tls else {}
        ),
    }
    library = str(_ENVIRONMENT.program("miniflare/dist/src/index.js"))
    return Command(
        argv=(str(_ENVIRONMENT.program(f"{_NODE}/bin/node")), str(program)),
        env={
            "CONFORMANCE_MINIFLARE": json.dumps({"options": options, "library": library}),
            # Otherwise it would request the properties of a request from Cloudflare.
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "WRANGLER_SEND_METRICS": "false",
        },
    )


def _version(_: ProbeResponse) -> str:
    return _VERSION


PROVIDER = Provider(
    id="r2-local",
    title="miniflare's simulator of Cloudflare R2",
    homepage="https://developers.cloudflare.com/workers/testing/miniflare/storage/r2/",
    licence="MIT",
    kind=Kind.SIMULATOR,
    launches=(
        ProcessLaunch(
            name="r2-local",
            title="miniflare (R2 simulator)",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            region="auto",
            path="/cdn-cgi/local/r2/s3",
            bucket=_BUCKET,
            deadline_s=120.0,
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
            Capability.CONDITIONAL_PUT,
            Capability.COPY,
        }
    ),
    limits={
        "batch_keys": Declared(value=1000, source=_WORKERS),
        "key_bytes": Declared(value=1024, source=_WORKERS),
        "url_life_s": Declared(value=604_800, source=_WORKERS),
        "page_keys": Declared(value=1000, source=_WORKERS),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_WORKERS),
    },
    notes=(
        "A simulator for local development by Cloudflare itself, not R2: its S3 endpoint is experimental and other "
        "code than the service's. Judge `r2` with credentials for a verdict on R2.",
        "The endpoint and what it supports, such as conditional writes: "
        "https://github.com/cloudflare/workers-sdk/pull/14280",
        "Buckets are declared at start and not created by request; the suite stays inside one.",
        "Region `auto`; the endpoint lies below /cdn-cgi/local/r2/s3.",
    ),
)
