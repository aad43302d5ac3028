"""The contract sees servers that are not what it asks for: each lie is told to it, and caught."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from contract import test_archive_port as archives
from contract import test_xnat_port as suite
from contract.model_world import ArchiveModel, ModelWorld
from sim.server import SimXnat
from sim.tree_server import SimArchive
from xnatsync.core.errors import NotThere, XnatsyncError
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing, ImportReply, ImportTarget, PrearchiveSeen


class Empty(SimXnat):
    """What is not there has no files."""

    def session_files(self, session_id: str) -> FileListing:
        try:
            return super().session_files(session_id)
        except XnatsyncError:
            return FileListing(())


class Merging(SimXnat):
    """A refused archiving passes for one that was done."""

    def commit(self, uri: str, *, request_id: str) -> str:
        try:
            return super().commit(uri, request_id=request_id)
        except XnatsyncError:
            return "/archive/projects/P1/subjects/S/experiments/E"


class Everywhere(SimXnat):
    """Rows of any project, for any project."""

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        return super().prearchive("P1")


class Forgetful(SimXnat):
    """Takes an upload whole, and keeps all but the last object."""

    def import_zip(self, target: ImportTarget, members: Iterable[Any], *, size: int, request_id: str) -> ImportReply:
        return super().import_zip(target, list(members)[:-1], size=size, request_id=request_id)


class Halving(SimXnat):
    """Gives back the first half of each file."""

    def fetch_scans(self, session_id: str, scans: Sequence[str]) -> Iterator[tuple[str, str, str, Iterator[bytes]]]:
        for scan, resource, name, content in super().fetch_scans(session_id, scans):
            data = b"".join(content)
            yield scan, resource, name, iter([data[: len(data) // 2]])


LIES: list[tuple[type[SimXnat], Callable[..., None]]] = [
    (Empty, suite.test_a_session_that_is_not_there_is_not_empty),
    (Merging, suite.test_another_study_is_never_merged_into_a_session),
    (Merging, suite.test_what_is_gone_cannot_be_acted_on),
    (Everywhere, suite.test_the_sessions_of_an_absent_project_are_not_none),
    (Forgetful, suite.test_a_study_is_received_proven_archived_and_found),
    (Halving, suite.test_sizes_and_digests_are_those_of_what_is_stored),
]


def _tried(kind: type[SimXnat], test: Callable[..., None]) -> None:
    """Runs one test of the suite on such a server."""
    with closing(ModelWorld()) as model:
        honest, server = model.connect(model.password), kind(model.server, model.password)
        place = suite.Place(model.user, model.password, model.project, lambda word: kind(model.server, word))
        wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
        given: dict[str, Any] = {"server": server, "place": place}
        if "delivered" in wanted:
            given["delivered"] = suite.deliver(honest, place)
        test(**{name: given[name] for name in wanted})


@pytest.mark.parametrize(("kind", "test"), LIES, ids=lambda value: value.__name__)
def test_a_lie_is_caught(kind: type[SimXnat], test: Callable[..., None]) -> None:
    """And the same test passes on a server that does not lie."""
    _tried(SimXnat, test)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _tried(kind, test)


class Whole(SimArchive):
    """Says that it has listed everything, whatever it left out."""

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        return replace(super().inventory(project, kinds), complete=True)

    def owner_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        return {owner: replace(listing, complete=True) for owner, listing in super().owner_files(owners).items()}


class Bold(SimArchive):
    """Overwrites whatever lies there."""

    def put_resource_file(self, *given: Any, overwrite: bool, **more: Any) -> None:
        super().put_resource_file(*given, overwrite=True, **more)


class Parental(SimArchive):
    """Falls through to the session where a scan is not there."""

    def put_resource_file(self, owner: Owner, resource: ResourceKey, *given: Any, **more: Any) -> None:
        there = self.server.find(owner, ResourceKey(resource.scan, "DICOM")) is not None
        super().put_resource_file(owner, resource if there else ResourceKey("", resource.label), *given, **more)


class Vague(SimArchive):
    """Gives nothing of an owner that is gone, and does not say so."""

    def fetch_resources(self, owner: Owner, resources: Sequence[ResourceKey], *, sizes: object = None) -> Iterator[Any]:
        try:
            yield from super().fetch_resources(owner, resources)
        except NotThere:
            return


class Deaf(SimArchive):
    """Sends a file from its beginning, whatever was asked for."""

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        return super().fetch_file(owner, resource, name)


ARCHIVE_LIES: list[tuple[type[SimArchive], Callable[..., None], tuple[Any, ...]]] = [
    (Whole, archives.test_a_hostile_file_name_is_refused_and_the_others_come, ()),
    (Whole, archives.test_a_hostile_label_is_refused_and_the_others_come, ("..",)),
    (Bold, archives.test_nothing_is_overwritten_unless_asked, ()),
    (Parental, archives.test_storing_where_nothing_is_does_not_fall_through, ()),
    (Vague, archives.test_an_empty_resource_gives_nothing_and_an_absent_owner_is_not_there, ()),
    (Deaf, archives.test_a_file_is_fetched_from_any_offset, ()),
]


@pytest.mark.parametrize(("kind", "test", "given"), ARCHIVE_LIES)
def test_a_lie_of_an_archive_is_caught(
    kind: type[SimArchive], test: Callable[..., None], given: tuple[Any, ...]
) -> None:
    """And the same test passes on an archive that does not lie."""
    with closing(ArchiveModel()) as honest:
        test(honest.world, *given)
    with closing(ArchiveModel(kind)) as lying, pytest.raises((AssertionError, pytest.fail.Exception)):
        test(lying.world, *given)
