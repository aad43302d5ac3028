"""What a command says beforehand is what a run does, and settings that do less than they seem to are told."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_world import PASSWORD, World
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.sandbox.http.faults import Fault

# --- the plan ----------------------------------------------------------------------------------------------------


def mixed(box: World) -> None:
    """Two good studies, one that cannot be named, one with a truncated object, words, and an empty folder."""
    box.study("good")
    box.study("another", "P2", seed=5)
    box.study("unnamed", "", seed=2)
    broken = box.study("cut", "P3", seed=4)
    first = next(broken.rglob("0001.dcm"))
    first.write_bytes(first.read_bytes()[:400])
    (box.drop / "words").mkdir()
    (box.drop / "words" / "a.txt").write_text("words", encoding="utf-8")
    (box.drop / "empty").mkdir()


def test_the_totals_of_a_plan_are_what_the_run_does(box: World) -> None:
    """Objects sent, sessions that get something, items that are held."""
    mixed(box)

    totals = box.run("plan", "-o", "json").document["totals"]
    items = box.run("sync", "-o", "json").document["items"]

    units = [unit for item in items for unit in item["units"]]
    assert totals["send_objects"] == sum(unit["receipt"]["held"] for unit in units if unit["receipt"])
    assert totals["sessions"] == sum(unit["receipt"] is not None for unit in units)
    held = [item for item in items if item["hold"] == "person" or any(u["hold"] == "person" for u in item["units"])]
    assert totals["held"] == len(held) == 2


def test_a_plan_tells_the_code_and_the_advice_with_which_the_run_holds(box: World) -> None:
    """Of broken objects, of files in doubt and of odd ones: each has a way on of its own."""
    for name in ("broken", "doubt", "odd"):
        box.study(name, f"P-{name}", seed=len(name), date="20260303")
    objects = {name: min((box.drop / name).rglob("*.dcm")) for name in ("broken", "odd")}
    objects["broken"].write_bytes(objects["broken"].read_bytes()[:-100])
    (box.drop / "doubt" / "empty.dcm").write_bytes(b"")
    objects["odd"].write_bytes(objects["odd"].read_bytes() + b"xyz")

    foreseen = plan(App(load(box.config)), [], progress=Progress()).items
    items = box.run("sync", "-o", "json").document["items"]

    stops = {part.item.path: part.stop.code if part.stop is not None else part.item.code for part in foreseen}
    assert stops == {part["path"]: part["code"] for part in items}
    assert len(set(stops.values())) == 3


def test_a_plan_numbers_nothing_that_the_ledger_does_not_know(box: World) -> None:
    """A number that a run has not given yet would be another thing's; no command is printed for one."""
    mixed(box)
    plan = box.run("plan")

    assert "(item " not in plan.out
    assert "xnatsync --config" not in plan.out
    assert {item["id"] for item in box.run("plan", "-o", "json").document["items"]} == {None}
    box.run("sync")
    assert "(item " in box.run("plan").out


def test_every_item_of_a_plan_has_a_sign(box: World) -> None:
    """What would be held is said to be, with the reason; an empty folder is not passed over in silence."""
    mixed(box)

    lines = box.run("plan").out.splitlines()

    for name, sign in [("cut", "!"), ("unnamed", "!"), ("good", "+"), ("empty", "-"), ("words", "-")]:
        begin = next(n for n, line in enumerate(lines) if line.startswith(f"{name} "))
        below = [line.strip() for line in lines[begin + 1 :]]
        own = below[: next((n for n, line in enumerate(lines[begin + 1 :]) if not line.startswith(" ")), len(below))]
        assert any(line.startswith(sign) for line in own), (name, own)


