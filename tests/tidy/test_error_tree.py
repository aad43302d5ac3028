"""The errors are one tree, and the drawing of it at the top of the module is true."""

from __future__ import annotations

import pytest

from tidy.house import drawn_tree
from xnatsync.core import errors
from xnatsync.core.errors import Exit, XnatsyncError

EXITS = {value for name, value in vars(Exit).items() if not name.startswith("_")}


def real_tree() -> dict[str, tuple[str, str]]:
    """Class → (its parent, its own code or "")."""
    found = {}
    waiting: list[type[XnatsyncError]] = [XnatsyncError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__ == errors.__name__:
            parent = kind.__mro__[1].__name__ if kind is not XnatsyncError else ""
            own = vars(kind).get("code", "") if kind is not XnatsyncError else ""
            found[kind.__name__] = (parent, own)
    return found


def test_the_drawn_tree_is_the_real_one() -> None:
    """Every class is drawn, under its parent, with its code; nothing is drawn that is not there."""
    assert drawn_tree(errors.__doc__ or "") == real_tree()


def test_every_code_is_used_once() -> None:
    """Scripts and the manual tell failures apart by it."""
    codes = [code for _, code in real_tree().values() if code]

    assert len(codes) == len(set(codes))
    assert all(code.startswith("XS-") for code in codes)


def test_everything_that_is_raised_has_a_code_of_its_own() -> None:
    """A class without one only groups others."""
    tree = real_tree()
    parents = {parent for parent, _ in tree.values()}

    assert {name for name, (_, code) in tree.items() if not code} <= parents


@pytest.mark.parametrize("name", real_tree())
def test_every_exit_code_is_one_of_the_catalogue(name: str) -> None:
    """And none of them says that all is well."""
    assert getattr(errors, name).exit_code in EXITS - {Exit.OK}


def test_nothing_outside_the_module_adds_to_the_tree() -> None:
    """An error that the manual does not know cannot be raised."""
    import xnatsync.cli.program  # noqa: F401  (with everything below it)

    strangers = [kind for kind in XnatsyncError.__subclasses__() if kind.__module__ != errors.__name__]
    assert strangers == []


DRAWING = """
XnatsyncError
├── Access
│   ├── Denied ........ XS-DENIED   it may not
│   └── Lost .......... XS-LOST     it is gone
└── Bug ............... XS-BUG      our own mistake
    └── Move .......... XS-BUG-MOVE an illegal move
"""
TREE = {
    "XnatsyncError": ("", ""),
    "Access": ("XnatsyncError", ""),
    "Denied": ("Access", "XS-DENIED"),
    "Lost": ("Access", "XS-LOST"),
    "Bug": ("XnatsyncError", "XS-BUG"),
    "Move": ("Bug", "XS-BUG-MOVE"),
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("│   └── Lost", "└── Lost"),
        ("XS-LOST ", "XS-LOOT "),
        ("│   ├── Denied ........ XS-DENIED   it may not\n", ""),
        ("Access\n", "Access\n│   ├── New ........... XS-NEW      something\n"),
        ("    └── Move", "└── Move"),
    ],
    ids=["moved", "other code", "left out", "too many", "raised"],
)
def test_a_drawing_that_lies_is_caught(old: str, new: str) -> None:
    """In each way in which a drawing grows old."""
    assert drawn_tree(DRAWING) == TREE
    assert drawn_tree(DRAWING.replace(old, new)) != TREE
