"""What a script may import: `__all__` of each module, documented, typed, and as the founding document spells it."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

import pytest

import xnatsync
from cli_world import REPOSITORY
from workflows.conftest import manual
from xnatsync import services

MODULES = (
    *("admin", "base", "client", "downloads", "errors", "models", "pipelines", "prearchive", "progress", "projects"),
    *("resources", "scans", "sessions", "subjects", "uploads"),
)


def module(name: str) -> ModuleType:
    return import_module(f"xnatsync.services.{name}")


def methods(kind: type) -> dict[str, FunctionType]:
    """The public methods of a class that this program wrote."""
    return {
        name: found
        for name, found in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and inspect.unwrap(found).__module__.startswith("xnatsync.")
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_is_public_and_has_it(name: str) -> None:
    """Each name is there, is documented, and each public method tells the types of its parameters and of its result."""
    found = module(name)

    for public in found.__all__:
        thing = getattr(found, public)
        assert inspect.getdoc(thing), public
        if inspect.isclass(thing) and thing.__module__.startswith("xnatsync.services"):
            bare = [method for method, each in methods(thing).items() if "return" not in each.__annotations__]
            assert bare == [], public
            assert [method for method, each in methods(thing).items() if not inspect.getdoc(each)] == []


def test_no_service_is_left_out() -> None:
    """The package names every service, the program its client, and nothing that begins with a line is in either."""
    assert set(services.__all__) == {
        name for each in MODULES for name in module(each).__all__ if name.endswith("Service")
    } | {"XNATClient"}
    assert all(getattr(services, name) for name in services.__all__)
    assert set(xnatsync.__all__) == {"XNATClient", "__version__"}
    assert get_type_hints(xnatsync.XNATClient.authenticate) == {"return": str}


def test_a_client_makes_every_service() -> None:
    """As an attribute, once."""
    client = xnatsync.XNATClient("http://127.0.0.1:9", "u", "p")
    for name in ("projects", "subjects", "sessions", "scans", "resources", "downloads", "uploads", "prearchive"):
        assert type(getattr(client, name)).__module__ == f"xnatsync.services.{name}"
    assert client.admin is client.admin
    assert type(client.pipelines).__name__ == "PipelineService"


def test_the_page_of_the_interface_names_every_module() -> None:
    """It is made from the docstrings."""
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")

    assert set(re.findall(r"automodule:: xnatsync\.services\.(\w+)", page)) == set(MODULES)


def documented() -> list[tuple[str, str, str, dict[str, Any]]]:
    """Module, class (or ""), function and parameters with their defaults, as the founding document has them."""
    found, owner, where = [], "", ""
    for line in re.finditer(r"^(class )?([\w.]+)\((.*)\)\[source\]$", manual("services-api.txt"), re.MULTILINE):
        is_class, name, given = bool(line[1]), line[2], line[3]
        if "." in name:
            where, _, name = name.rpartition(".")
            owner = name if is_class else ""
        if is_class:
            continue
        node = ast.parse(f"def f({given}): ...").body[0]
        assert isinstance(node, ast.FunctionDef)
        taken: dict[str, Any] = {each.arg: ... for each in (*node.args.args, *node.args.kwonlyargs)}
        for each, default in zip(reversed(node.args.args), reversed(node.args.defaults), strict=False):
            taken[each.arg] = ast.literal_eval(default)
        for each, worth in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if worth is not None:
                taken[each.arg] = ast.literal_eval(worth)
        found.append((where.replace("xnatctl", "xnatsync"), owner, name, taken))
    return found


def differences(function: Any, taken: dict[str, Any]) -> list[str]:
    """Where a signature is another than the documented one: names, their order, their defaults."""
    has = dict(inspect.signature(function).parameters)
    has.pop("self", None)
    found = [name for name in taken if name not in has]
    order = [name for name in has if name in taken]
    found += [] if order == list(taken) else [f"order {order}"]
    for name, default in taken.items():
        mine = has[name].default if name in has else None
        mine = ... if mine is inspect.Parameter.empty else mine
        found += [] if name not in has or mine == default else [f"{name}={mine!r}"]
    return found


def test_every_documented_signature_is_there() -> None:
    """77 functions and methods, each parameter by its name, in its order, with its default."""
    listed = documented()
    assert len(listed) == 77

    wrong = {}
    for where, owner, name, taken in listed:
        holder = import_module(where)
        function = getattr(getattr(holder, owner) if owner else holder, name)
        if found := differences(function, taken):
            wrong[f"{owner}.{name}"] = found
    assert wrong == {}


def test_another_signature_is_seen() -> None:
    """A default, an order, a name."""

    def mine(self: object, b: int, a: int = 2) -> None: ...

    assert differences(mine, {"b": ..., "a": 2}) == []
    assert differences(mine, {"b": ..., "a": 3}) == ["a=2"]
    assert differences(mine, {"a": 2, "b": ...}) == ["order ['b', 'a']"]
    assert differences(mine, {"b": ..., "a": 2, "c": None})[0] == "c"
