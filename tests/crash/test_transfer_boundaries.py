"""A transfer killed with SIGKILL at a boundary, then run again: both sides agree, and the source was only read.

A boundary is the time before or after a call of either server, within a stream, and around each transaction of the
ledger.  A sample of them is run; `XNATSYNC_CRASH=all` runs every one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from crash.transfer_crash_world import SOURCE, Servers, TransferCrashWorld, ask

EVERYTHING = os.environ.get("XNATSYNC_CRASH") == "all"
EACH = int(os.environ.get("XNATSYNC_CRASH_EACH", "60"))  # of the boundaries where something changes, every so many
CHANGES = re.compile(r"(before|after) (a commit|xnat\.(create|put|overlay|set_custom|catalogue))|within xnat\.")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers.started(tmp_path_factory.mktemp("transfers")) as made:
        yield made


def _chosen(trace: tuple[str, ...]) -> list[int]:
    every = [number for number, name in enumerate(trace, start=1) if "opening" not in name]
    return every if EVERYTHING else [number for number in every if CHANGES.search(trace[number - 1])][::EACH]


def _messages(world: TransferCrashWorld) -> str:
    return world.servers.processes.messages.read_text()[-2000:]


def test_a_kill_at_any_boundary_ends_in_the_same_state(servers: Servers) -> None:
    first = servers.world()
    undisturbed = first.run()
    assert undisturbed.code == 0, _messages(first)
    assert first.complaints_at_the_end() + first.complaints_about_another_run() == []
    chosen = _chosen(undisturbed.trace)
    print(f"{len(undisturbed.trace)} boundaries, {len(chosen)} kills")
    wrong: list[str] = []
    for number in chosen:
        world = servers.world()
        killed = world.run(kill_at=number)
        found = [] if killed.code == -9 else [f"it ended with {killed.code} instead of being killed"]
        found += world.complaints_after_a_kill()
        again = world.run()
        found += [] if again.code == 0 else [f"the next run ended with {again.code}: {_messages(world)}"]
        found += world.complaints_at_the_end()
        wrong += [f"{killed.last}: {complaint}" for complaint in found]
    assert wrong == []
    assert world.complaints_about_another_run() == []


def test_two_coordinators_at_once_come_to_one_end(servers: Servers) -> None:
    """Two processes with a ledger each, to one project: everything is there once, and both end well."""
    one = servers.world()
    other = one.beside()
    with servers.beside() as processes:
        running = [one.start(), processes.start(*other.arguments())]
        codes = [each.wait() for each in running]
    assert set(codes) <= {0, 3, 5}, (codes, _messages(one))
    for world in (one, other):
        assert world.run().code == 0, _messages(one)
        assert world.complaints_at_the_end() == []


def test_the_judge_sees_what_is_wrong(servers: Servers) -> None:
    """A file cut at the destination, one that is missing, a session twice, a write to the source."""
    world = servers.world()
    assert world.run().code == 0
    at = f"/data/projects/{world.project}/subjects/S"
    ask(servers.there, "PUT", f"{at}/experiments/A/resources/NOTES/files/n.txt?inbody=true&overwrite=true", b"cut")
    assert world.complaints_after_a_kill() == ["experiment A NOTES n.txt is not what the source has"]
    ask(servers.there, "DELETE", f"{at}/experiments/A/resources/NOTES/files/n.txt")
    ask(servers.there, "PUT", f"{at}/experiments/C?xsiType=xnat:mrSessionData")
    assert world.complaints_at_the_end() == [
        "experiment A NOTES n.txt is missing or differs", "experiment C is too much"
    ]  # fmt: skip
    number = ask(servers.source, "GET", f"/data/projects/{SOURCE}/subjects?format=json").json()["ResultSet"]["Result"][
        0
    ]
    ask(servers.source, "PUT", f"/data/subjects/{number['ID']}?gender=female")
    assert any("the source was written to" in one for one in world.complaints_at_the_end())
