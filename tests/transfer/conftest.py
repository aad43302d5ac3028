"""Two stand-in XNATs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from transfer.pair import Pair, a_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A session in each."""
    with a_pair() as found:
        yield found
