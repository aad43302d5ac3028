"""A transfer by a Dask cluster of real processes: whoever is killed, it delivers what the local engine delivers.

One scheduler and its workers, forked from one process, serve all tests of this module.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dask_processes import Processes, processes
from transfer.commands_world import a_desk
from transfer.engine_world import EngineWorld
from transfer.test_whole import held
from transfer_world import PASSWORD, SOURCE, TARGET, USER, Pair, two_servers
from xnatsync.app.clock import SystemClock
from xnatsync.app.dask_cluster import DaskCluster, Worker
from xnatsync.app.dask_worker import End, Reply, Task, end_of, pack, unpack, work
from xnatsync.config.model import ServerConfig
from xnatsync.core.errors import ClusterUnreachable
from xnatsync.routes.transfer.errand import Errand
from xnatsync.routes.transfer.run import TransferRun, run
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault

pytest.importorskip("distributed")
KNOWN = {"XNATSYNC_A_PASSWORD": PASSWORD, "XNATSYNC_B_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A scheduler; each test starts the workers that it needs."""
    with processes(tmp_path_factory.mktemp("dask")) as found:
        found.scheduler()
        yield found


@pytest.fixture
def pair() -> Iterator[Pair]:
    with two_servers() as both:
        yield both


@dataclass
class Coordinator:
    """A ledger, and a transfer between two stand-in XNATs whose work is done by workers."""

    pair: Pair
    world: EngineWorld
    stop: threading.Event = field(default_factory=threading.Event)
    told: list[tuple[str, str]] = field(default_factory=list)
    kind: type[DaskCluster] = DaskCluster

    def run(self, cluster: DaskCluster, **keys: Any) -> TransferRun:
        """Transfer once; whatever becomes of it, no deed is left open."""
        world, bugs = self.world.world(), list[str]()
        world.stopping, world.clock, world.cluster = self.stop.is_set, SystemClock(self.stop), cluster
        done = run(world, self.world.route, workers=8, patience_s=60.0, on_bug=bugs.append, **keys)
        assert bugs == []
        assert self.world.ledger.open_deeds() == []
        return done

    def connected(self, address: str, **keys: Any) -> DaskCluster:
        def told(code: str, text: str) -> None:
            self.told.append((code, text))

        return self.kind(address, *self.ends(), stopping=self.stop.is_set, told=told, **keys)

    def ends(self) -> tuple[End, End]:
        sides = (("a", self.pair.source), ("b", self.pair.target))
        source, there = (end_of(name, ServerConfig(url=side.box.url, user=USER)) for name, side in sides)
        return source, there


@pytest.fixture
def coordinator(pair: Pair, tmp_path: Path) -> Coordinator:
    world = EngineWorld(
        tmp_path / "ledger", pair.source.server, pair.target.server, project=SOURCE, to_project=TARGET,
        quiet_s=0.2, delay_s=0.1,
    )  # type: ignore[arg-type]  # fmt: skip
    world.source.calls, world.there.calls = [], []
    return Coordinator(pair, world)


@contextmanager
def workers(cluster: Processes, *names: str, **env: str) -> Iterator[None]:
    """Workers for one test."""
    for name in names:
        cluster.worker(name, **(env or KNOWN))
    try:
        yield
    finally:
        for name in names:
            if name in cluster.running:
                cluster.kill(name)


def as_the_local_engine(pair: Pair) -> bool:
    """Compare field by field and file by file; the local engine's result is what the source holds (test_whole)."""
    return held(pair.target, TARGET) == held(pair.source, SOURCE)


def at_first(method: str, path: str, act: Callable[[], None]) -> Fault:
    """Do something while the server answers the first request like this."""

    def before(_: Request) -> Response | None:
        act()
        return None

    return Fault(method, path, "call", before=before)


def met(cluster: DaskCluster, many: int) -> None:
    """Wait until so many workers can take something."""
    until = time.monotonic() + 60
    while len(cluster.workers) < many:
        assert time.monotonic() < until, [one.refused for one in cluster.greeted.values()]
        time.sleep(0.02)


def test_two_of_three_workers_are_killed_in_mid_unit(cluster: Processes, coordinator: Coordinator, pair: Pair) -> None:
    """One while it stores files of the project, one while it stores those of a session: nothing is lost or doubled."""
    killed: list[str] = []

    def kill() -> None:
        """Kill a worker that has a unit; the answer of the server finds nobody."""
        taken = next(one for one in connected.workers.values() if one.taken and one.name not in killed)
        killed.append(taken.name)
        cluster.kill(taken.name)

    before = pair.source.writes()
    with workers(cluster, "k0", "k1", "k2"), coordinator.connected(cluster.address) as connected:
        met(connected, 3)
        for path in (f"/data/projects/{TARGET}/resources/.*/files", "/data/experiments/.*/files"):
            pair.target.box.faults.add(at_first("PUT", path, kill))
        done = coordinator.run(connected)

    assert len(killed) == 2
    assert (done.outcome, done.errors) == ("complete", [])
    assert as_the_local_engine(pair)
    assert [line for line in pair.source.writes()[len(before) :] if "JSESSION" not in line] == []
    assert coordinator.world.codes() == {"XS-NOT-CARRIED"}
    assert coordinator.world.run().outcome == "complete"  # the local engine finds nothing to do


