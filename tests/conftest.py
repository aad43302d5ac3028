"""Every run of the tests begins here: draws and order are fixed unless somebody is exploring (see `draws`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import draws

# Processes that tests start import the tree too, and not a copy that was installed (see pythonpath in pyproject.toml).
_SEARCHED = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(_SEARCHED)

draws.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gives pytest-randomly its seed; `--randomly-seed` still overrules it, and without the plugin nothing is done."""
    if getattr(config.option, "randomly_seed", None) == "default" and not draws.EXPLORING:
        config.option.randomly_seed = draws.ORDER


def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: more than half of what the suite does is waiting for servers, flushes and processes."""
    return 2 * (os.cpu_count() or 1)