@pytest.mark.parametrize(
    "command",
    [
        ["sync", "nowhere"],
        ["plan", "nowhere"],
        ["verify", "nowhere"],
        ["status", "nowhere"],
        ["mirror", "ls", "nowhere"],
    ],
)
def test_an_unknown_route_names_the_known_ones(command: list[str], box: World) -> None:
    """Nobody has to look them up."""
    ran = box.run(*command)

    assert ran.code == 2
    assert "no route is called nowhere; configured: scanner" in " ".join(ran.err.split())


def test_status_knows_the_kind_of_a_route_that_is_no_longer_configured(box: World) -> None:
    """The ledger has it: a former push is no mirror."""
    (box.root / "tree").mkdir()
    tree = f'[routes.p]\nkind = "push"\nfolder = "{box.root / "tree"}"\nserver = "box"\n'
    tree += 'project = "DEMO"\nresources = ["QC"]\n'
    before = box.config.read_text()
    box.config.write_text(before + tree)
    (box.root / "tree" / "astray.txt").write_text("x")
    box.run("sync")
    box.config.write_text(before)

    routes = {part["name"]: part["kind"] for part in box.run("status", "-o", "json").document["routes"]}

    assert routes["p"] == "push"


# --- an insecure connection --------------------------------------------------------------------------------------


@pytest.fixture
def insecure(box: World, tmp_path: Path) -> Iterator[World]:
    """A server with a certificate that nobody signed, which refuses everything."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *words: object) -> None:
            """Nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        box.configure(url=f"https://127.0.0.1:{server.server_port}", server='tls = "insecure"')
        yield box
        server.shutdown()


@pytest.mark.parametrize(
    "command",
    [["sync"], ["plan"], ["doctor"], ["whoami"], ["auth", "login"], ["session", "list", "-P", "DEMO"],
     ["project", "list"], ["scan", "list", "-E", "X"], ["resource", "list", "X"], ["audit", "x.json", "-P", "DEMO"],
     ["subject", "list", "-P", "DEMO"], ["session", "show", "-E", "X"],
     ["session", "download", "-E", "X", "--out", "x"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "quiet"])
def test_an_insecure_server_is_warned_of_each_time(command: list[str], quiet: list[str], insecure: World) -> None:
    """By every command that talks to it, on stderr, also under `-q`, again in the next call."""
    insecure.study("good")
    (insecure.root / "x.json").write_text('{"S1_MR": 1}')
    command = [str(insecure.root / word) if word == "x.json" else word for word in command]

    for _ in range(2):
        ran = insecure.run(*quiet, *command)
        assert "its certificate is not verified" in " ".join(ran.err.split()), ran
        assert PASSWORD not in ran.err + ran.out


def test_a_verified_server_is_not_warned_of(box: World) -> None:
    """Nothing is said where there is nothing to say."""
    assert "certificate" not in box.run("whoami").err


@pytest.mark.parametrize(
    ("cause", "code"),
    [("password", "XS-AUTH-REFUSED"), ("status", "XS-SERVER-UNWELL"), ("port", "XS-SERVER-UNREACHABLE")],
)
def test_a_plan_without_its_server_ends_as_the_run_does(
    cause: str, code: str, box: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, and holds nothing: the exit code is that of `sync`."""
    for name, patient in (("one", "P1"), ("two", "P2")):
        box.study(name, patient, seed=len(name) + len(patient) + (patient == "P2"))
    if cause == "password":
        monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", "wrong")
    elif cause == "port":
        box.configure(url="http://127.0.0.1:9")
    else:
        box.server.faults.add(Fault("GET", "/data/", "status", times=100_000, status=503))

    plan, document = box.run("plan"), box.run("plan", "-o", "json").document
    ran = box.run("sync", "--patience", "0s", "-o", "json")

    assert plan.code == document["exit_code"] == ran.code != 0
    assert [error["code"] for error in document["errors"]] == [code]
    assert "held for a person" not in plan.out
    assert document["totals"]["held"] == 0
    assert [unit["sigil"] for item in document["items"] for unit in item["units"]] == ["~", "~"]
