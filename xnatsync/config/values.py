"""The kinds of values that may stand in the configuration file, each refused with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from xnatsync.config.cron import check_schedule
from xnatsync.config.words import seconds, size_bytes
from xnatsync.core.completeness import ITEM, STEM, says_something
from xnatsync.core.labels import Template, is_valid_label
from xnatsync.core.removal_limit import removals_allowed

MOST_S = 31 * 86400.0
LONG_S = 3660 * 86400.0

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_KEYWORD = re.compile(r"[A-Z][A-Za-z0-9]*|\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)")


def _duration(value: object) -> float:
    found = _long_duration(value)
    if found > MOST_S:
        raise ValueError("at most 31d")
    return found


def _long_duration(value: object) -> float:
    match value:
        case str():
            found = seconds(value)
        case _:
            raise ValueError('write a duration in quotes and with its unit, such as "60s"')
    if found > LONG_S:
        raise ValueError("at most 3660d")
    return found


def _size(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('write a size in quotes and with its unit, such as "64MB"')  # noqa: TRY004 - pydantic's way
    return size_bytes(value)


def _removals(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('write a number of files, such as 50, or a percentage, such as "10%"')  # noqa: TRY004
    removals_allowed(0, value)
    return value


def _cron(value: str) -> str:
    check_schedule(value)
    return value


def waiting(value: float) -> float:
    """Refuse a time in which no server can answer."""
    if value < 1:
        raise ValueError("at least 1s: less would give up before the server can answer")
    return value


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError("it begins with ~, and there is no such home folder") from None
    if not path.is_absolute():  # what stands here instead may be a password: it is not repeated
        raise ValueError("must be an absolute path, or begin with ~/: a service has no folder of its own to begin from")
    if "\0" in value:
        raise ValueError("a path cannot hold a zero byte")
    return path


def _template(value: str) -> str:
    Template.parse(value)
    return value


def _label(value: str) -> str:
    if not is_valid_label(value):
        raise ValueError(f"{value!r} is not a label that XNAT accepts: A-Z a-z 0-9 _ -")
    return value


def _marker(value: str) -> str:
    if not says_something(value):
        raise ValueError("say more than wildcards: every item would wait for ever")
    if value.startswith("/") or any(part in {"", ".", ".."} for part in value.split("/")):
        raise ValueError("must be a path in the drop folder, such as {item}/READY or {item}.lock")
    if re.search(r"[{}]", value.replace(ITEM, "").replace(STEM, "")):
        raise ValueError("only {item} and {stem} are known: the name of the item, and the same without its last ending")
    return value


def _resource(value: str) -> str:
    if value.isdigit():
        raise ValueError("must not be a number: XNAT would take it for the number of a resource")
    return _label(value)


def is_name(value: str) -> bool:
    """Return whether a text can be a name or an ID here."""
    return _NAME.fullmatch(value) is not None


def _name(value: str) -> str:
    if not is_name(value):
        raise ValueError(f"{value!r} cannot be a name here: A-Z a-z 0-9 _ -")
    return value


def _keyword(value: str) -> str:
    if not _KEYWORD.fullmatch(value):
        raise ValueError(f"{value!r} is not a DICOM keyword such as StationName, nor (gggg,eeee)")
    return value


Seconds = Annotated[float, BeforeValidator(_duration)]


def _silence(value: object) -> float | str:
    if isinstance(value, str) and value in {"learned", "never"}:
        return value
    found = _long_duration(value)
    if found < 60:
        raise ValueError('at least 1m; or "learned", or "never"')
    return found


LongSeconds = Annotated[float, BeforeValidator(_long_duration)]
Silence = Annotated[float | str, BeforeValidator(_silence)]
Size = Annotated[int, BeforeValidator(_size)]
Removals = Annotated[int | str, BeforeValidator(_removals)]
Cron = Annotated[str, AfterValidator(_cron)]
Folder = Annotated[Path, BeforeValidator(_path)]
MarkerText = Annotated[str, AfterValidator(_marker)]
TemplateText = Annotated[str, AfterValidator(_template)]
Resource = Annotated[str, AfterValidator(_resource)]
Name = Annotated[str, AfterValidator(_name)]
Keyword = Annotated[str, AfterValidator(_keyword)]


class Part(BaseModel):
    """A table of the file: unknown keys are refused, values are frozen, no input is repeated in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def quarrel(found: Sequence[tuple[str, str]]) -> PydanticCustomError:
    """Make an error of keys that contradict each other: the key to change, and why."""
    words = "; ".join(f"{key}: {text}" for key, text in found)
    return PydanticCustomError("quarrels", "{words}", {"words": words, "quarrels": tuple(found)})
