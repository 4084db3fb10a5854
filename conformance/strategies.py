"""Generated data, and the named boundary values that are always among the examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from hypothesis import example
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S
from bucket_conformance.reference_impl.keys import FILE_TYPES

F = TypeVar("F", bound=Callable[..., None])


def examples(name: str, values: Iterable[Any]) -> Callable[[F], F]:
    """Return a decorator for a ``@given`` test with one argument: each of ``values`` is always among its examples.

    ``name`` is the name of the argument.
    """

    def decorate(function: F) -> F:
        # Hypothesis tries the decorator nearest to the function last, and stops at a failure: smallest value first.
        for value in reversed(list(values)):
            function = example(**{name: value})(function)
        return function

    return decorate


def only_if(possible: bool, why: str = "") -> None:
    """Give up this example, without a verdict, unless ``possible``. ``why`` is reported where no example is possible.

    Raises ``UnsatisfiedAssumption``. Unlike ``hypothesis.assume`` it also works outside of Hypothesis, where the suite
    repeats an example.
    """
    if not possible:
        raise UnsatisfiedAssumption(why)


KIB: Final = 1024
MIB: Final = 1024 * KIB

HOSTILE_KEYS: Final[dict[str, str]] = {
    "space": "a b",
    "two spaces": "a  b",
    "three spaces": "a   b",
    "leading space": " a",
    "trailing space": "a ",
    "plus": "a+b",
    "percent": "a%b",
    "percent 20": "a%20b",
    "percent 2F": "a%2Fb",
    "percent 2B": "a%2Bb",
    "double percent": "a%2520b",
    "question mark": "a?b=c",
    "hash": "a#b",
    "ampersand": "a&b",
    "ampersand entity": "a&amp;b",
    "equals": "a=b",
    "semicolon": "a;b",
    "quotes": "a'b\"c",
    "angle brackets": "a<b>c",
    "backslash": "a\\b",
    "tilde": "~a",
    "exclamation": "a!b",
    "parentheses and star": "a(b)*c",
    "at, colon, dollar, comma": "a@b:c$d,e",
    "square brackets, caret, pipe, backtick, braces": "a[b]^c|d`e{f}",
    "tab": "a\tb",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "CR LF": "a\r\nb",
    "delete character": "a\x7fb",
    "next line (C1)": "a\x85b",
    "no-break space": "a\u00a0b",
    "line separator": "a\u2028b",
    "latin": "\u00fcml\u00e4ut",
    "combining mark": "e\u0301",
    "right to left": "\u05e9\u05dc\u05d5\u05dd",
    "right to left override": "a\u202eb",
    "zero width joiner": "a\u200db",
    "CJK": "\u6587\u4ef6",
    "private use": "\ue000",
    "last of the BMP": "\uff5e",
    "emoji beyond the BMP": "\U0001f600",
    "flag sequence": "\U0001f1e9\U0001f1ea",
    "last plane": "\U0010fffd",
}
"""Keys that real stores handle incorrectly, by what is unusual in them. All are legal in XML 1.0."""

XML_HOSTILE_CHARACTERS: Final = "&<>'\"\r\n\t\u00e9\U0001f600"

_KEY_CHARACTERS: Final = st.characters(
    min_codepoint=0x20, exclude_categories=("Cs", "Cn"), exclude_characters="/\ufffe\uffff"
) | st.sampled_from("\t\n\r")


def key_tails(*, max_size: int = 24) -> st.SearchStrategy[str]:
    """Generate strings to append to a prefix of your own: XML-legal UTF-8 without ``/``, hostile keys included.

    Lengths are 1 to ``max_size`` characters, except for the named keys of ``HOSTILE_KEYS``. Never ``.`` or ``..``.
    """
    segment = st.text(_KEY_CHARACTERS, min_size=1, max_size=max_size).filter(lambda text: text not in (".", ".."))
    return st.sampled_from(sorted(HOSTILE_KEYS.values())) | segment


def ids() -> st.SearchStrategy[str]:
    """Generate ids that the layout accepts: 1 to 128 characters of ``[0-9A-Za-z_-]``, most of them short."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
    return st.text(alphabet, min_size=1, max_size=24) | st.text(alphabet, min_size=120, max_size=128)


def file_types() -> st.SearchStrategy[str]:
    """Generate names of file types that the layout knows (the keys of ``FILE_TYPES``)."""
    return st.sampled_from(sorted(FILE_TYPES))


