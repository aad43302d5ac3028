"""Let each worker of a run compile its share of the modules first: all of them would compile all, at the same time.

It is only faster: what is not found compiled is compiled where it is imported, as without this.
"""

from __future__ import annotations

import compileall
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def share(config: pytest.Config) -> None:
    """Compiles one of `workercount` shares of the test modules below the paths that were asked for, and of the rest."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    rank, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
    asked = [Path(argument.partition("::")[0]).absolute() for argument in config.args]
    tests, others = [], [*HERE.parent.joinpath("xnatsync").rglob("*.py")]
    for path in HERE.rglob("*.py"):
        is_test = path.name.startswith("test_") or path.name == "conftest.py"
        if is_test and any(path == place or place in path.parents for place in asked):
            tests.append(path)
        elif not is_test:
            others.append(path)
    for path in sorted(tests, key=lambda path: (-path.stat().st_size, path))[rank::count]:
        _rewrite(path, config)
    for path in sorted(others)[rank::count]:
        compileall.compile_file(path, quiet=2)


def _rewrite(path: Path, config: pytest.Config) -> None:
    """Does what pytest does when it imports a test module, and leaves it where pytest looks for it."""
    with suppress(ImportError, AttributeError, KeyError, OSError, SyntaxError):
        from _pytest.assertion import rewrite

        folder = rewrite.get_cache_dir(path)
        target = folder / (path.stem + rewrite.PYC_TAIL)
        if rewrite.try_makedirs(folder) and rewrite._read_pyc(path, target) is None:
            source, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source, target)
