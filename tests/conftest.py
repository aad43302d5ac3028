"""Every run of the tests begins here: draws and order are fixed unless somebody is exploring (see `draws`)."""

from __future__ import annotations

import pytest

import draws

draws.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gives pytest-randomly its seed; `--randomly-seed` still overrules it, and without the plugin nothing is done."""
    if getattr(config.option, "randomly_seed", None) == "default" and not draws.EXPLORING:
        config.option.randomly_seed = draws.ORDER
