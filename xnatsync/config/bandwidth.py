"""`bandwidth` of a server: a rate, or a list of tables with times of day."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from xnatsync.config.words import size_bytes
from xnatsync.core.bandwidth import DAY, LEAST, Bandwidth, Hours, always, overlap

_TIME: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_KEYS: Final = ("from", "to", "rate")
_HOW: Final = 'write "20MiB/s", or [{ from = "08:00", to = "18:00", rate = "5MiB/s" }]'


def read_rate(text: str) -> int:
    """Read a rate: `20MiB/s`."""
    number, slash, second = text.partition("/")
    if slash != "/" or second != "s":
        raise ValueError(f"{text!r} is no rate: write 20MiB/s or 500kB/s")
    found = size_bytes(number)
    if found < LEAST:
        raise ValueError("at least 64KiB/s: with less, servers end a connection before one piece has gone")
    return found


def read_bandwidth(value: object) -> Bandwidth:
    """Read what stands in the configuration; ValueError says how it is written."""
    if isinstance(value, str):
        return always(read_rate(value))
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(_HOW)
    hours = [_hours(one, number) for number, one in enumerate(value, 1)]
    if (twice := overlap(hours)) is not None:
        raise ValueError(f"the tables {twice[0] + 1} and {twice[1] + 1} are for the same time of day")
    return Bandwidth(tuple(hours))


def _hours(table: object, number: int) -> Hours:
    if (
        not isinstance(table, Mapping)
        or set(table) != set(_KEYS)
        or not all(isinstance(v, str) for v in table.values())
    ):
        raise ValueError(f"table {number} needs `from`, `to` and `rate`, and nothing else: {_HOW}")
    begin, end = (_minute(str(table[key]), number) for key in ("from", "to"))
    if begin == end:
        raise ValueError(f"table {number} begins when it ends: for the whole day, write the rate alone")
    return Hours(begin, end, read_rate(str(table["rate"])))


def _minute(text: str, number: int) -> int:
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found is not None else DAY + 1
    if minute > DAY:
        raise ValueError(f"table {number}: {text!r} is no time of day: write 08:00")
    return minute % DAY


def _checked(value: Any) -> Any:
    read_bandwidth(value)
    return tuple(dict(one) for one in value) if isinstance(value, Sequence) and not isinstance(value, str) else value


Rates = Annotated[str | tuple[dict[str, str], ...], BeforeValidator(_checked)]
