"""One transfer as the command and the service do it, with a ledger of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xnatsync.app.dicom_store import StoreOrder, StoreReport, store
from xnatsync.dicomnet.peer import Patience, Peer

QUICK = Patience(connect_s=2.0, answer_s=2.0, send_s=2.0, look_s=0.02, part_s=0.5, again_s=0.01)
Send = Callable[..., StoreReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    found = tmp_path / "source"
    found.mkdir()
    return found


@pytest.fixture
def send(tmp_path: Path, source: Path) -> Send:
    """Sends the source; `server` and other options as for `StoreOrder`."""

    def sent(
        port: int, title: str = "KEEPER", *, server: object = None, stop: object = None, **options: object
    ) -> StoreReport:
        tls = options.pop("tls", None)
        calling = str(options.pop("calling", "XNATSYNC"))
        patience = replace(QUICK, **options.pop("patience", {}))  # type: ignore[arg-type]
        order = StoreOrder(source, Peer("127.0.0.1", port, title, calling, tls), patience=patience, **options)  # type: ignore[arg-type]
        return store(order, tmp_path / "ledger.db", server=server, stop=stop)  # type: ignore[arg-type]

    return sent
