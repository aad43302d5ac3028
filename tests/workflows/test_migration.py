"""The migration script of the page "Common Workflows": two servers, and only the program's name and `/tmp` replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from noun_world import PASSWORD, USER
from workflows.conftest import Workplace, blocks, manual
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.creation import create_project, create_subject
from xnatsync.sandbox.model.site import Site

PROJECT, SUBJECT = "NEUROIMAGING", "SUB001"
NOBODY = {"XNAT_URL": "", "XNAT_USER": "", "XNAT_PASS": ""}  # the profiles alone say who is asked


@contextmanager
def a_server(*, empty_subject: bool) -> Iterator[SandboxServer]:
    """A server with the project; the page wants the subject to be there, too."""
    site = Site.in_memory()
    user = site.accounts.add(USER, PASSWORD, admin=True)
    create_project(site, PROJECT, user)
    if empty_subject:
        create_subject(site, PROJECT, SUBJECT, user)
    with SandboxServer(site) as box:
        yield box


@dataclass
class Migration:
    """Both servers, and a shell with their profiles."""

    place: Workplace
    prod: SandboxServer
    dev: SandboxServer

    def run(self, text: str) -> tuple[int, str]:
        """Runs a script."""
        words = {"XNATSYNC_PROD_PASSWORD": PASSWORD, "XNATSYNC_DEV_PASSWORD": PASSWORD, **NOBODY}
        ran = self.place.script(text, **words)
        return ran.code, ran.out + ran.err


@pytest.fixture
def migration(place: Workplace) -> Iterator[Migration]:
    """Two sessions on the production server, delivered by the program itself."""
    with a_server(empty_subject=False) as prod, a_server(empty_subject=True) as dev:
        made = Migration(place, prod, dev)
        for number, label in enumerate(("A", "B")):
            plan = StudyPlan("P1", "Nobody^Nomen", "20260301", (SeriesPlan(1, "t1", 3),), None, (32, 32))
            make_study(place.folder / label, plan, seed=number)
        lines = [f"xnatctl config add-profile {name} --url {box.url} --user {USER}"
                 for name, box in (("prod", prod), ("dev", dev))]  # fmt: skip
        lines += [
            f"xnatctl session upload {label} --profile prod -P {PROJECT} -S {SUBJECT} -E {label}" for label in "AB"
        ]
        code, said = made.run("set -e\n" + "\n".join(lines))
        assert code == 0, said
        yield made


def pixels(box: SandboxServer) -> dict[str, list[bytes]]:
    """The pixel data of each session's objects: what no script of a server touches."""
    from io import BytesIO

    from pydicom import dcmread

    found = {}
    for session in box.site.experiments.values():
        files = [resource for scan in session.scans.values() for resource in scan.resources.values()]
        bodies = [box.site.store.open(f"{one.folder}/{name}").read() for one in files for name in one.entries]
        found[session.label] = sorted(bytes(dcmread(BytesIO(body)).PixelData) for body in bodies)
    return found


def script() -> str:
    (text,) = [text for title, text in blocks(manual("workflows.rst"), "bash") if title.startswith("Migrating Data")]
    return text


def test_the_migration_of_the_manual_brings_every_object(migration: Migration) -> None:
    """Each session is uploaded under the name of its folder, which is its accession ID on the first server."""
    ids = {session.label: session.id for session in migration.prod.site.experiments.values()}
    many = len(migration.prod.log)

    code, said = migration.run(script())

    assert code == 0, said
    assert said.endswith("Migration complete.\n") or "Migration complete.\n" in said
    here, there = pixels(migration.prod), pixels(migration.dev)
    assert there == {ids[label]: content for label, content in here.items()}
    assert all(len(content) == 3 for content in there.values())
    asked = [entry for entry in migration.prod.log[many:] if "JSESSION" not in str(entry["path"])]
    assert {entry["method"] for entry in asked} == {"GET"}  # the source is whatever the profile says


def test_a_migration_to_a_server_without_the_project_ends_with_an_error(migration: Migration) -> None:
    """Negative: the page's warning; nothing is uploaded, and the script says so by its exit code."""
    migration.dev.site.projects.clear()

    code, said = migration.run(script())

    assert code != 0
    assert "Migration complete" not in said
    assert PROJECT in said
    assert not migration.dev.site.experiments
