"""Inventories and batched listings: few requests whatever the size, servers that cannot join, hostile names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from archive_world import ALL, BARE, SESSION, SHARED, World, furnish, key
from big_project import Size, fill
from unit.xnat_scripted import Answer, Scripted, connected, page, scripted
from xnatsync.core.errors import LoginLost, NotThere, ReadFailed, ReplyStrange, ServerUnwell
from xnatsync.core.inventory import Inventory, Owner, OwnerKind
from xnatsync.ports.tree import Archive
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat.client import Retries
from xnatsync.xnat.server import XnatServer

QUICK = Retries(tries=2, first_s=0.001, most_s=0.002)


@pytest.fixture
def site() -> Site:
    made = Site.in_memory()
    made.accounts.add("admin", "secret", admin=True)
    return made


@pytest.fixture
def sandbox(site: Site) -> Iterator[SandboxServer]:
    with SandboxServer(site) as running:
        yield running


@pytest.fixture
def archive(sandbox: SandboxServer) -> Iterator[XnatServer]:
    with XnatServer(sandbox.url, "admin", "secret", server_name="x", retries=QUICK) as opened:
        yield opened


@pytest.fixture
def world(site: Site, archive: XnatServer) -> World:
    furnish(site)
    return World(site, archive)


def asked(sandbox: SandboxServer, archive: Archive) -> list[str]:
    """The requests since the last look, without the login.

    The sandbox notes a request after its answer has gone: one more on the same connection comes behind the note.
    """
    assert isinstance(archive, XnatServer)
    archive.whoami()
    paths = [str(entry["path"]) for entry in sandbox.log]
    sandbox.log.clear()
    return [path for path in paths if not path.endswith(("JSESSION", "/auth"))]


# --- few requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sessions", [1, 60])
def test_a_project_of_any_size_costs_five_requests(
    site: Site, sandbox: SandboxServer, archive: XnatServer, sessions: int
) -> None:
    """One less where the resources of subjects are not wanted."""
    fill(site, "BIG", Size(sessions=sessions, scans=3, own=("QC",)), stored=False)

    seen = archive.inventory("BIG", frozenset({OwnerKind.SESSION}))

    assert asked(sandbox, archive) == ["/data/projects/BIG", *["/data/experiments"] * 3]
    assert len(seen.owners) == sessions
    assert {len(items) for items in seen.owners.values()} == {7}
    assert archive.inventory("BIG", ALL).complete
    assert len(asked(sandbox, archive)) == 5


def test_sessions_shared_in_cost_one_request_for_their_subjects_labels(world: World, sandbox: SandboxServer) -> None:
    """None when the subjects are listed anyway."""
    seen = world.archive.inventory("P1", frozenset({OwnerKind.SESSION}))

    assert len(asked(sandbox, world.archive)) == 5
    assert {owner.subject for owner in seen.owners} == {"SUB01", "SUB02", "HERE"}
    world.inventory()
    assert len(asked(sandbox, world.archive)) == 5


def test_many_owners_are_listed_with_few_requests(site: Site, sandbox: SandboxServer, archive: XnatServer) -> None:
    """Fifty sessions a request, addresses below 6 kB."""
    fill(site, "BIG", Size(sessions=120, scans=1, labels=("DICOM",)), stored=False)
    owners = list(archive.inventory("BIG", frozenset({OwnerKind.SESSION})).owners)
    asked(sandbox, archive)

    listings = archive.owner_files(owners)

    paths = asked(sandbox, archive)
    assert len(paths) == 3
    assert max(map(len, paths)) < 6000
    assert {len(listings[owner].files) for owner in owners} == {1}


def test_sessions_of_another_project_are_listed_apart(world: World, sandbox: SandboxServer) -> None:
    """XNAT resolves all paths of one request with one project (§3.6)."""
    owners = [world.owner(each) for each in (SESSION, SHARED)]
    asked(sandbox, world.archive)
    world.archive.owner_files(owners)

    assert sorted(asked(sandbox, world.archive)) == [f"/data/experiments/{each}/files" for each in (SESSION, SHARED)]


# --- servers that cannot join ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_cannot_join_resources_is_asked_owner_by_owner(
    world: World, sandbox: SandboxServer, status: int
) -> None:
    """The same inventory comes, at more cost."""
    expected = world.inventory()
    fault = sandbox.faults.add(Fault("GET", "resources/resource/label", "status", times=99, status=status))

    assert world.inventory() == expected
    assert fault.hits == 3


def test_a_server_that_drops_the_joined_columns_is_asked_owner_by_owner(world: World, sandbox: SandboxServer) -> None:
    """Unknown columns are left out without a word (§3.4)."""
    expected = world.inventory()

    def without(request: object, response: object) -> None:
        body = b"".join(response.body) if not isinstance(response.body, bytes) else response.body  # type: ignore[attr-defined]
        document = json.loads(body)
        for row in document["ResultSet"]["Result"]:
            for name in [name for name in row if "resources/resource" in name]:
                del row[name]
        response.body = json.dumps(document).encode()  # type: ignore[attr-defined]

    sandbox.faults.add(Fault("GET", "resources/resource/label", "call", times=99, after_call=without))

    assert world.inventory() == expected


def test_a_proxy_that_is_unwell_is_not_taken_for_a_server_that_cannot_join(
    world: World, sandbox: SandboxServer
) -> None:
    """It passes by itself: nothing is asked a thousand times meanwhile."""
    sandbox.faults.add(Fault("GET", "resources/resource/label", "status", times=99, status=503))
    with pytest.raises(ServerUnwell):
        world.inventory()


# --- projects that are not there ---------------------------------------------------------------------------------


def test_an_absent_project_is_never_an_empty_one(world: World, site: Site) -> None:
    """Nor is one that this account may not see."""
    site.accounts.add("stranger", "secret")
    with pytest.raises(NotThere):
        world.inventory("NOPE")
    with (
        SandboxServer(site) as other,
        XnatServer(other.url, "stranger", "secret", server_name="x") as stranger,
        pytest.raises(NotThere),
    ):
        stranger.inventory("P1", ALL)


def test_a_listing_that_failed_is_not_an_empty_project(world: World, sandbox: SandboxServer) -> None:
    """200 without a body, a part of a listing, a page (§3.1, §3.2)."""
    for body in (" ", '{"ResultSet":{"Result":[{"URI":"/data/exp', "<html></html>", '{"ResultSet":{"Result":[{}]}}'):
        sandbox.faults.clear()
        sandbox.faults.add(Fault("GET", "/data/experiments\\?", "status", times=9, status=200, body=body))
        with pytest.raises((ReplyStrange, LoginLost)):
            world.inventory()


# --- hostile names -----------------------------------------------------------------------------------------------


def keys(seen: Inventory) -> dict[str, int]:
    return {owner.id: len(items) for owner, items in seen.owners.items()}


@pytest.mark.parametrize("name", ["..", "a/b", "a\\b", "a\nb", "\u202egnp", "x" * 300, "."])
def test_hostile_labels_are_left_out_and_told(world: World, name: str) -> None:
    """A session's, a subject's, a resource's and a scan's; the rest comes, and absence proves nothing."""
    before = keys(world.inventory())
    session = world.site.experiments[SESSION]
    session.scans["4"].resources["NIFTI"].label = name
    session.scans["5"].id = name
    world.site.experiments[BARE].label = name
    world.site.subjects["XNAT_S00003"].label = name

    seen = world.inventory()

    assert not seen.complete
    assert {owner_id for owner_id, _ in seen.refused} == {SESSION, BARE, SHARED}
    assert keys(seen)[SESSION] == before[SESSION] - 2
    assert not {BARE, SHARED} & set(keys(seen))
    assert all(name not in why for _, why in seen.refused)


def test_two_resources_of_one_label_have_no_stamp(world: World) -> None:
    """Which files are whose, nobody can tell: they are looked at each time."""
    scan = world.site.experiments[SESSION].scans["4"]
    scan.resources["other"] = replace(scan.resources["NIFTI"], id=999_999, file_count=7, label="DICOM")

    items = {item.key: item for item in world.inventory().owners[world.owner(SESSION)]}

    assert items[key("4", "DICOM")].stamp == ""


# --- listings that do not come as asked --------------------------------------------------------------------------

ONE, TWO = (Owner(OwnerKind.SESSION, "P1", f"XNAT_E{number}") for number in (1, 2))
BOTH = "/data/experiments/XNAT_E1,XNAT_E2/files"
BROKEN = Answer(500, page("The server encountered an unexpected condition"))


def listed(*rows: dict[str, str]) -> Answer:
    return Answer(200, json.dumps({"ResultSet": {"Result": list(rows)}}).encode())


def row(session: str, name: str = "a", *, start: str = "") -> dict[str, str]:
    uri = f"{start}/experiments/{session}/scans/4/resources/77/files/{name}"
    return {"Name": name, "Size": "3", "URI": uri, "collection": "DICOM", "digest": "ab" * 16}


def there(*sessions: str) -> Answer:
    return listed(*({"ID": each, "label": each, "URI": f"/data/experiments/{each}"} for each in sessions))


@pytest.fixture
def xnat() -> Iterator[Scripted]:
    with scripted() as script:
        yield script


def test_a_batch_that_fails_is_taken_apart(xnat: Scripted) -> None:
    """Only the session that breaks the server is unlisted, and that is an error, not an absence."""
    xnat.on("GET", BOTH, BROKEN)
    xnat.on("GET", "/data/experiments", there("XNAT_E1", "XNAT_E2"))
    xnat.on("GET", "/data/experiments/XNAT_E1/files", listed(row("XNAT_E1")))
    xnat.on("GET", "/data/experiments/XNAT_E2/files", listed(row("XNAT_E2")))
    with connected(xnat) as server:
        assert {owner.id: len(listing.files) for owner, listing in server.owner_files([ONE, TWO]).items()} == {
            "XNAT_E1": 1, "XNAT_E2": 1,
        }  # fmt: skip
        xnat.on("GET", "/data/experiments/XNAT_E2/files", BROKEN)
        with pytest.raises(ReadFailed):
            server.owner_files([ONE, TWO])


def test_rows_that_cannot_be_told_apart_are_asked_for_again_one_by_one(xnat: Scripted) -> None:
    """The form of address that XNAT uses for one resource is made of what was asked, not of what was found (§3.2)."""
    xnat.on("GET", BOTH, listed(row("XNAT_E1,XNAT_E2", start="/data")))
    xnat.on("GET", "/data/experiments/XNAT_E1/files", listed())
    xnat.on("GET", "/data/experiments/XNAT_E2/files", listed(row("XNAT_E2", start="/data")))
    xnat.on("GET", "/data/experiments", there("XNAT_E1", "XNAT_E2"))
    with connected(xnat) as server:
        found = server.owner_files([ONE, TWO])
    assert {owner.id: len(listing.files) for owner, listing in found.items()} == {"XNAT_E1": 0, "XNAT_E2": 1}


@pytest.mark.parametrize("start", ["", "/data", "/REST"])
def test_rows_of_several_sessions_are_told_apart_by_their_addresses_whatever_these_begin_with(
    xnat: Scripted, start: str
) -> None:
    """One request is enough: XNAT puts `/data` before them, older ones may not (foreign.md S17)."""
    xnat.on(
        "GET", BOTH, listed(row("XNAT_E1", start=start), row("XNAT_E2", start=start), row("XNAT_E2", "b", start=start))
    )
    with connected(xnat) as server:
        found = server.owner_files([ONE, TWO])
    assert {owner.id: len(listing.files) for owner, listing in found.items()} == {"XNAT_E1": 1, "XNAT_E2": 2}


def test_silence_about_a_session_is_not_believed(xnat: Scripted) -> None:
    """It is empty only if it is still there."""
    xnat.on("GET", BOTH, listed(row("XNAT_E1")))
    xnat.on("GET", "/data/experiments", there())
    with connected(xnat) as server:
        assert set(server.owner_files([ONE, TWO])) == {ONE}
        xnat.on("GET", "/data/experiments", there("XNAT_E2"))
        assert set(server.owner_files([ONE, TWO])) == {ONE, TWO}


def test_two_files_of_one_name_are_refused_unless_they_are_one(xnat: Scripted) -> None:
    """A catalogue may name a file twice; two contents under one name have no place in a tree."""
    xnat.on("GET", "/data/experiments/XNAT_E1/files", listed(row("XNAT_E1"), row("XNAT_E1")))
    with connected(xnat) as server:
        listing = server.owner_files([ONE])[ONE]
        assert (len(listing.files), listing.complete) == (1, True)
        other = row("XNAT_E1") | {"Size": "4"}
        xnat.on("GET", "/data/experiments/XNAT_E1/files", listed(row("XNAT_E1"), other))
        listing = server.owner_files([ONE])[ONE]
        assert (len(listing.files), listing.complete) == (1, False)


def test_a_login_lost_in_the_middle_is_renewed(xnat: Scripted) -> None:
    """The listing comes all the same."""
    answers = iter([Answer(401), listed(row("XNAT_E1"))])
    xnat.on("GET", "/data/experiments/XNAT_E1/files", lambda _asked: next(answers))
    with connected(xnat) as server:
        assert len(server.owner_files([ONE])[ONE].files) == 1
    assert xnat.logins == 2
