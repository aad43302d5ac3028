"""One sandbox and one fork server for the crash tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.crash_world import Arena


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with Arena(tmp_path_factory.mktemp("arena")) as made:
        yield made