def test_a_scheduler_that_is_killed_ends_the_run_and_the_next_one_goes_on(
    cluster: Processes, coordinator: Coordinator, pair: Pair
) -> None:
    """What to do is said; what workers did last has an unknown end, and is looked at."""
    other = Processes(cluster.folder, cluster.mother)
    other.scheduler("second")
    with workers(other, "s0", "s1"), coordinator.connected(other.address) as connected:
        met(connected, 2)
        pair.target.box.faults.add(at_first("PUT", "/data/experiments/.*/files", lambda: other.kill("second")))
        done = coordinator.run(connected)
    assert done.outcome == "stopped"
    assert [type(error) for error in done.errors] == [ClusterUnreachable]
    assert "--scheduler" in done.errors[0].remedy
    assert coordinator.world.ledger.open_deeds() == []
    with pytest.raises(ClusterUnreachable, match=r"no connection to the scheduler tcp://127\.0\.0\.1"):
        coordinator.connected(other.address, connect_s=0.2).__enter__()
    with workers(cluster, "s2"), coordinator.connected(cluster.address) as connected:
        assert coordinator.run(connected).outcome == "complete"
    assert as_the_local_engine(pair)


def test_workers_that_cannot_or_must_not_take_anything_are_named(
    cluster: Processes, coordinator: Coordinator, pair: Pair
) -> None:
    """No password for one server, a wrong one for the other, another version: the only good one does everything."""
    missing, wrong = {"XNATSYNC_A_PASSWORD": PASSWORD}, {**KNOWN, "XNATSYNC_A_PASSWORD": "wrong"}
    old = {**KNOWN, "XNATSYNC_TEST_VERSION": "0.1"}
    with (
        workers(cluster, "nobody", **missing), workers(cluster, "wrong", **wrong), workers(cluster, "old", **old),
        coordinator.connected(cluster.address, workers_s=0.0) as connected,
    ):  # fmt: skip
        until = time.monotonic() + 30
        while len(coordinator.told) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        none = coordinator.run(connected)
        assert [error.code for error in none.errors] == ["XS-WORKERS-MISSING"]
        assert all(word in str(none.errors[0]) for word in ("no password was found for server b", "0.1"))
        connected.workers_s = 30.0
        with workers(cluster, "good"):
            assert coordinator.run(connected).outcome == "complete"
            assert [one.name for one in connected.workers.values()] == ["good"]
    codes = {code for code, _ in coordinator.told}
    assert codes == {"XS-AUTH-MISSING", "XS-AUTH-REFUSED", "XS-CONFIG"}
    assert all("worker tcp://" in text and PASSWORD not in text for _, text in coordinator.told)
    assert as_the_local_engine(pair)


def test_an_attempt_is_done_once_whoever_asks_again(cluster: Processes, coordinator: Coordinator, pair: Pair) -> None:
    """The same task to the same process, and to another: nothing is done, and the answer says why."""
    sent: list[tuple[Errand, Worker]] = []

    class Noting(DaskCluster):
        """Notes what it sends."""

        def submit(self, errand: Errand, worker: Worker) -> Any:
            sent.append((errand, worker))
            return DaskCluster.submit(self, errand, worker)

    coordinator.kind = Noting
    with workers(cluster, "t0", "t1"), coordinator.connected(cluster.address) as connected:
        met(connected, 2)
        assert coordinator.run(connected).outcome == "complete"
        writes = pair.target.writes()
        errand, worker = next(one for one in sent if one[0].orders)
        other = next(one for one in connected.workers.values() if one.address != worker.address)
        for address, why in ((worker.address, "begun before"), (other.address, "another process")):
            task = pack(Task(worker.token, connected.source, connected.destination, 1, errand))
            again = connected._client.submit(work, task, workers=[address], pure=False, key=f"again-{why}")
            reply = unpack(Reply, again.result(timeout=20))
            assert reply.answer is None
            assert reply.fault is not None
            assert why in reply.fault.text
    assert pair.target.writes()[: len(writes)] == writes
    assert [line for line in pair.target.writes()[len(writes) :] if "JSESSION" not in line] == []


def test_who_asks_to_stop_gets_what_was_done_and_the_next_run_goes_on(
    cluster: Processes, coordinator: Coordinator, pair: Pair
) -> None:
    """As Ctrl-C: workers are asked to end, they answer for what they did, and nobody is waited for in vain."""
    with workers(cluster, "c0"), coordinator.connected(cluster.address) as connected:
        met(connected, 1)
        pair.target.box.faults.add(at_first("PUT", "/data/experiments/.*/files", coordinator.stop.set))
        began = time.monotonic()
        done = coordinator.run(connected)
        assert (done.outcome, time.monotonic() - began < 30) == ("interrupted", True)
        coordinator.stop.clear()
        assert coordinator.run(connected).outcome == "complete"
    assert as_the_local_engine(pair)


def test_the_command_leaves_no_label_and_no_password_in_the_cluster(
    cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same certificate as by the local engine; logs and names of tasks hold neither."""
    known = {f"XNATSYNC_{name}_PASSWORD": PASSWORD for name in ("PROD", "STAGING")}
    read = lambda: tuple(capsys.readouterr())  # noqa: E731
    with workers(cluster, "m0", **known), a_desk(tmp_path, monkeypatch, read) as desk:  # type: ignore[arg-type]
        ran = desk.transfer("--engine", "dask", "--scheduler", cluster.address)
        assert (ran.code, "distributed" in ran.err) == (0, False)
        made = desk.certificate()
        assert all(one["complete"] for one in made["entities"])
        logs = cluster.log("m0") + cluster.log("scheduler")
        assert [word for word in ("S1", "NEURO", PASSWORD, USER) if word in logs] == []
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "distributed", None)
            ran = desk.transfer("--engine", "dask", "--scheduler", cluster.address)
            assert ran.code == 2
            assert "pip install 'xnatsync[dask]'" in ran.out
