"""Items as JSON: `items[].meta`, `data_fields`, `children` (hierarchy.md §4.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from xnatsync.sandbox.model.items import Item
from xnatsync.sandbox.model.objects import Stamps
from xnatsync.sandbox.model.schema import element, field_of

_EVENT = 1  # the sandbox keeps no change sets; every row was made by "the" event


def item_json(item: Item) -> Iterator[bytes]:
    """Write the document in pieces, as XNAT streams it.  Numbers are JSON numbers, booleans are strings."""
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    waiting = ""
    for piece in encoder.iterencode({"items": [_node(item, item.stamps)]}):
        waiting += piece
        if len(waiting) > 1 << 16:
            yield waiting.encode()
            waiting = ""
    yield waiting.encode()


def _node(item: Item, inherited: Stamps | None) -> dict[str, object]:
    stamps = item.stamps or inherited
    meta: dict[str, object] = {"create_event_id": _EVENT, "xsi:type": item.xsi_type, "isHistory": False}
    if stamps is not None:
        meta["start_date"] = _java_date(stamps.last_modified or stamps.insert_date)
        if stamps.last_modified:
            meta["modified_event_id"] = _EVENT + 1
    fields: dict[str, object] = {key: _value(item.xsi_type, key, text) for key, text in item.values.items()}
    fields |= item.keys
    children = [
        {"field": name, "items": [_node(child, stamps) for child in below]} for name, below in item.children
    ] + [_nested(name, item, below, stamps) for name, below in _named_parts(item).items()]
    return {
        "meta": meta,
        "data_fields": {key: value for key, value in fields.items() if not _in_named_part(item, key)},
        "children": children,
    }


def _named_parts(item: Item) -> dict[str, dict[str, str]]:
    """Collect values such as `validation/status`: parts with a type of their own are items of their own."""
    found: dict[str, dict[str, str]] = {}
    for key, text in item.values.items():
        if _in_named_part(item, key):
            name, _, rest = key.partition("/")
            found.setdefault(name, {})[rest] = text
    return found


def _in_named_part(item: Item, key: str) -> bool:
    described = element(item.xsi_type)
    name, slash, _ = key.partition("/")
    return bool(slash) and described is not None and described.parts.get(name, "").startswith("xnat:")


def _nested(name: str, item: Item, values: dict[str, str], stamps: Stamps | None) -> dict[str, object]:
    described = element(item.xsi_type)
    xsi_type = described.parts[name] if described else ""
    return {"field": name, "items": [_node(Item(xsi_type, values), stamps)]}


def _value(xsi_type: str, key: str, text: str) -> object:
    found = field_of(xsi_type, key)
    kind = found.type if found else ""
    try:
        if kind in {"xs:integer", "xs:long"}:
            return int(text)
        if kind in {"xs:float", "xs:double"}:
            return float(text)
    except ValueError:
        return text
    return text


def _java_date(stamp: str) -> str:
    """Write a stamp as `java.util.Date.toString()`: not ISO, with the server's zone by name."""
    when = time.strptime(stamp.partition(".")[0], "%Y-%m-%d %H:%M:%S")
    local = time.localtime(time.mktime(when))
    return time.strftime("%a %b %d %H:%M:%S %Z %Y", local)
