"""Whoever opens an answer closes it: after any failure at any piece no connection is left with unread data on it."""

from __future__ import annotations

import ast
import gc
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from unit.xnat_scripted import Answer, Scripted, connected, scripted
from xnatsync.core.errors import DiskFull, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.sides import ServerFile
from xnatsync.core.streams import closed_after
from xnatsync.fetch.fetcher import Fetcher
from xnatsync.fetch.store import Staged
from xnatsync.ports.tree import Content
from xnatsync.xnat import wire
from xnatsync.xnat.server import XnatServer

SESSION = Owner(OwnerKind.SESSION, "P1", "XNAT_E1", subject="S1", session="S1_MR")
KEY = ResourceKey("4", "NIFTI")
NAMES = [f"f{number}.nii" for number in range(6)]
SIZE = 1_500_000  # too large for the buffers of a socket: what is not read stays on the connection
WHAT = examples(30)


def served(script: Scripted, files: int = 6) -> None:
    """A scan with files that come as a zip, and each by itself."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in NAMES[:files]:
            made.writestr(f"XNAT_E1/scans/4/resources/NIFTI/files/{name}", bytes(SIZE))
    at = "/data/experiments/XNAT_E1"
    script.on("GET", f"{at}/scans/4/resources/NIFTI/files", Answer(200, stream.getvalue(), chunked=True))
    script.on("GET", f"{at}/scans/4/files", Answer(200, stream.getvalue(), chunked=True))
    for name in NAMES:
        script.on("GET", f"{at}/scans/4/resources/NIFTI/files/{name}", Answer(200, bytes(SIZE)))
    rows = ",".join(
        f'{{"Name":"{name}","Size":"{SIZE}","URI":"{at}/scans/4/resources/NIFTI/files/{name}","collection":"NIFTI",'
        '"digest":""}'
        for name in NAMES[:files]
    )
    script.on("GET", f"{at}/scans/ALL/files", Answer(200, f'{{"ResultSet":{{"Result":[{rows}]}}}}'.encode()))


def listed(size: int = SIZE) -> list[ServerFile]:
    """The same files as a listing shows them."""
    return [ServerFile(KEY, name, name, size, "") for name in NAMES]


@dataclass
class Failing:
    """A store whose disk is full after so many pieces."""

    pieces: int
    at_once: int = 2
    apart: bool = True
    came: list[str] = field(default_factory=list)

    def free(self) -> int:
        return 1 << 40

    def begun(self, file: ServerFile) -> int:
        return 0

    def put(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Staged:
        size = 0
        for piece in content:
            size += len(piece)
            self.pieces -= 1
            if self.pieces < 0:
                raise DiskFull("writing into staging failed: No space left on device")
        self.came.append(file.name)
        return Staged(file, "", Content(size, b"", ""))

    def drop(self, file: ServerFile) -> None:
        return


def kept(act: Callable[[], object]) -> BaseException | None:
    """Does something, and gives the error with all of its frames alive, as a report of a run keeps it."""
    try:
        act()
    except (XnatsyncError, ZeroDivisionError) as error:
        return error
    return None


@pytest.fixture(scope="module")
def far() -> Iterator[XnatServer]:
    with scripted() as script, connected(script, pool=3) as server:
        served(script)
        gc.disable()  # only what is closed counts, not what a collector happens to find
        try:
            yield server
        finally:
            gc.enable()


@WHAT
@given(st.integers(0, 20), st.booleans(), st.booleans(), st.integers(1, 64 << 20))
def test_a_disk_that_fills_up_leaves_no_answer_open(
    far: XnatServer, after: int, threads: bool, piecemeal: bool, big_file: int
) -> None:
    """As a zip or file by file, in threads or not, at any piece; the error is still held when it is counted."""
    fetcher = Fetcher(far, SESSION, Failing(after), "s", big_file=big_file, threads=threads, piecemeal=piecemeal)

    error = kept(lambda: list(fetcher.fetch(listed(), listed())))

    assert left_open(far) == 0, error
    assert isinstance(error, DiskFull) or after > 6


def left_open(server: XnatServer) -> int:
    """Counts the answers that are open, and closes them: a test that fails must not let the next one wait for them."""
    found = server.client.exchanges.streams
    server.client.exchanges.close_streams()
    return found


@dataclass
class Narrow(Failing):
    """A store with so much room."""

    room: int = 0

    def free(self) -> int:
        return self.room


@WHAT
@given(st.integers(0, 7), st.integers(0, SIZE - 1), st.booleans(), st.booleans(), st.booleans())
def test_what_fits_in_the_room_is_fetched(
    far: XnatServer, files: int, more: int, threads: bool, piecemeal: bool, apart: bool
) -> None:
    """Each file that still fits and none more, the rest told; into a zip all or nothing."""
    store = Narrow(pieces=1 << 20, apart=apart, room=files * SIZE + more)
    fetcher = Fetcher(far, SESSION, store, "s", threads=threads, piecemeal=piecemeal)

    error = kept(lambda: list(fetcher.fetch(listed(), listed())))

    fits = min(files, len(NAMES))
    assert isinstance(error, DiskFull) == (fits < len(NAMES))
    assert len(store.came) == (fits if apart or fits == len(NAMES) else 0)
    assert left_open(far) == 0


def taken(stream: Iterator[Any], pieces: int) -> None:
    """Reads some pieces of what comes, and fails."""
    with closed_after(stream) as open_:
        for one in open_:
            content = one[-1] if isinstance(one, tuple) else iter([one])
            for _ in content:
                pieces -= 1
                if pieces < 0:
                    raise ZeroDivisionError


METHODS: dict[str, Callable[[XnatServer], Iterator[Any]]] = {
    "fetch_scans": lambda server: server.fetch_scans("XNAT_E1", ["4"]),
    "fetch_resources": lambda server: server.fetch_resources(SESSION, [KEY]),
    "fetch_file": lambda server: server.fetch_file(SESSION, KEY, NAMES[0]),
    "fetch_file out of a zip": lambda server: server.fetch_file(SESSION, KEY, "f1.nii*"),
    "stream": lambda server: server.client.stream(wire.scans_zip("XNAT_E1", ["4"])),
}


@WHAT
@given(st.sampled_from(sorted(METHODS)), st.integers(0, 40))
def test_a_reader_that_fails_at_any_piece_leaves_no_answer_open(far: XnatServer, method: str, after: int) -> None:
    """For every method that streams."""
    error = kept(lambda: taken(METHODS[method](far), after))

    assert left_open(far) == 0, error


def test_what_somebody_left_open_is_closed_at_the_end_and_costs_no_time() -> None:
    """Even then: logging out waits for no connection, and says goodbye on one that was let go of."""
    with scripted() as script:
        with connected(script, pool=1) as server:
            served(script)
            stream = METHODS["stream"](server)
            next(stream)
            assert server.client.exchanges.streams == 1
        assert script.requests("DELETE", "/data/JSESSION")


PRODUCT = Path(wire.__file__).parents[1]
STREAMING = {"fetch_scans", "fetch_resources", "fetch_file", "stream", "fetch", "fetch_all", "members", "_members"}


def unclosed(text: str) -> list[int]:
    """Lines with a `for` or an assignment over a stream that nobody closes: outside of `closing` and `closed_after`."""
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        source = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        for call in ast.walk(source) if source is not None else ():
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in STREAMING:
                of_disk = ast.unparse(call.func.value).rpartition(".")[2] == "disk"
                found += [] if of_disk else [call.lineno]
    return found


def test_every_caller_closes_what_it_reads() -> None:
    """A total rule: no bare `for` over a stream of the network; `zipreader.members` alone has no connection."""
    bare = {
        f"{path.relative_to(PRODUCT)}:{line}"
        for path in PRODUCT.rglob("*.py")
        if path.parts[-2] != "sandbox" and "sandbox" not in path.parts
        for line in unclosed(path.read_text(encoding="utf-8"))
    }
    assert {place.partition(":")[0] for place in bare} <= {"xnat/download.py"}


def test_a_bare_loop_over_a_stream_is_seen() -> None:
    """The rule's own negative test."""
    assert unclosed("for a in server.fetch_scans('E', ['4']):\n    pass\n") == [1]
    assert unclosed("for a in server.fetch_scans('E', x) if x else ():\n    pass\n") == [1]
    assert unclosed("with closed_after(server.fetch_scans('E', ['4'])) as s:\n    for a in s:\n        pass\n") == []
