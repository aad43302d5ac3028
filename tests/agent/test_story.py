"""The service as people start it, through a bad day: what is dropped is archived once, and `status` is right.

The server goes away and comes back, the password is changed on it, the configuration is broken and mended, and the
process is killed twice.  That the clock jumps is in test_agent.py, where a test can make it jump.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_world import AgentWorld
from drop_world import SHARED, uids
from xnatsync.core.errors import CredentialsRefused, ServerUnreachable
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.server import SandboxServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
ROOT = Path(__file__).parents[2]


def generated(folder: Path) -> tuple[Path, Path]:
    """Two studies."""
    for number, name in enumerate(("one", "two"), 1):
        plan = StudyPlan(f"SUB{number}", "Nobody^Nomen", "20260301", (SeriesPlan(1, "T1", 12), SeriesPlan(2, "T2", 8)))
        make_study(folder / name, plan, seed=number)
    return folder / "one", folder / "two"


def real(folder: Path) -> tuple[Path, Path]:
    """Of two scanners: one series of each, as they are."""
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    texts = shutil.ignore_patterns("*.txt")  # what is no DICOM would wait for a person
    shutil.copytree(SHARED / "20180918GE" / "mr_0004", folder / "one" / "mr_0004", ignore=texts)
    shutil.copytree(SHARED / "20180918Si", folder / "two", ignore=texts)
    return folder / "one", folder / "two"


class Service:
    """`xnatsync run` as a process."""

    def __init__(self, world: AgentWorld) -> None:
        self.world = world
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("XNATSYNC_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xnatsync", "--config", str(self.world.config), "run", "--log", str(self.log)],
            env={**environment, "PYTHONPATH": str(ROOT)}, cwd=ROOT, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        mine = self.process.pid
        self.world.until(lambda: self.world.seen.agent is not None and self.world.seen.agent.row.pid == mine)
        assert self.world.seen.agent is not None
        assert (self.world.seen.agent.alive, self.world.seen.agent.healthy) == (True, True)

    @property
    def log(self) -> Path:
        return self.world.root / "agent.log"

    def signal(self, number: int) -> tuple[int, str]:
        """Send a signal; of one that ends it, its exit code and what it wrote to stderr."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGHUP:
            return 0, ""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.world.seen.agent is not None
        assert not self.world.seen.agent.alive  # `status` does not claim what is not so


@pytest.fixture
def service(world: AgentWorld) -> Iterator[Service]:
    made = Service(world)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def with_password(world: AgentWorld, password: str) -> None:
    file = world.root / "password"
    file.write_text(password)
    file.chmod(0o600)


def codes(world: AgentWorld) -> set[str]:
    return {row.code for row in world.seen.pauses}


@pytest.mark.parametrize("studies", [generated, real], ids=["generated", "real"])
def test_a_bad_day(world: AgentWorld, service: Service, tmp_path: Path, studies: object) -> None:
    """Dropped in two ways; every object is in the archive once, with a receipt, and nothing is left in the folder."""
    one, two = (generated if studies is generated else real)(tmp_path / "made")
    objects, more = uids(sorted(one.rglob("*.dcm"))), uids(sorted(two.rglob("*.dcm")))
    assert objects
    assert more
    world.configure(settle="1s", collision="suffix")
    with_password(world, "secret")
    text = world.config.read_text().replace(
        'user = "agent"\n', f'user = "agent"\npassword_file = "{world.root}/password"\n'
    )
    world.config.write_text(text)
    service.start()

    # A folder arrives, file by file, while the server goes away.
    copier = threading.Thread(target=slowly, args=(one, world.folder / one.name, 1.0))
    copier.start()
    world.until(lambda: world.phases().get("seen") == 1)
    port = world.server.port
    world.server.stop(patience=0.1)
    copier.join()
    world.until(lambda: ServerUnreachable.code in codes(world))
    assert not world.phases().get("done")
    service.kill()

    # It comes back; the agent is killed while it sends.
    world.server = SandboxServer(world.site, port, world.root / "site")
    sending = threading.Event()
    world.after("POST", "/data/services/import", lambda: (sending.set(), time.sleep(1))[0])
    world.server.start()
    service.start()
    world.until(sending.is_set)
    service.kill()

    # The password was changed meanwhile, and an archive is dropped; then the new one is put in place.
    user = world.site.accounts.get("agent")
    assert user is not None
    world.site.accounts.set_password(user, "renewed")
    service.start()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for path in sorted(two.rglob("*")):
            archive.write(path, path.relative_to(two))
    shutil.move(tmp_path / "two.zip", world.folder / "two.zip")
    world.until(lambda: CredentialsRefused.code in codes(world))
    world.sound = world._loaded()
    world.config.write_text(text.replace('kind = "drop"', 'kind = "drip"'))
    service.signal(signal.SIGHUP)
    world.until(lambda: world.told["refused"] is not None)
    with_password(world, "renewed")
    world.config.write_text(text)
    service.signal(signal.SIGHUP)

    world.until(lambda: world.phases() == {"done": 2})
    assert world.told["refused"] is None
    assert not world.seen.pauses
    assert service.signal(signal.SIGTERM) == (0, "")
    assert world.seen.agent is not None
    assert not world.seen.agent.alive

    sessions = [session for session in world.site.experiments.values() if session.project == "P1"]
    found = [sorted(world.archived(session.label)) for session in sessions]
    assert sorted(found) == sorted([sorted(objects), sorted(more)])
    assert len(world.receipts()) == 2
    assert world.in_drop() == set()
    log = service.log.read_text("utf-8")
    assert not [word for word in ("Nomen", "SUB1", "SUB2", str(world.root)) if word in log]


def slowly(source: Path, target: Path, lasts_s: float) -> None:
    """Copy a folder, file by file."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        time.sleep(lasts_s / len(files))
