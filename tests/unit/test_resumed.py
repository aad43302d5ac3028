"""What an interrupted try had brought is not counted as fetched, and makes no rate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.sides import ServerFile
from xnatsync.fetch.fetcher import Fetcher
from xnatsync.fetch.store import Staged
from xnatsync.ports.tree import Archive, Content
from xnatsync.report.gauge import Gauge

OWNER = Owner(OwnerKind.SESSION, "P1", "XNAT_E1", subject="S1", session="S1_MR")
KEY = ResourceKey("4", "NIFTI")
WHOLE = bytes(range(200))


@dataclass
class Server:
    """Serves one file from any offset on, or not from the middle of it."""

    ranges: bool = True

    def fetch_file(self, owner: Owner, key: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        if offset and not self.ranges:
            raise ReplyStrange("it sends only whole files")
        for at in range(offset, len(WHOLE), 7):
            yield WHOLE[at : at + 7]


@dataclass
class Half:
    """A store in which so much of the file lies already."""

    have: int
    at_once: int = 1
    apart: bool = False

    def free(self) -> int:
        return 1 << 40

    def begun(self, file: ServerFile) -> int:
        return self.have

    def put(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Staged:
        whole = (WHOLE[: self.have] if append else b"") + b"".join(content)
        return Staged(file, "", Content(len(whole), b"", hashlib.md5(whole).hexdigest()))

    def drop(self, file: ServerFile) -> None:
        self.have = 0


@given(have=st.integers(0, len(WHOLE) - 1), ranges=st.booleans())
def test_only_what_came_now_counts(have: int, ranges: bool) -> None:
    """The total is the whole file; what is told as fetched, and what the rate is made of, is what came."""
    gauge, moved = Gauge(), [0]

    def came(size: int) -> None:
        moved[0] += size
        gauge.moved(size)

    file = ServerFile(KEY, "a.nii", "a.nii", len(WHOLE), hashlib.md5(WHOLE).hexdigest())
    fetcher = Fetcher(
        cast("Archive", cast("Any", Server(ranges))), OWNER, Half(have), "s", big_file=1, threads=False,
        moved=came, had=gauge.had,
    )  # fmt: skip

    (staged,) = list(fetcher.fetch([file], [file]))

    resumed = have if ranges else 0
    assert (staged.begun, staged.came) == (resumed, len(WHOLE) - resumed)
    assert moved == [len(WHOLE) - resumed]
    assert gauge.reading().bytes == len(WHOLE)


def test_what_lay_there_makes_no_rate() -> None:
    """Two hundred megabytes of yesterday did not come in this second."""
    now = [0.0]
    gauge = Gauge(monotonic=lambda: now[0])
    gauge.aim(1, 1000)
    gauge.had(900)
    now[0] = 1.0
    gauge.moved(50)
    now[0] = 2.0

    assert gauge.reading().bytes == 950
    assert gauge.reading().rate_bytes_s == pytest.approx(50.0)
