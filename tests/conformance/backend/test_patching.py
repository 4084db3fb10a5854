"""Replaced attributes are restored on modules, classes and instances."""

from __future__ import annotations

import types

import pytest

from bucket_conformance.conformance.backend.patching import replaced


class _Thing:
    def name(self) -> str:
        return "from the class"


def test_a_module_has_its_own_again_after_an_error() -> None:
    module = types.ModuleType("some_module")
    vars(module)["value"] = 1
    seen = []

    def use() -> None:
        with replaced(module, "value", 2):
            seen.append(vars(module)["value"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use()
    assert seen == [2]
    assert vars(module)["value"] == 1


def test_an_instance_finds_what_its_class_has_again() -> None:
    thing = _Thing()
    with replaced(thing, "name", lambda: "replaced"):
        assert thing.name() == "replaced"
    assert thing.name() == "from the class"
    assert vars(thing) == {}


def test_what_is_not_there_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError), replaced(_Thing(), "nothing", 1):
        pass
