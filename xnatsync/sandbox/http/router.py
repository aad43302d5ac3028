"""Restlet's routing: the longest template that is a prefix of the path wins (hierarchy.md §1.2–1.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from xnatsync.sandbox.http.exchange import Handler, Match, escaped

ANY = "ANY"
_DOUBLED = ("/projects", "/subjects", "/experiments")  # also reachable below /archive (§1.2)
_VARIABLE = re.compile(r"\{([A-Za-z_]+)\}")


@dataclass(slots=True)
class _Leaf:
    names: list[str]  # of the variables, in order
    handlers: dict[str, Handler] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    leaf: _Leaf | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a path; `handler` is None when the template has none for the method (405)."""

    handler: Handler | None
    match: Match
    methods: frozenset[str]


class Routes:
    """All routes.

    Templates begin without /data: `/projects/{PROJECT_ID}`; those of `/xapi`, `/app`, `/schemas` and `/` are whole
    paths and match exactly, unless they end in `/**`, which takes any tail.
    """

    def __init__(self) -> None:
        self._prefix = _Node()
        self._exact = _Node()

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Add one method of one template; GET answers HEAD too; a later call for the same pair replaces the former."""
        exact = template == "/" or template.split("/")[1] in {"xapi", "app", "schemas"}
        node = self._exact if exact else self._prefix
        names: list[str] = []
        for segment in template.split("/")[1:]:
            variable = _VARIABLE.fullmatch(segment)
            if variable:
                names.append(variable[1])
                node.variable = node = node.variable or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        node.leaf = node.leaf or _Leaf(names)
        node.leaf.handlers[method] = handler

    def find(self, method: str, path: str) -> Found | None:
        """Find the route of a raw path."""
        segments = path.split("/")[1:]
        if segments[0] in {"data", "REST"}:
            segments = segments[1:]
            if len(segments) > 1 and segments[0] == "archive" and f"/{segments[1]}" in _DOUBLED:
                segments = segments[1:]
            best = _longest(self._prefix, segments, 0, [])
        else:
            best = _longest(self._exact, segments, 0, [], exact=True)
        if best is None:
            return None
        leaf, values, used = best
        tail = "".join(f"/{segment}" for segment in segments[used:])
        match = Match({name: escaped(value) for name, value in zip(leaf.names, values, strict=True)}, tail)
        wanted = "GET" if method == "HEAD" and "HEAD" not in leaf.handlers else method
        return Found(leaf.handlers.get(wanted) or leaf.handlers.get(ANY), match, frozenset(leaf.handlers))


_Best = tuple[_Leaf, list[str], int]


def _longest(node: _Node, segments: list[str], at: int, values: list[str], *, exact: bool = False) -> _Best | None:
    """Return the leaf that uses most segments; a literal segment beats a variable where both reach as far."""
    best: _Best | None = None
    if node.leaf is not None and (not exact or at == len(segments)):
        best = (node.leaf, list(values), at)
    if exact and (rest := node.literal.get("**")) is not None and rest.leaf is not None:
        best = best or (rest.leaf, list(values), at)
    if at == len(segments):
        return best
    segment = segments[at]
    candidates = [(node.literal.get(segment), values)]
    if segment:
        candidates.append((node.variable, [*values, segment]))
    for child, taken in candidates:
        found = _longest(child, segments, at + 1, taken, exact=exact) if child is not None else None
        if found is not None and (best is None or found[2] > best[2]):
            best = found
    return best
