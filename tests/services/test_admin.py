"""Administration: each change is seen on the stand-in, and what was not done is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from noun_world import PROJECT, USER, NounWorld, content
from services.processing import install
from xnatsync import XNATClient
from xnatsync.sandbox.http.exchange import Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.services import errors
from xnatsync.services.admin import AdminService


@pytest.fixture
def service(client: XNATClient) -> AdminService:
    return AdminService(client)


@pytest.fixture
def member(far: NounWorld) -> Iterator[AdminService]:
    """As a member of the project, who is no administrator."""
    far.site.accounts.add("mem", "pw")
    far.site.projects[PROJECT].members["mem"] = "member"
    with XNATClient(far.server.url, "mem", "pw") as client:
        yield AdminService(client)


def instead(method: str, place: str, text: str, status: int = 200) -> Fault:
    """An answer in the place of the effect."""
    return Fault(method, place, "call", before=lambda _: Response(status, {}, text.encode()), times=9)


def session_of(far: NounWorld, label: str) -> Any:
    return next(held for held in far.site.experiments.values() if held.label == label)


# --- catalogues ------------------------------------------------------------------------------------------------------


def stray(far: NounWorld, label: str = "MR001") -> Any:
    """Put a file beside those of a scan, as somebody with a shell on the server would; give the resource."""
    resource = session_of(far, label).scans["1"].resources["DICOM"]
    place = far.root / "xnat" / "store" / resource.folder / "late.dcm"
    place.write_bytes(content("late"))
    return resource


def test_all_sessions_are_refreshed_and_counted(service: AdminService, far: NounWorld) -> None:
    """As documented; what was added on the disk is in the catalogue, and in the outcome."""
    resource = stray(far)
    told: list[tuple[int, int, str]] = []

    report = service.refresh_catalogs(project=PROJECT, progress_callback=lambda *look: told.append(look))

    assert "late.dcm" in resource.entries
    outcome = next(one for one in report.outcomes if one.label == "MR001")
    assert (outcome.outcome, outcome.files_after - outcome.files_before) == ("refreshed", 1)
    assert (sorted(report.refreshed), report.failed) == (sorted(far.site.experiments), [])
    assert [look[:2] for look in told] == [(1, 3), (2, 3), (3, 3)]
    assert session_of(far, "MR001").events[-1].action == "Catalog(s) Refreshed"


def test_named_sessions_and_options_alone(service: AdminService, far: NounWorld) -> None:
    """By ID and label, once each; `limit` counts sessions."""
    resource = stray(far)
    ours = session_of(far, "MR001").id

    report = service.refresh_catalogs(PROJECT, ["MR001", ours], ["populateStats"], parallel=False)

    assert (report.refreshed, "late.dcm" in resource.entries) == ([ours], False)
    assert len(service.refresh_catalogs(PROJECT, limit=2).refreshed) == 2
    queries = [str(line["query"]) for line in far.server.log if line["path"] == "/data/services/refresh/catalog"]
    assert queries[0].endswith("options=populateStats")


def test_nothing_is_refreshed_where_one_name_is_wrong(service: AdminService, far: NounWorld) -> None:
    """A session, a project, an option: told before anything is sent."""
    for arguments in ((PROJECT, ["MR001", "MR009"]), ("NOWHERE",)):
        with pytest.raises(errors.ResourceNotFoundError):
            service.refresh_catalogs(*arguments)
    with pytest.raises(errors.InvalidInputError, match="vacuum"):
        service.refresh_catalogs(PROJECT, options=["vacuum"])
    assert not [line for line in far.server.log if line["path"] == "/data/services/refresh/catalog"]


def test_one_that_fails_does_not_stop_the_others(service: AdminService, far: NounWorld) -> None:
    """It is among the failed, with the server's words; an answer that was lost is `unknown`, not done."""
    bad, lost = session_of(far, "MR001").id, session_of(far, "MR002").id
    far.server.faults.add(instead("POST", f"refresh/catalog.*{bad}", "disk is gone", 400))
    far.server.faults.add(instead("POST", f"refresh/catalog.*{lost}", "gateway", 504))

    report = service.refresh_catalogs(PROJECT)

    assert (sorted(report.failed), len(report.refreshed)) == (sorted([bad, lost]), 1)
    assert {one.outcome for one in report.outcomes} == {"refreshed", "failed", "unknown"}
    assert "disk is gone" in " ".join(report.errors)


