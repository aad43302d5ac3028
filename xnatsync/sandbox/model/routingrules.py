"""The site's routing rules: one expression a line, the first that gives a value decides (import.md §4.1, §12.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.site import Site

_RULE: Final = re.compile(
    r"\s*\((?P<group>[0-9A-Fa-f]{4}),(?P<element>[0-9A-Fa-f]{4})\):(?P<regex>.*?)(?::(?P<number>\d+))?"
    r"(?:\s+t:(?P<find>\S*)\s+r:(?P<put>\S*))?\s*"
)
_KEYS: Final = {kind: f"/dicom/{kind}Rules" for kind in ("project", "subject", "session")}


def values(site: Site, kind: str, head: Head) -> Iterator[str]:
    """Yield what the rules for "project", "subject" or "session" give for an object, best first.

    A line whose element is absent, that does not match or that is no expression passes on to the next one.
    """
    document = site.record.configs.get(_KEYS[kind])
    if document is None or document.get("status") != "enabled":
        return
    for line in str(document.get("contents", "")).splitlines():
        if (match := _RULE.fullmatch(line)) and (value := _value(match, head)):
            yield value


def reach(site: Site) -> int:
    """Return the tag behind the highest one that a rule speaks of: the head is read that far."""
    configs = site.record.configs
    if configs.keys().isdisjoint(_KEYS.values()):
        return 0  # asked for each object, and most sites have none
    rules = (str(configs.get(key, {}).get("contents", "")) for key in _KEYS.values())
    found = (_RULE.fullmatch(line) for text in rules for line in text.splitlines())
    return max((int(one["group"] + one["element"], 16) + 1 for one in found if one is not None), default=0)


def _value(rule: re.Match[str], head: Head) -> str:
    text = head.text(int(rule["group"] + rule["element"], 16))
    try:
        found = re.search(rule["regex"], text) if text else None
        if found is None:
            return ""
        number = int(rule["number"]) if rule["number"] else min(1, len(found.groups()))
        value = found[number] or ""
        return re.sub(rule["find"], rule["put"] or "", value) if rule["find"] else value
    except (re.error, IndexError):
        return ""
