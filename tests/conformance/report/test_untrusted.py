"""Untrusted text has no effect other than to be displayed, wherever it is written."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance import conformance
from bucket_conformance.conformance.report import untrusted

TEXTS = st.text(alphabet=st.characters(exclude_categories=()), max_size=40) | st.lists(
    st.sampled_from(
        ["::", "##[", "\n", "\r", "`", "|", "<b>", "&", "[a](b)", "'", '"', "\\", "\x1b[0m", "\u202e", " ", "$"]
    ),
    max_size=12,
).map("".join)
ROOT: Final = Path(conformance.__file__).parent


@given(TEXTS)
def test_a_terminal_is_not_steered_and_a_log_gets_no_commands(text: str) -> None:
    shown = untrusted.terminal(text)
    assert all(char == "\n" or char.isprintable() for char in shown)
    assert not any(line.strip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown
    assert "\n" not in untrusted.line(text)


@pytest.mark.parametrize(
    "text", ["::notice::x", "  ::notice::x", "a\n\t::notice::x", ":::notice::x", "##[group]x", "##vso[x]"]
)
def test_commands_of_ci_systems_are_defused(text: str) -> None:
    shown = untrusted.terminal(text)
    assert not re.search(r"^\s*::|##\w*\[", shown, re.MULTILINE)
    assert untrusted.terminal("http://[::1]:80 a::b ## [x]") == "http://[::1]:80 a::b ## [x]"


@given(TEXTS)
def test_markup_stays_text(text: str) -> None:
    assert not re.search("[<>\"']", untrusted.html(text))
    assert not re.search("[<>\"']", re.sub("</?code>", "", untrusted.html_prose(text)))
    assert not re.search(r"[<>\[\]|`\n]", re.sub(r"\\.", "", untrusted.markdown(text)))
    # From left to right, as a reader of Markdown goes: what is escaped, or a span of code.
    outside = re.sub(r"\\.|(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", untrusted.markdown_prose(text))
    assert not re.search(r"[<>\[\]|`\n]", outside)
    block = untrusted.markdown_block(text)
    fence = re.match("`+", block)
    assert fence is not None
    assert block.count(fence[0]) == 2
    assert not re.search(r"(?<!\\)\|", untrusted.markdown_cell(untrusted.markdown_code(text)))


@given(TEXTS)
def test_xml_and_toml_carry_any_text(text: str) -> None:
    element = Xml.Element("a", name=untrusted.xml(text))
    assert Xml.fromstring(Xml.tostring(element, encoding="utf-8")).tag == "a"
    assert tomlkit.loads(tomlkit.dumps({"a": untrusted.toml(text)}))["a"] == untrusted.toml(text)
    assert "\n" not in untrusted.comment(text)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", untrusted.file_name(text))


@given(TEXTS)
def test_a_shell_gets_one_word_or_nothing(text: str) -> None:
    try:
        word = untrusted.shell(text)
    except ValueError:
        assert not text.isprintable()
        return
    assert shlex.split(word) == [text]
    assert "\n" not in word


def test_a_shell_that_loads_an_environment_file_runs_nothing(tmp_path: Path) -> None:
    value = "$(echo ran) `echo ran`; echo ran 'x"
    file = tmp_path / "env"
    file.write_text(f"# {untrusted.comment(chr(10) + value)}\nA={untrusted.shell(value)}\n", encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", f'. {shlex.quote(str(file))}; printf %s "$A"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == value


def test_only_plain_addresses_are_left_as_they_are() -> None:
    assert untrusted.markdown_address("https://example.com/issues/1?a=b#c_d") == "https://example.com/issues/1?a=b#c_d"
    for address in ("javascript:x", "https://a b", "https://a|b", "https://a)<b>", "https://a\nb", "[x](https://a)"):
        assert untrusted.markdown_address(address) == untrusted.markdown(address)


OUTPUT = sorted([*(ROOT / "cli").glob("*.py"), *(ROOT / "report").glob("*.py")])
PRINTS_JSON_OR_OWN_TEXT: Final = {"untrusted.py", "clean_command.py"}


@pytest.mark.parametrize("path", OUTPUT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_renderer_escapes_or_prints_past_these_functions(path: Path) -> None:
    if path.name in PRINTS_JSON_OR_OWN_TEXT:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert not (node.module in ("html", "markupsafe", "shlex") and names), f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            # JSON in ASCII is safe anywhere; everything else goes through `echo`.
            [argument] = node.args
            assert ast.unparse(argument).startswith("json.dumps("), f"{path}:{node.lineno}: use untrusted.echo"


MARKUP = ("html.py", "site.py", "badge.py")


@pytest.mark.parametrize("name", MARKUP)
def test_no_field_of_a_report_goes_into_markup_unescaped(name: str) -> None:
    tree = ast.parse((ROOT / "report" / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and any(
            "<" in str(getattr(part, "value", "")) for part in node.values if isinstance(part, ast.Constant)
        ):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    value = part.value
                    taken = isinstance(value, ast.Subscript) or (
                        isinstance(value, ast.Call)
                        and isinstance(value.func, ast.Attribute)
                        and value.func.attr == "get"
                    )
                    own = (
                        isinstance(value, ast.Subscript)
                        and isinstance(value.value, ast.Name)
                        and value.value.id.lstrip("_").isupper()
                    )
                    counted = ast.unparse(value).startswith("counts[")
                    assert not taken or own or counted, f"{name}:{node.lineno}: {ast.unparse(value)}"
