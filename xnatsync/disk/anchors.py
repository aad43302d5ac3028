"""Which part of a path is a person's word, and may lead through links, and which part is walked step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.spelling import real, real_name


@dataclass(frozen=True, slots=True)
class Anchors:
    """The folders that the configuration names: below them no link is followed."""

    folders: tuple[Path, ...] = ()

    def steps(self, path: Path) -> tuple[Path, tuple[str, ...]]:
        """Give the folder from which a path is walked, and the names on the way, as the disk spells them.

        Where none of the folders holds the path, it is the one that holds `.xnatsync`, or else the path's own.
        """
        anchor = max(
            (folder for folder in self.folders if folder in path.parents and OWN_FOLDER not in folder.parts),
            key=lambda folder: len(folder.parts),
            default=None,
        )
        if anchor is None:
            parents = list(path.parents)
            ours = [above.parent for above in parents if above.name == OWN_FOLDER]
            anchor = ours[-1] if ours else parents[0] if parents else path
        return real(anchor), tuple(real_name(step) for step in path.relative_to(anchor).parts) or (".",)
