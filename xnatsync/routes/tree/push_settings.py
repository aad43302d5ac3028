"""A push's settings, in the words of the engine: a tree, and the resources of a project that go up from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from xnatsync.core.layout import Layout
from xnatsync.core.selection import Selection


@dataclass(frozen=True, slots=True)
class PushRoute:
    """A route of the kind `push`."""

    kind: ClassVar[Literal["push"]] = "push"

    name: str
    server: str
    project: str
    folder: Path
    layout: Layout
    selection: Selection
    create_resources: bool = True
    settle_s: float = 60.0
    quiet_s: float = 60.0
    recheck: bool = False  # look at everything now, whatever the server counts