def test_who_may_not_edit_refreshes_nothing(member: AdminService, far: NounWorld) -> None:
    """A collaborator: each session is told as failed."""
    far.site.projects[PROJECT].members["mem"] = "collaborator"

    report = member.refresh_catalogs(PROJECT)

    assert (len(report.failed), report.refreshed) == (3, [])


def test_a_callback_stops_the_rest(service: AdminService) -> None:
    """By False alone."""
    with pytest.raises(errors.OperationCancelled):
        service.refresh_catalogs(PROJECT, parallel=False, progress_callback=lambda *_: False)


# --- users -----------------------------------------------------------------------------------------------------------


def test_users_are_listed_by_right(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """Administrators see who is enabled, others what XNAT shows to everybody; of a project, its groups."""
    found = {one.username: one for one in service.list_users()}
    assert {USER, "mem"} <= set(found)
    assert found["mem"].enabled is True
    with pytest.raises(errors.PermissionDeniedError):  # a plain site restricts it
        member.list_users()
    far.site.settings.update({"restrictUserListAccessToAdmins": False})
    assert {one.enabled for one in member.list_users()} == {None}
    assert [(one.username, one.group) for one in service.list_users(project=PROJECT) if one.username == "mem"] == [
        ("mem", f"{PROJECT}_member")
    ]
    shown = service.get_user("mem")
    assert (shown.groups, shown.roles) == ([f"{PROJECT}_member"], [])
    with pytest.raises(errors.ResourceNotFoundError, match="no user nobody"):
        service.get_user("nobody")
    with pytest.raises(errors.PermissionDeniedError):
        member.get_user(USER)


def test_a_user_is_added_to_groups_and_seen_there(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """Plain names in each project; a group that was lost by it is named."""
    far.ask("PUT", "/data/projects/OTHER")

    report = service.add_user_to_groups("mem", ["owner"], projects=[PROJECT, "OTHER"])

    assert (report.added, report.failed) == ([f"{PROJECT}_owner", "OTHER_owner"], [])
    assert report.replaced == [f"{PROJECT}_member"]
    assert far.site.projects["OTHER"].members["mem"] == "owner"
    again = service.add_user_to_groups("mem", ["OTHER_owner"])
    assert (again.added, again.already) == ([], ["OTHER_owner"])
    role = service.add_user_to_groups("mem", [], ["OTHER"], "collaborator")
    assert (role.added, role.replaced) == (["OTHER_collaborator"], ["OTHER_owner"])

    gone = service.remove_user_from_groups("mem", ["OTHER_collaborator", f"{PROJECT}_collaborator"])

    assert (gone.removed, gone.absent) == (["OTHER_collaborator"], [f"{PROJECT}_collaborator"])
    assert "mem" not in far.site.projects["OTHER"].members


def test_nobody_is_invited_by_a_slip(service: AdminService, far: NounWorld) -> None:
    """An unknown user, project or role: nothing is sent."""
    before = len(far.server.log)

    for user, group in (("nobody", f"{PROJECT}_member"), (USER, "NOWHERE_member")):
        with pytest.raises(errors.ResourceNotFoundError):
            service.add_user_to_groups(user, [group])
    for arguments in ((["member"], None, "member"), ([], None, "member"), ([], [PROJECT], "king")):
        with pytest.raises(errors.InvalidInputError):
            service.add_user_to_groups(USER, *arguments)  # type: ignore[arg-type]
    sent = [line for line in far.server.log[before:] if "/xapi/users/" in str(line["path"]) and line["method"] != "GET"]
    assert sent == []


def test_a_change_that_did_nothing_is_told(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """200 to each, and all as before."""
    far.server.faults.add(instead("PUT", "/xapi/users/", "[]"))
    far.server.faults.add(instead("DELETE", "/xapi/users/", "[]"))

    added = service.add_user_to_groups("mem", [f"{PROJECT}_owner"])
    removed = service.remove_user_from_groups("mem", [f"{PROJECT}_member"])

    assert (added.added, added.failed) == ([], [f"{PROJECT}_owner"])
    assert (removed.removed, removed.failed) == ([], [f"{PROJECT}_member"])
    with pytest.raises(errors.OutcomeUnknown):
        service.set_enabled("mem", enabled=False)
    with pytest.raises(errors.OutcomeUnknown):
        service.grant_role("mem", "Administrator")


def test_accounts_are_enabled_and_given_roles(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """Never the one that asks; a member changes nobody."""
    assert service.set_enabled("mem", enabled=False).enabled is False
    assert service.set_enabled("mem", enabled=True).enabled is True
    assert service.set_enabled("mem", enabled=True).enabled is True
    assert service.grant_role("mem", "Administrator") == ["Administrator"]
    assert service.revoke_role("mem", "Administrator") == []
    for act in (lambda: service.set_enabled(USER, enabled=False), lambda: service.revoke_role(USER, "Administrator")):
        with pytest.raises(errors.InvalidInputError):
            act()
    with pytest.raises(errors.PermissionDeniedError):
        member.grant_role("mem", "Administrator")
    user = far.site.accounts.get("mem")
    assert user is not None
    assert (user.enabled, user.admin) == (True, False)


# --- histories -------------------------------------------------------------------------------------------------------


def test_what_was_done_is_listed_newest_first(service: AdminService, far: NounWorld) -> None:
    """Of all sessions of a project; by user, word and time; no more than asked for."""
    service.refresh_catalogs(PROJECT, ["MR001"])
    service.refresh_catalogs(PROJECT, ["MR002"])

    logs = service.audit_logs(project=PROJECT, limit=100)

    assert logs[0].action == "Catalog(s) Refreshed"
    assert (logs[0].item, logs[0].user, logs[0].project) == (session_of(far, "MR002").id, USER, PROJECT)
    assert [entry.at for entry in logs] == sorted((entry.at for entry in logs), reverse=True)
    assert [entry.item for entry in service.audit_log(PROJECT, action="refreshed")] == [logs[0].item, logs[1].item]
    assert service.audit_log(PROJECT, username="nobody") == []
    assert service.audit_log(PROJECT, since="2099-01-01") == []
    assert len(service.audit_log(PROJECT, since="7d", limit=2)) == 2
    assert service.audit_log()[0].item == logs[0].item
    with pytest.raises(errors.InvalidInputError, match="yesterday"):
        service.audit_log(PROJECT, since="yesterday")
    with pytest.raises(errors.ResourceNotFoundError):
        service.audit_log("NOWHERE")


def test_a_cut_history_is_no_short_one(service: AdminService, far: NounWorld) -> None:
    """An audit that lacks something is an error."""
    far.server.faults.add(instead("GET", "/data/services/audit/xnat:petSessionData", '{"events":[{"event'))

    with pytest.raises(errors.OperationError):
        service.audit_log(PROJECT)


# --- the site --------------------------------------------------------------------------------------------------------


def test_the_server_is_described(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """Version, build and plug-ins."""
    assert service.get_server_info().plugins == {}
    install(far)

    info = service.get_server_info()

    assert (info.url, info.version != "", info.plugins) == (far.server.url, True, {"containers": "3.7.3"})
    assert [one.id for one in service.list_plugins()] == ["containers"]
    assert service.get_plugin("containers").description == "Container Service"
    with pytest.raises(errors.ResourceNotFoundError, match="no plug-in xsync"):
        service.get_plugin("xsync")
    far.server.faults.add(instead("GET", "/xapi/plugins", "", 403))
    assert service.get_server_info().plugins is None
    with pytest.raises(errors.PermissionDeniedError):
        service.list_plugins()


def test_a_setting_is_read_set_and_seen(service: AdminService, member: AdminService, far: NounWorld) -> None:
    """One that there is, as a value of its kind."""
    assert service.get_site_config("checksums") == {"checksums": True}
    assert service.get_site_config()["checksums"] is True

    assert service.set_site_config("checksums", False) is True

    assert far.site.settings.values["checksums"] is False
    with pytest.raises(errors.ResourceNotFoundError):
        service.set_site_config("checksum", False)
    with pytest.raises(errors.InvalidInputError):
        service.set_site_config("checksums", "yes")
    with pytest.raises(errors.PermissionDeniedError):
        member.set_site_config("siteId", "OURS")


def test_a_setting_that_was_not_kept_is_told(service: AdminService, far: NounWorld) -> None:
    """200, and the old value."""
    far.server.faults.add(instead("POST", "/xapi/siteConfig", ""))

    with pytest.raises(errors.OutcomeUnknown, match="did not keep"):
        service.set_site_config("checksums", False)
