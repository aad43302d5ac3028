"""What the fuzzer found stays mended: each input that ever got the better of the program is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz import sandbox_target, targets
from hostile.oracle import Caught
from xnatsync.core.manifest import Kind
from xnatsync.dicom.classify import Reading
from xnatsync.xnat.replies import Reply

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.fixture(autouse=True, scope="module")
def _swept() -> Iterator[None]:
    yield
    sandbox_target.finish()
    targets.sweep()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.relative_to(CORPUS).as_posix())
def test_a_kept_input_ends_well(path: Path) -> None:
    """In a value, in an error that says what and why, or in a hold."""
    targets.TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_good_input_ends_well(name: str) -> None:
    """Whole, and cut in the middle: what the fuzzer begins from is itself no finding."""
    for seed in targets.seeds(name):
        targets.TARGETS[name](seed)
        targets.TARGETS[name](seed[: len(seed) // 2])


def test_every_kept_input_has_a_target() -> None:
    """A folder that nobody replays would prove nothing."""
    assert {path.parent.name for path in KEPT} <= set(targets.TARGETS)


# --- planted -----------------------------------------------------------------------------------------------------


def test_a_parser_that_trusts_the_server_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what it wants out of the JSON: wrong types and missing keys end in a bare exception."""

    def weak(reply: Reply) -> object:
        return [row["label"] for row in json.loads(reply.body)["ResultSet"]["Result"]]

    monkeypatch.setattr(targets, "PARSERS", [weak])
    targets.answers(b'\x00{"ResultSet": {"Result": [{"label": "A"}]}}')
    for body in (b"", b"<html>", b"[]", b'{"ResultSet": {"Result": [1]}}', b'{"ResultSet": {}}', b"[" * 100_000):
        with pytest.raises(Caught, match="bare"):
            targets.answers(b"\x00" + body)
    with pytest.raises(Caught, match="passed on"):
        targets.answers(b'\x00{"ResultSet": {"Result": [{"label": "a\\u001b[2J"}]}}')


def test_an_address_that_leads_elsewhere_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that climb must not come out of a parser."""
    monkeypatch.setattr(targets.names, "relative_path", lambda value, what: str(value))
    row = {
        "Name": "x",
        "Size": "1",
        "collection": "R",
        "digest": "",
        "URI": "/data/experiments/E/resources/R/files/../x",
    }
    with pytest.raises(Caught, match="leads elsewhere"):
        targets.answers(b"\x01" + json.dumps({"ResultSet": {"Result": [row]}}).encode())


def test_a_reader_whose_answer_depends_on_the_pieces_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is the same stream however it is cut."""
    monkeypatch.setattr(targets, "_read", lambda data, step: Reading(Kind.OTHER, f"step {step}"))
    with pytest.raises(Caught, match="two readings"):
        targets.dicom(b"x" * 100)


def test_an_archive_member_that_climbs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that lets a name through is noticed behind it."""
    from xnatsync.disk.archive import Guard

    monkeypatch.setattr(Guard, "admit", lambda self, member: member)
    with pytest.raises(Caught, match="leads elsewhere"):
        targets.zips(_zip_of("../evil"))


def _zip_of(name: str) -> bytes:
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


def test_a_server_that_writes_outside_its_folder_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of its threads does it."""
    here = sandbox_target.stand()
    answer = here.server.routes.find

    def weak(method: str, path: str) -> object:
        (tmp_path / "outside").write_text("x")
        return answer(method, path)

    monkeypatch.setattr(here.server.routes, "find", weak)
    with pytest.raises(Caught, match="writes where"):
        targets.sandbox(b"\x0bprojects")
