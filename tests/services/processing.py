"""A site with the Container Service and one command, for tests of what runs."""

from __future__ import annotations

from noun_world import PROJECT, NounWorld
from xnatsync.sandbox.model.processing import Pipeline

COMMAND: dict[str, object] = {
    "name": "dcm2niix",
    "version": "1.7",
    "image": "xnat/dcm2niix:latest",
    "type": "docker",
    "description": "Converts",
    "inputs": [{"name": "flags", "type": "string", "required": False}],
    "xnat": [
        {
            "name": "dcm2niix-session",
            "description": "Converts a session",
            "contexts": ["xnat:mrSessionData"],
            "external-inputs": [{"name": "session", "type": "Session", "required": True}],
        }
    ],
}


def install(far: NounWorld, *, site: bool = True, project: bool = True, daemon: bool = True) -> int:
    """Install the plug-in with one command; give its wrapper's number."""
    processing = far.site.processing
    processing.book.installed, processing.book.daemon, processing.book.pace_s = True, daemon, 0.0
    processing.add_command(COMMAND)
    (_, wrapper) = processing.wrappers()[-1]
    number = int(str(wrapper["id"]))
    processing.enable(number, None, on=site)
    processing.enable(number, PROJECT, on=project)
    return number


def old_engine(far: NounWorld, *names: str) -> None:
    """Give the site pipelines of the old engine, and the project too."""
    book = far.site.processing.book
    book.pace_s = 0.0
    book.pipelines += [Pipeline(name, f"/data/pipeline/catalog/{name}/{name}.xml") for name in names]
    book.project_pipelines[PROJECT] = list(names)


def statuses(far: NounWorld) -> list[str]:
    """What the workflows of runs say."""
    far.site.processing.settle()
    return [far.site.processing.workflow(run)["status"] for run in far.site.processing.book.runs.values()]
