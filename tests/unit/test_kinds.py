"""Each kind of route that a configuration may hold has its row in the registry, and no other has."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from xnatsync.app.kinds import KINDS, TREES
from xnatsync.config.model import Config, DropConfig, RouteConfig, TransferConfig


def _kinds() -> dict[str, type[BaseModel]]:
    """What the configuration knows: the kind of each class, as it is written."""
    classes = get_args(get_args(RouteConfig)[0])
    return {get_args(one.model_fields["kind"].annotation)[0]: one for one in classes}


def test_the_registry_has_every_kind_and_no_other() -> None:
    """A kind that is added to the configuration and nowhere else is found here, not in the middle of a run."""
    assert {name: kind.config for name, kind in KINDS.items()} == _kinds()


def test_the_kinds_of_trees_are_all_but_the_drops_and_the_transfers() -> None:
    """As the configuration divides them; and pushes run first."""
    assert set(TREES) == {name for name, one in _kinds().items() if one not in {DropConfig, TransferConfig}}
    assert all("folder" in _kinds()[name].model_fields for name in TREES)
    assert list(TREES) == ["push", "mirror"]


def test_settings_of_a_tree_know_their_kind() -> None:
    """From the configuration to the settings and back to the same row."""
    from datetime import date

    more: dict[str, Any] = {"mirror": {}, "push": {"resources": ["NOTES"]}}
    for name, kind in TREES.items():
        route = {"kind": name, "folder": "/t", "server": "s", "project": "P", **more[name]}
        config = Config.model_validate({"servers": {"s": {"url": "https://x"}}, "routes": {"r": route}})
        settings = kind.settings("r", config.routes["r"], date(2026, 3, 1))
        assert (settings.kind, settings.name, settings.server) == (name, "r", "s")
        assert TREES[settings.kind] is kind