BAD_IDS: Final[dict[str, str]] = {
    "empty": "",
    "dot": ".",
    "dot dot": "..",
    "slash": "a/b",
    "only a slash": "/",
    "backslash": "a\\b",
    "NUL": "a\x00b",
    "newline": "a\nb",
    "trailing newline": "a\n",
    "escape character": "a\x1bb",
    "delete character": "a\x7f",
    "C1 control": "a\x85",
    "lone surrogate": "a\ud800",
    "too long": "a" * 2000,
    "up and out": "../../etc/passwd",
    "encoded dots": "%2e%2e",
}
"""Ids that the layout must reject, by what is wrong with them."""


def bad_ids() -> st.SearchStrategy[str]:
    """Generate ids that no layout may accept: the named ones, and valid ids with one forbidden character inside."""
    forbidden = st.sampled_from("/\\\x00\x01\n\r\t\x1b\x7f\ud800\udfff")
    spoiled = st.builds(
        lambda a, bad, b: a + bad + b, st.text("ab-_1", max_size=6), forbidden, st.text("ab-_1", max_size=6)
    )
    return st.sampled_from(sorted(BAD_IDS.values())) | spoiled


class _Pattern(bytes):
    """Bytes whose ``repr`` is the call that makes them.

    Hypothesis calls ``repr`` on each example before it tries it; for a body of 20 MiB the usual ``repr`` took longer
    than the upload.
    """

    spelled: str

    def __repr__(self) -> str:
        return self.spelled


def pattern_bytes(size: int, salt: int = 0) -> bytes:
    """Return ``size`` bytes with a period of 251; ``salt`` (0 to 255) is the first byte.

    The period is not a power of two, so that a lost, repeated or moved block is visible. A reproducer can make the same
    bytes with one line.
    """
    block = bytes((index * 7 + salt) % 256 for index in range(251))
    if size <= 256:
        return (block * 2)[:size]
    pattern = _Pattern(memoryview(block * (size // 251 + 1))[:size])
    pattern.spelled = f"pattern_bytes({size}, salt={salt})"
    return pattern


SIZES: Final = (0, 1, KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 20 * MIB)
"""Body sizes in bytes at which stores change their behaviour: empty, one buffer, one part."""


def bodies(*, max_size: int = 4 * KIB) -> st.SearchStrategy[bytes]:
    """Generate bodies of 0 to ``max_size`` bytes: any bytes when small, a salted pattern when large."""
    large = st.builds(pattern_bytes, st.integers(0, max_size), st.integers(0, 255))
    return st.binary(max_size=min(max_size, 256)) | large


def url_lives() -> st.SearchStrategy[int]:
    """Generate lifetimes of signed URLs in seconds: 1 to 604800 (7 days), with many boundary values."""
    return st.sampled_from(
        (1, 2, 3, 59, 60, 899, 900, 901, 3600, 86_400, MAX_URL_LIFE_S - 1, MAX_URL_LIFE_S)
    ) | st.integers(1, MAX_URL_LIFE_S)


HOSTILE_FILE_NAMES: Final[dict[str, str]] = {
    "plain": "report.pdf",
    "space": "annual report.pdf",
    "quote": 'a"b.txt',
    "backslash": "a\\b.txt",
    "backslash at the end": "a\\",
    "semicolon": "a;b.txt",
    "parameter look-alike": 'x"; filename="evil.exe',
    "apostrophe and percent": "it's 100%.txt",
    "percent encoding look-alike": "a%41.txt",
    "encoded word look-alike": "=?utf-8?q?a?=",
    "umlaut": "\u00fcbersicht.txt",
    "CJK": "\u6587\u4ef6.txt",
    "emoji": "\U0001f600.txt",
    "header injection": "a\r\nX-Injected: yes\r\n\r\nbody",
    "lone newline": "a\nb.txt",
    "NUL": "a\x00b.txt",
    "tab": "a\tb.txt",
    "slashes": "../../etc/passwd",
    "long": "n" * 260 + ".txt",
    "long and wide": "\u00e9" * 220 + ".txt",
}
"""File names for the Content-Disposition header, by what is unusual in them."""


def file_names() -> st.SearchStrategy[str]:
    """Generate file names: the named ones, and 1 to 40 characters of any text without lone surrogates."""
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
    return st.sampled_from(sorted(HOSTILE_FILE_NAMES.values())) | text
