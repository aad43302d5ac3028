"""A mirror's settings, in the words of the engine: one or more projects, what of them is wanted, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from xnatsync.core.layout import Layout
from xnatsync.core.selection import Selection

SENTINEL: Final = "xnatsync tree\n"  # a push may share the tree of a mirror, so it names neither
METADATA: Final = ""  # the label under which the ledger knows an owner's metadata: no resource has an empty one


@dataclass(frozen=True, slots=True)
class MirrorRoute:
    """A route of the kind `mirror`."""

    kind: ClassVar[Literal["mirror"]] = "mirror"

    name: str
    server: str
    projects: tuple[str, ...]
    folder: Path
    layout: Layout
    selection: Selection
    policy: Literal["add", "replica"] = "add"
    max_delete: int | str = "10%"
    recheck_s: float = 7 * 86400.0
    trash_keep_s: float = 30 * 86400.0
    metadata: bool = True
    big_file: int = 64 << 20  # bytes: from here on a file is fetched alone, and an interrupted one is resumed
