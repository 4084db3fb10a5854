"""Unusual secrets go through a whole run on a server that sends them back in every form; no output contains them."""

from __future__ import annotations

import base64
import html as html_entities
import json
import re
import zlib
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bucket_conformance.conformance.cli.main import main
from bucket_conformance.conformance.report.document import read
from tests.exemplar.http import HttpFront
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

ACCESS = "AKIA+\"<&'>%41==zq"
SECRET = "s3cr/t+=\"<&'>\\%2Fwith-a-tail~"
TOKEN = "tok/en+==\\\"<&'>%0Aend-of-it"
SECRETS = (ACCESS, SECRET, TOKEN)


def _forms(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "itself": secret,
        "in a URL": quote(secret, safe=""),
        "in a URL, lower case": re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        "in a path": quote(secret),
        "in a form": quote_plus(secret),
        "in XML": html_entities.escape(secret, quote=False),
        "in HTML": html_entities.escape(secret),
        "in JSON": json.dumps(secret)[1:-1],
        "in Python": repr(secret)[1:-1],
        "in Base64": base64.b64encode(raw).decode(),
        "in hexadecimal": raw.hex(),
    }


def _echo(secret: str) -> str:
    return "\n".join(_forms(secret).values())


class _Talkative:
    """An S3 server that answers signed URLs and batch deletes with everything that it knows about its caller."""

    def __init__(self) -> None:
        self.good = Exemplar(ACCESS, SECRET)
        self.echoes = 0

    def handle(self, request: Request) -> Response:
        if not (request.is_presigned or request.is_batch_delete()):
            return self.good.handle(request, trusted=True)
        self.echoes += 1
        heard = "\n".join(f"{name}: {value}" for name, value in request.headers)
        known = "\n".join(_echo(secret) for secret in SECRETS)
        body = f"<Error><Code>Nosy</Code><Message>{known}\n{heard}\n{request.target}</Message></Error>"
        headers = (("X-Echo-Key", quote(ACCESS)), ("Set-Cookie", f"session={quote(SECRET)}"), ("X-Echo-Plain", TOKEN))
        return Response(status=403, headers=headers, body=body.encode())


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return every output of a run, a gate, a comparison and all renderings, by name."""
    folder = tmp_path_factory.mktemp("secrets")
    server = _Talkative()
    found: dict[str, str] = {}
    with HttpFront(server.handle) as front, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFORMANCE_STATE", str(folder / "state"))
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_SESSION_TOKEN", TOKEN)
        report = str(folder / "report.jsonl")
        chosen = [
            part for clause in ("URL-001", "URL-013", "URL-017", "DEL-00*", "DEL-010") for part in ("--clause", clause)
        ]
        out = folder / "printed.txt"
        with out.open("w") as printed, pytest.MonkeyPatch.context() as streams:
            streams.setattr("sys.stdout", printed)
            streams.setattr("sys.stderr", printed)
            main(["run", "--endpoint", front.url, "--quick", "-v", "--report", report, *chosen])
            baseline = str(folder / "baseline.toml")
            terms = ["--baseline", baseline, "--reason", "everything is known", "--at-most", "1 of 2"]
            main(["accept", report, *terms])
            main(["gate", report, "--baseline", baseline, "-v", "--reproducers", str(folder / "reproducers")])
            main(["compare", report, report])
            renderings = ["--html", "page.html", "--markdown", "page.md", "--junit", "page.xml", "--badge", "badges"]
            main(["report", report, *(part if part.startswith("--") else str(folder / part) for part in renderings)])
            main(["site", str(folder / "site"), report])
            main(["gate", report, "--baseline", baseline, "--json", "--markdown", str(folder / "gate.md")])
            main(["merge", report, "--public", "-o", str(folder / "public.jsonl")])
            main(["findings", report, "--out", str(folder / "findings")])
            main(["advice", report])
            main(["run", "--endpoint", front.url, "--quick", "--json", "--public", *chosen[:6]])
    assert server.echoes > 0
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_text(encoding="utf-8", errors="replace")
    packed = found["page.html"].split('id="details">')[1].split("</script>")[0]
    found["page.html, unpacked"] = zlib.decompress(base64.b64decode(packed)).decode()
    found["page.html, unpacked, read"] = "\n".join(json.loads(found["page.html, unpacked"])["lines"])
    found["report, read"] = "\n".join(
        str(value)
        for section in read(Path(report))
        for result in section.results
        for value in [result.to_json(), result.example, result.transcript, result.reproducer]
    )
    return found


def test_the_run_had_deviations_with_evidence_to_leak(outputs: dict[str, str]) -> None:
    assert outputs["report.jsonl"].count('"verdict":"deviates"') >= 3
    assert "Nosy" in outputs["page.html, unpacked, read"]
    assert "[redacted]" in outputs["report, read"]
    texts = {"printed.txt", "baseline.toml", "page.md", "page.xml", "site/index.html", "gate.md", "public.jsonl"}
    assert {*texts, "findings/index.md"} <= set(outputs)
    assert outputs["printed.txt"].count('"type":"header"') == 1
    assert any(name.startswith("reproducers/") for name in outputs)


def test_no_secret_is_in_any_output_in_any_form(outputs: dict[str, str]) -> None:
    leaks = [
        f"{name} has {secret[:6]}… {form}"
        for name, text in outputs.items()
        for secret in SECRETS
        for form, written in _forms(secret).items()
        if written in text
    ]
    assert leaks == []
