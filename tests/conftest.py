"""Every run of the tests begins here: draws and order are fixed unless somebody is exploring (see `draws`)."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

import compiled
import draws

# Processes that tests start import the tree too, and not a copy that was installed (see pythonpath in pyproject.toml).
_SEARCHED = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(_SEARCHED)

# Processes that tests start find modules compiled, as after an installation: half of a start is compiling them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No session that a person keeps on this machine is ever used by a test, nor one of a test by another run.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="xnatsync-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

draws.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gives pytest-randomly its seed; `--randomly-seed` still overrules it, and without the plugin nothing is done."""
    if getattr(config.option, "randomly_seed", None) == "default" and not draws.EXPLORING:
        config.option.randomly_seed = draws.ORDER


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what this worker's share is."""
    compiled.share(session.config)


def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: more than half of what the suite does is waiting for servers, flushes and processes."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Take the tests themselves, which stay to the end, out of what every collection of garbage goes through."""
    gc.collect()
    gc.freeze()
