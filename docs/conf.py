"""Settings of Sphinx: the site and the man pages, from the Markdown files here and the help of each command."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import help_pages  # noqa: E402

import xnatsync  # noqa: E402

project = "xnatsync"
author = copyright = "the xnatsync authors"  # noqa: A001
version = release = xnatsync.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
# Links that leave this folder (tests, examples) are for readers of the repository.
suppress_warnings = ["myst.xref_missing"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"xnatsync {release}"

_made = help_pages.write(HERE / "reference")
man_pages = [(f"reference/{name}", name, said, [author], 1) for name, _, said in _made]


def setup(app: Any) -> None:
    """Read docstrings as they are written: Markdown's backticks, and trees drawn with lines."""
    app.connect("autodoc-process-docstring", _as_rest)


def _as_rest(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    found: list[str] = []
    drawn = False
    for line in lines:
        begins = line.startswith(("├", "└", "│")) or line == "XnatsyncError"
        if begins and not drawn:
            found += ["::", ""]
        drawn = begins
        found.append(f"   {line}" if begins else re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line))
    lines[:] = found
