"""Values as plain JSON for another machine, and back: by their types, or not at all.

What comes back was written by another process, perhaps of another version: whatever is not just what its type says is
refused with ValueError, and nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
DEPTH_MAX: Final = 64
_KNOWN: Final[dict[type, dict[str, Any]]] = {}  # the fields of dataclasses, and their types


def to_text(value: object) -> str:
    """Write a dataclass; the order of its fields is kept."""
    return json.dumps(_plain(value), separators=(",", ":"))


def from_text(kind: type[T], text: str) -> T:
    """Read what `to_text` wrote of such a value; ValueError for anything else."""
    try:
        return cast("T", _value(kind, json.loads(text), 0))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
        tag = {"?": type(value).__name__} if getattr(value, "TAGGED", False) else {}
        return {**tag, **{name: _plain(part) for name, part in fields}}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} is not written to another machine")


def _value(kind: Any, raw: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise ValueError("it is nested too deeply")
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _one_of(inner, raw, depth)
    if origin is Literal:
        return _checked(raw, raw in inner and isinstance(raw, str))
    if origin is tuple:
        return _tuple(inner, raw, depth)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        _checked(raw, isinstance(raw, dict))
        return {key: _value(inner[1], part, depth + 1) for key, part in raw.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    if kind is bytes:
        return bytes.fromhex(_checked(raw, isinstance(raw, str)))
    if dataclasses.is_dataclass(kind):
        return _dataclass(cast("type", kind), raw, depth)
    if kind is type(None):
        return _checked(raw, raw is None)
    return _checked(raw, isinstance(raw, kind) and (kind is bool or not isinstance(raw, bool)))


def _one_of(kinds: tuple[Any, ...], raw: Any, depth: int) -> Any:
    """Read a value of one of several types: those with a tag by that, and else the first that it is."""
    if isinstance(raw, dict) and "?" in raw:
        found = [kind for kind in kinds if getattr(kind, "__name__", "") == raw["?"]]
        if len(found) != 1:
            raise ValueError("it is of no type that is known here")
        return _value(found[0], raw, depth)
    for kind in kinds:
        try:
            return _value(kind, raw, depth)
        except ValueError:
            continue
    raise ValueError("it is of no type that is expected here")


def _tuple(inner: tuple[Any, ...], raw: Any, depth: int) -> tuple[Any, ...]:
    _checked(raw, isinstance(raw, list))
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_value(inner[0], part, depth + 1) for part in raw)
    _checked(raw, len(raw) == len(inner))
    return tuple(_value(kind, part, depth + 1) for kind, part in zip(inner, raw, strict=True))


def _dataclass(kind: type, raw: Any, depth: int) -> Any:
    hints = _hints(kind)
    expected = set(hints) | ({"?"} if getattr(kind, "TAGGED", False) else set())
    if not isinstance(raw, dict) or set(raw) != expected or raw.get("?", kind.__name__) != kind.__name__:
        raise ValueError(f"it is no {kind.__name__} of this version")
    return kind(**{name: _value(hint, raw[name], depth + 1) for name, hint in hints.items()})


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _KNOWN:
        found = get_type_hints(kind)
        _KNOWN[kind] = {one.name: found[one.name] for one in dataclasses.fields(kind)}
    return _KNOWN[kind]


def _checked(raw: Any, is_well: bool) -> Any:
    if not is_well:
        raise ValueError("a value is not of its type")
    return raw
