"""Names that are no text: no two are ever shown alike, and each is found again by what is shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.disk.local import LocalDisk
from xnatsync.disk.spelling import real_name, shown

# bytes of UTF-8, of private characters that we use, and of no text at all
_PIECES = st.sampled_from([b"a", b"\x80", b"\xff", b"\xee\x92\x80", b"\xee\x92", b"\xef\x93\xbf", b"\xc3\xa4", b"\xc3"])
_NAMES = st.lists(_PIECES, min_size=1, max_size=6).map(b"".join)


def as_python_shows(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


@given(_NAMES | st.binary(min_size=1).filter(lambda name: not {0, 47} & set(name)))
def test_a_name_is_found_again_by_what_is_shown(name: bytes) -> None:
    """And what is shown can be stored."""
    spelled = shown(as_python_shows(name))
    spelled.encode()
    assert real_name(spelled) == as_python_shows(name)


@given(_NAMES, _NAMES)
def test_two_names_are_never_shown_alike(one: bytes, other: bytes) -> None:
    """An odd byte, and the private character by which it is shown, least of all."""
    assert (shown(as_python_shows(one)) == shown(as_python_shows(other))) == (one == other)


@pytest.mark.skipif(sys.platform != "linux", reason="other disks take text alone")
@given(names=st.sets(_NAMES, min_size=1, max_size=5))
def test_files_of_such_names_are_read_filed_and_removed_each_as_itself(
    names: set[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In folders of such names too: what is read, moved and removed is what was looked at."""
    root = tmp_path_factory.mktemp("drop")
    disk = LocalDisk(root)
    item = os.fsencode(root) + b"/exam"
    for name in names:
        os.makedirs(item + b"/" + name)
        for inner in names:
            Path(os.fsdecode(item + b"/" + name + b"/" + inner)).write_bytes(name + b"/" + inner)
    look = disk.look(root / "exam")
    assert look is not None
    assert look.problems == ()
    assert len({file.path for file in look.files}) == len(names) ** 2

    files = disk.read_manifest(root / "exam", tags=frozenset(), pixels=False)
    contents = {file.path: b"".join(pieces) for file, pieces in disk.stream(root / "exam", files)}
    assert sorted(contents.values()) == sorted(one + b"/" + other for one in names for other in names)
    first, *others = sorted(contents)
    disk.move(root / "exam" / first, root / "done" / first)
    for path in others:
        disk.remove(root / "exam" / path)
    disk.prune(root / "exam")
    assert os.listdir(root) == ["done"]
    assert Path(os.fsdecode(os.fsencode(root) + b"/done/" + contents[first])).read_bytes() == contents[first]
