"""What a transfer by many machines may be told, and what a worker is told of a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from xnatsync.app.dask_worker import end_of, pack, unpack
from xnatsync.config.model import ServerConfig, TransferConfig
from xnatsync.routes.transfer.errand import Fault

ROUTE = {"server": "a", "project": "P", "to_server": "b", "to_project": "Q"}
BY_DASK = {**ROUTE, "engine": "dask", "scheduler": "tls://head.example.org:8786"}


def test_a_worker_reads_the_section_of_a_server_as_it_was() -> None:
    """Every key but the project of commands; the user is the coordinator's."""
    told: dict[str, Any] = {
        "url": "https://x.org/xnat", "user": "me", "project": "P", "password_file": "/k/pw", "password_source": "file",
        "ca_file": "/k/ca.pem", "tls": "insecure", "timeout": "90s", "long_timeout": "2h", "connections": 7,
    }  # fmt: skip
    whole = ServerConfig.model_validate(told)
    assert set(told) <= set(ServerConfig.model_fields)
    read = ServerConfig.model_validate(json.loads(end_of("prod", whole, "other").config))
    assert read == whole.model_copy(update={"project": None, "user": "other"})
    assert end_of("prod", whole) == end_of("prod", whole, "me")


def test_what_is_cut_or_followed_by_something_is_no_value() -> None:
    packed = pack(Fault("XS-BUG", "x"))
    assert unpack(Fault, packed) == Fault("XS-BUG", "x")
    for harmed in (packed[:-3], b"", b"no zip", packed[:5] + b"\x00" + packed[6:]):
        with pytest.raises(ValueError):  # noqa: PT011
            unpack(Fault, harmed)


@pytest.mark.parametrize(
    "change",
    [
        {"scheduler": None}, {"engine": "local"}, {"engine": "ray"}, {"dicom": "import"},
        {"from_folder": "/media/disk", "server": None}, {"scheduler": "head:8786"}, {"scheduler": "tls://head"},
        {"scheduler": "tls://me:word@head:8786"}, {"scheduler": "tls://head:0"}, {"scheduler": "tls://head:99999"},
        {"scheduler": "http://head:8786"}, {"scheduler": "tls://head:8786/x"},
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(change: dict[str, object]) -> None:
    assert TransferConfig.model_validate(BY_DASK).engine == "dask"
    asked = {key: value for key, value in {**BY_DASK, **change}.items() if value is not None}
    with pytest.raises(ValidationError):
        TransferConfig.model_validate(asked)
