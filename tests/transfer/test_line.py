"""The line to a real server: what connections of one process share, and what does not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transfer.pair import PASSWORD, PROJECT, USER, End, an_end
from xnatsync.app.connecting import METERS, connect
from xnatsync.cli.program import run
from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import Credentials
from xnatsync.core.bandwidth import always
from xnatsync.core.errors import Stopped
from xnatsync.core.inventory import OwnerKind, ResourceKey
from xnatsync.xnat.server import XnatServer

MIB = 1 << 20


@pytest.fixture
def end() -> Iterator[End]:
    with an_end("ONE_MR") as found:
        yield found


def a_client(end: End, rate: str) -> XnatServer:
    config = ServerConfig(url=end.box.url, user=USER, bandwidth=rate)
    login = Credentials(end.box.url, USER, PASSWORD, "test")
    return connect("one", config, login, stopping=lambda: False, connections=4)


def test_two_connections_share_the_line_of_their_server(end: End) -> None:
    """One sends 2 MiB, another fetches 2 MiB at the same time: at 8 MiB/s that takes half a second less the burst."""
    end.plant({"big.raw": bytes(2 * MIB)})
    key = ResourceKey("1", "DICOM")
    with a_client(end, "8MiB/s") as one, a_client(end, "8MiB/s") as two:
        assert one.whoami() == two.whoami()  # both are logged in
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            fetched = pool.submit(lambda: sum(map(len, one.fetch_file(end.owner, key, "big.raw"))))
            sent = pool.submit(
                lambda: two.put_resource_file(
                    end.owner, ResourceKey("2", "DICOM"), "sent.raw", iter([bytes(2 * MIB)]), size=2 * MIB,
                    overwrite=False, request_id="r",
                )
            )  # fmt: skip
            assert (fetched.result(), sent.result()) == (2 * MIB, None)
        assert time.monotonic() - began >= (4 - 2) / 8 - 0.01  # 8 MiB/s, and a quarter of a second at once


def test_a_listing_does_not_wait_for_a_line_that_is_full(end: End) -> None:
    """A minute of data waits; what is asked in between is answered."""
    with a_client(end, "1MiB/s") as server:
        meter, over = METERS.of(end.box.url, always(MIB)), threading.Event()

        def stopped() -> None:
            if over.is_set():
                raise Stopped("enough")

        def wait() -> None:
            with pytest.raises(Stopped):
                meter.take(60 * MIB, stopped)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert server.inventory(PROJECT, frozenset(OwnerKind)).owners
        over.set()
        waiting.join(5)
        assert not waiting.is_alive()


@pytest.mark.parametrize("command", [("sync",), ("session", "download", "-E", "x"), ("project", "transfer")])
def test_a_rate_that_is_none_is_refused_and_no_command_leaves_its_limit_behind(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before anything is read or asked."""
    nowhere = ("--config", str(tmp_path / "none.toml"))
    assert run((*nowhere, *command, "--bandwidth", "fast")) == 2
    assert "Write --bandwidth 20MiB/s" in " ".join(capsys.readouterr().err.split())
    run((*nowhere, *command, "--bandwidth", "1MiB/s"))
    assert METERS.of("https://line.example.org", None).rate is None
