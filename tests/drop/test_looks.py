"""What a look at a planned unit costs: nothing is asked for that nobody reads."""

from __future__ import annotations

import time

from drop_world import DropWorld
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress


def test_a_look_at_a_planned_unit_asks_each_thing_once(world: DropWorld) -> None:
    """The project, what may be edited, the prearchive, the sessions of the study and of the label."""
    world.study()
    begun = len(world.server.log)

    plan(App(load(world.config)), (), progress=Progress())

    until = time.monotonic() + 10
    while world.server.log[-1]["method"] != "DELETE" and time.monotonic() < until:  # a busy machine writes it late
        time.sleep(0.01)
    asked = [(entry["method"], entry["path"]) for entry in world.server.log[begun:]]
    assert asked == [
        ("POST", "/data/JSESSION"),
        ("GET", "/data/auth"),
        ("GET", "/data/projects/P1"),
        ("GET", "/data/prearchive/projects/P1"),
        ("GET", "/data/projects/P1/experiments"),  # of the study
        ("GET", "/data/projects/P1/experiments"),  # of the label
        ("GET", "/data/projects"),  # what may be edited
        ("DELETE", "/data/JSESSION"),
    ]
