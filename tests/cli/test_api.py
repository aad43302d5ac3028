"""`api get|post|put|delete`: the answer as it is, an effect only with a yes, errors of the program's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from noun_world import PROJECT, NounWorld, furnish, here
from xnatsync.core.errors import Exit
from xnatsync.sandbox.http.faults import Fault


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def asked(far: NounWorld, method: str) -> list[str]:
    return [str(each["path"]) for each in far.server.log if each["method"] == method and "/NEW" in str(each["path"])]


def test_an_answer_is_printed_as_it_is(far: NounWorld) -> None:
    """With the parameters of `--query`, and those behind a question mark."""
    ran = far.run("api", "get", "/data/projects", "--query", "format=json")

    assert (ran.code, json.loads(ran.out)["ResultSet"]["Result"][0]["ID"]) == (0, PROJECT)
    assert PROJECT in far.run("api", "get", "/data/projects?format=csv").out
    file = "/data/experiments/XNAT_E00001/resources/QC/files/report.txt"
    assert far.run("api", "get", file).out == "fine\n"


def test_what_is_not_there_is_an_error(far: NounWorld) -> None:
    """Not a page of HTML on stdout."""
    ran = far.run("api", "get", "/data/experiments/XNAT_E99999")

    assert (ran.code, ran.out) == (Exit.HELD, "")
    assert "XS-NOT-THERE" in ran.err


@pytest.mark.parametrize(
    "words",
    [["get", "data/projects"], ["get", "https://evil.example/data"], ["get", "//evil.example/data"],
     ["get", "/data/projects", "--query", "format"], ["put", "/data/projects/X", "--json", "none.json", "--data", "x"]],
)  # fmt: skip
def test_what_makes_no_request_is_usage(far: NounWorld, words: list[str]) -> None:
    """No other server is ever asked with this login."""
    assert far.run("api", *words, *(["--yes"] if words[0] == "put" else [])).code == Exit.USAGE


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_an_effect_wants_a_yes(far: NounWorld, method: str) -> None:
    """Without one nothing is sent."""
    ran = far.run("api", method, "/data/experiments/XNAT_E00001/resources/NEW")

    assert (ran.code, "XS-DECLINED" in ran.err) == (Exit.USAGE, True)
    assert asked(far, method.upper()) == []


def test_effects_are_done_once(far: NounWorld) -> None:
    """A resource is made, filled from a file and deleted; an answer that is lost is no success, and not repeated."""
    place = "/data/experiments/XNAT_E00001/resources/NEW"
    (far.root / "a.bin").write_bytes(b"\x00\xffbytes")
    session = next(each for each in far.site.experiments.values() if each.label == "MR001")

    assert far.run("api", "put", place, "--query", "format=RAW", "--yes").code == 0
    assert session.resources["NEW"].format == "RAW"
    stored = far.run("api", "put", f"{place}/files/a.bin", "--file", str(far.root / "a.bin"), "--yes")
    assert stored.code == 0, stored.err
    with far.site.store.open(f"{session.resources['NEW'].folder}/a.bin") as file:
        assert file.read() == b"\x00\xffbytes"
    far.server.faults.add(Fault("DELETE", "/resources/NEW", kind="lost_reply"))
    lost = far.run("api", "delete", place, "--yes")
    assert (lost.code, "XS-OUTCOME-UNKNOWN" in lost.err) == (Exit.TEMPORARY, True)
    assert len(asked(far, "DELETE")) == 1


def test_a_document_is_sent_as_json(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file; what is no JSON is refused before it is sent."""
    place = far.root / "uris.json"
    place.write_text('["/archive/experiments/XNAT_E00001/resources/QC"]')

    ran = far.run("api", "post", "/xapi/archive/catalogs/refresh/append", "--json", str(place), "--yes")

    assert ran.code == 0, ran.err
    place.write_text("no json")
    assert far.run("api", "post", "/xapi/archive/catalogs/refresh", "--json", str(place), "--yes").code == Exit.USAGE
