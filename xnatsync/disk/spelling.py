"""File names that are not valid text, in a spelling that is.

A POSIX name is bytes.  Python shows bytes that are no UTF-8 as lone surrogates, which neither SQLite nor JSON can hold,
so we show them as private characters (U+F480 to U+F4FF) outside this package, and find the file again by them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHIFT = 0xF480 - 0xDC80
_SHOW = {code: code + _SHIFT for code in range(0xDC80, 0xDD00)}
_REAL = {shown: code for code, shown in _SHOW.items()}
_SHOWN = re.compile("[\uf480-\uf4ff]")


def shown(name: str) -> str:
    """Spells a name as the system gives it in characters that can be stored; most names stay as they are."""
    return name if name.isascii() else name.translate(_SHOW)


def real(path: Path) -> Path:
    """Finds the path that a shown one stands for; one that exists as it is spelled stands for itself."""
    text = str(path)
    if _SHOWN.search(text) is None or os.path.lexists(text):
        return path
    return Path(text.translate(_REAL))


def respelled(folder: str, name: str) -> str:
    """Gives the name that a shown one stands for in a folder; one that exists as it is spelled stands for itself."""
    if name.isascii() or _SHOWN.search(name) is None or os.path.lexists(f"{folder}/{name}"):
        return name
    other = name.translate(_REAL)
    return other if os.path.lexists(f"{folder}/{other}") else name
