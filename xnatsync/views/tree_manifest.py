"""The list of a tree as a file: JSON, or lines of values under a head."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from xnatsync.core.cells import cell
from xnatsync.core.moment import clock_words
from xnatsync.core.wording import counted, size
from xnatsync.views.blocks import Line, Tone
from xnatsync.views.jsonout import document

if TYPE_CHECKING:
    from xnatsync.app.tree_manifest import TreeList

_SEPARATORS = {"csv": ",", "tsv": "\t"}


def manifest_text(listed: TreeList, form: str) -> str:
    """Return the whole text, with a line end behind it: the same for the same list."""
    if form == "json":
        return document("mirror-manifest", {**_head(listed), "entries": _entries(listed)}) + "\n"
    out = io.StringIO()
    out.writelines(f"# {key}: {value}\n" for key, value in _head(listed).items())
    from xnatsync.app.tree_manifest import ListedFile

    writer = csv.writer(out, delimiter=_SEPARATORS[form], lineterminator="\n")
    names = [field.name for field in fields(ListedFile)]
    writer.writerow(names)
    values = attrgetter(*names)
    writer.writerows([cell(value) for value in values(file)] for file in listed.files)
    return out.getvalue()


def manifest_line(listed: TreeList, file: str, *, is_new: bool) -> Line:
    """Say what was written."""
    done = "written to" if is_new else "is already in"
    what = f"{counted(len(listed.files), 'file')}, {size(listed.bytes)}, as of {clock_words(listed.moment)}"
    return Line(f"{done} {file}: {what}, {listed.digest}", Tone.GOOD)


def _head(listed: TreeList) -> dict[str, object]:
    return {
        "tool": listed.tool,
        "server": listed.server,
        "route": listed.route,
        "moment": listed.moment,
        "files": len(listed.files),
        "bytes": listed.bytes,
        "digest": listed.digest,
    }


def _entries(listed: TreeList) -> list[dict[str, object]]:
    names = [field.name for field in fields(listed.files[0])] if listed.files else []
    return [{name: getattr(file, name) for name in names} for file in listed.files]
