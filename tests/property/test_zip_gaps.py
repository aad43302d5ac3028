"""What no entry of its directory names in a zip archive is refused; padding and descriptors are not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import SourceDamaged
from xnatsync.disk import zipgaps
from xnatsync.disk.archive import Guard
from xnatsync.disk.zips import zip_members

MEMBERS = st.lists(st.binary(max_size=300), max_size=5)
HIDDEN = st.binary(min_size=1, max_size=200).filter(lambda piece: bool(piece.strip(b"\0")))


class Unseekable(io.BytesIO):
    """Makes zipfile write sizes behind the content, as servers that stream do."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def made(contents: list[bytes], *, streamed: bool, stored: bool, wide: bool, comment: bytes = b"") -> bytes:
    stream = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        archive.writestr("folder/", b"")
        for number, content in enumerate(contents):
            with archive.open(f"folder/IM{number}", "w", force_zip64=wide) as member:
                member.write(content)
    return stream.getvalue()


ARCHIVES = st.builds(
    made,
    MEMBERS,
    streamed=st.booleans(),
    stored=st.booleans(),
    wide=st.booleans(),
    comment=st.sampled_from([b"", b"exported"]),
)


def read(folder: Path, packed: bytes) -> list[bytes]:
    path = folder / "exam.zip"
    path.write_bytes(packed)
    return [b"".join(part.open()) for part in zip_members(path, Guard("exam.zip", len(packed)))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zips")


@given(contents=MEMBERS, streamed=st.booleans(), stored=st.booleans(), wide=st.booleans(), zeros=st.integers(0, 600))
def test_what_writers_write_is_read(
    folder: Path, contents: list[bytes], streamed: bool, stored: bool, wide: bool, zeros: int
) -> None:
    packed = made(contents, streamed=streamed, stored=stored, wide=wide, comment=b"exported")

    assert read(folder, bytes(zeros) + packed + bytes(zeros)) == contents


@given(archive=ARCHIVES, hidden=HIDDEN)
def test_what_lies_before_or_behind_it_is_refused(folder: Path, archive: bytes, hidden: bytes) -> None:
    for packed in (hidden + archive, archive + hidden):
        with pytest.raises(SourceDamaged) as refusal:
            read(folder, packed)
        assert refusal.value.remedy == zipgaps.HIDDEN or "no whole zip archive" in str(refusal.value)


@given(first=ARCHIVES, second=ARCHIVES)
def test_joined_archives_are_refused(folder: Path, first: bytes, second: bytes) -> None:
    with pytest.raises(SourceDamaged, match="does not name"):
        read(folder, first + second)


@given(
    contents=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5),
    left_out=st.integers(0, 4),
    stored=st.booleans(),
)
def test_a_member_that_the_directory_leaves_out_is_refused(
    folder: Path, contents: list[bytes], left_out: int, stored: bool
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"IM{number}", content)
        del archive.filelist[left_out % len(contents)]

    with pytest.raises(SourceDamaged, match="does not name"):
        read(folder, stream.getvalue())


@given(archive=ARCHIVES, hidden=HIDDEN)
def test_a_comment_is_text(folder: Path, archive: bytes, hidden: bytes) -> None:
    stream = io.BytesIO(archive)
    with zipfile.ZipFile(stream, "a") as opened:
        opened.comment = b"\0" + hidden

    with pytest.raises(SourceDamaged, match="in its comment"):
        read(folder, stream.getvalue())
