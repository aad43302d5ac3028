"""Every command beside an odd row in every listing that it reads: it costs that row, and nothing that is good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from cli_world import World
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault

Row = dict[str, Any]
LABEL = "P1_MR_20260302"
ALWAYS = 1_000_000


def all_odd(row: Row) -> object:
    return dict.fromkeys(row, "a\tb\u202e")


def no_address(row: Row) -> object:
    names = {"URI", "url", "Name", "ID", "id", "label"}
    return {key: "a\tb" if key in names else _of_another(value) for key, value in row.items()}


def climbing(row: Row) -> object:
    return {key: f"{value.rpartition('/')[0]}/.." if isinstance(value, str) else value for key, value in row.items()}


def no_text(row: Row) -> object:
    return {key: ["x"] for key in row}


def nothing_at_all(row: Row) -> object:
    return {}


def no_row(row: Row) -> object:
    return "row"


ODD: list[Callable[[Row], object]] = [all_odd, no_address, climbing, no_text, nothing_at_all, no_row]


def _of_another(value: object) -> object:
    return f"{value}9" if isinstance(value, str) and value else value


def beside(odd: Callable[[Row], object], changed: list[str]) -> Fault:
    """Puts an odd row before the rows of each listing that has some, and notes which were."""

    def change(request: Request, response: Response) -> Response | None:
        if response.status != 200 or "json" not in response.headers.get("Content-Type", ""):
            return None
        body = response.body if isinstance(response.body, bytes) else b"".join(cast("Iterable[bytes]", response.body))
        document = json.loads(body)
        rows = document.get("ResultSet", {}).get("Result")
        if rows:
            changed.append(request.path)
            rows.insert(0, odd(rows[0]))
        said = json.dumps(document).encode("utf-8", "surrogatepass")
        return Response(200, response.headers, said, response.cookies)

    return Fault("GET", ".", "call", times=ALWAYS, after_call=change)


def mirror_and_push(box: World) -> tuple[Path, Path]:
    tree, pushed = box.root / "tree", box.root / "pushed"
    pushed.mkdir()
    routes = (
        f'[routes.mine]\nkind = "mirror"\nfolder = "{tree}"\nserver = "box"\nproject = "DEMO"\npolicy = "replica"\n'
        f'[routes.back]\nkind = "push"\nfolder = "{pushed}"\nserver = "box"\nproject = "DEMO"\n'
        'resources = ["NOTES"]\nsettle = "0s"\n'
    )
    tree.mkdir()
    box.configure(route=f'quiet = "1s"\n{routes}')
    return tree, pushed


def objects(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*.dcm") if ".xnatsync" not in path.parts}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_a_drop_is_delivered_beside_it(box: World, odd: Callable[[Row], object]) -> None:
    """Proven, filed, and found whole by `verify`: where the odd row is of the session itself, nothing is concluded."""
    box.configure(route='quiet = "1s"')
    box.study("exam")
    changed: list[str] = []
    box.server.faults.add(beside(odd, changed))
    first = box.run("sync", "--patience", "1s", "-o", "json")
    assert first.code in {0, 3, 5}, first
    assert changed
    assert "XS-BUG" not in first.out + first.err
    sessions = [e for e in box.server.site.experiments.values() if e.project == "DEMO"]
    assert len(sessions) <= 1
    box.server.faults.clear()
    last = box.run("sync", "--patience", "20s", "-o", "json") if first.code == 5 else box.run("retry", "--all", "-y")
    again = box.run("sync", "--patience", "20s", "-o", "json")
    assert (again.code, [e.label for e in box.server.site.experiments.values()]) == (0, [LABEL]), (first, last, again)
    assert box.run("verify", "scanner").code == 0


# What stands in a listing of everybody's rows for what somebody else did: a label that nobody can read.
OTHERS = {
    "odd label": {"name": "a\tb", "url": "/prearchive/projects/DEMO/20240611_142301123/a\tb"},
    "turned label": {"name": "\u202egpj", "url": "/prearchive/projects/DEMO/20240611_142301123/\u202egpj", "tag": ""},
    "climbing address": {"url": "/prearchive/projects/DEMO/../.."},
    "no address": {"url": None, "subject": ["x"]},
    "no study": {"name": "X\u2028", "url": "", "tag": None, "status": {}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_somebody_elses_odd_row_keeps_nobody_waiting(box: World, name: str) -> None:
    """Neither before an upload nor after it, and in one run."""
    row = {"project": "DEMO", "name": "L9", "subject": "S9", "tag": "1.2.9", "status": "READY", "uploaded": ""}
    row |= OTHERS[name]

    def change(_: Request, response: Response) -> Response:
        body = response.body if isinstance(response.body, bytes) else b"".join(cast("Iterable[bytes]", response.body))
        document = json.loads(body)
        document["ResultSet"]["Result"].append(row)
        return Response(200, response.headers, json.dumps(document).encode(), response.cookies)

    box.configure(route='quiet = "1s"')
    box.study("exam")
    path = "^/data/prearchive/projects/DEMO[?]"
    fault = box.server.faults.add(Fault("GET", path, "call", times=ALWAYS, after_call=change))
    ran = box.run("sync", "--patience", "1s", "-o", "json")
    assert ran.code == 0, ran
    assert fault.hits >= 2


READS: dict[str, tuple[str, ...]] = {
    "project list": ("project", "list"),
    "subject list": ("subject", "list", "-P", "DEMO"),
    "session list": ("session", "list", "-P", "DEMO"),
    "scan list": ("scan", "list", "-P", "DEMO", "-E", LABEL),
    "resource list": ("resource", "list", "-P", "DEMO", LABEL),
    "resource list of a scan": ("resource", "list", "-P", "DEMO", LABEL, "--scan", "1"),
    "audit": ("audit", "expected.json", "-P", "DEMO", "--allow-extra"),
    "verify": ("verify", "scanner"),
    "plan": ("plan", "scanner"),
    "doctor": ("doctor",),
}
SHOWS = {
    "session list": LABEL,
    "subject list": "P1",
    "project list": "DEMO",
    "scan list": "T1 head",
    "resource list of a scan": "DICOM",
}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_everything_that_reads_shows_what_is_good(
    box: World, odd: Callable[[Row], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended with an answer, or an error of ours; never by hiding what is there."""
    monkeypatch.chdir(box.root)
    box.study("exam")
    assert box.run("sync").code == 0
    assert box.run("audit", "-P", "DEMO", "--init", "expected.json").code == 0
    box.server.faults.add(beside(odd, []))
    for name, arguments in READS.items():
        ran = box.run(*arguments)
        assert ran.code in {0, 3, 4, 5}, (name, ran)
        assert "XS-BUG" not in ran.out + ran.err, (name, ran)
        if name in SHOWS:
            assert ran.code == 0, (name, ran)
            assert SHOWS[name] in ran.out, (name, ran)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_trees_hold_what_is_good_and_lose_nothing(
    box: World, odd: Callable[[Row], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that follows removals removes nothing, a push and a download bring all; the odd row is told."""
    monkeypatch.chdir(box.root)
    tree, pushed = mirror_and_push(box)
    box.study("exam")
    assert box.run("sync", "scanner").code == 0
    whole = objects(box.root / "xnat")
    assert len(whole) == 4
    changed: list[str] = []
    box.server.faults.add(beside(odd, changed))
    mirrored = box.run("sync", "mine", "--patience", "1s")
    assert changed
    assert objects(tree) == whole, mirrored
    again = box.run("sync", "mine", "--patience", "1s")
    assert objects(tree) == whole, again
    note = pushed / "DEMO" / "P1" / LABEL / "resources" / "NOTES" / "files" / "a.txt"
    note.parent.mkdir(parents=True)
    note.write_text("seen")
    sent = box.run("sync", "back", "--patience", "1s")
    got = box.run("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "got", "--unzip", "--include-resources")
    assert objects(box.root / "got") == whole, got
    compared = box.run("verify", "mine")
    for ran in (mirrored, again, got, compared):
        assert ran.code in {3, 5}, ran  # told
    assert sent.code in {0, 3, 5}, sent
    for ran in (mirrored, again, sent, got, compared):
        assert "XS-BUG" not in ran.out + ran.err, ran
    box.server.faults.clear()
    assert box.run("sync", "back").code == 0
    assert box.run("sync", "mine").code == 0
    assert box.run("verify", "mine").code == 0
    assert note.read_text() in {path.read_text() for path in (box.root / "xnat").rglob("a.txt")}
