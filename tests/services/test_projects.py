"""Projects: what each method did is read from the server's state, and each has something that goes wrong."""

from __future__ import annotations

import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.sandbox.http.faults import Fault
from xnatsync.services import errors
from xnatsync.services.projects import ProjectService


@pytest.fixture
def service(client: XNATClient) -> ProjectService:
    found = ProjectService(client)
    found.settle_s = found.cache_s = 0.0
    return found


def test_it_lists_what_may_be_read(service: ProjectService, far: NounWorld) -> None:
    """By ID, as models, and no more than asked for."""
    service.create("ALPHA", pi_lastname="Curie")

    assert [project.id for project in service.list()] == ["ALPHA", PROJECT]
    assert [project.id for project in service.list(limit=1)] == ["ALPHA"]
    assert service.list(accessible=False)[0].pi == "Curie"
    with XNATClient(far.server.url, far.site.accounts.add("nobody", "n", admin=False).login, "n") as other:
        assert ProjectService(other).list() == []


def test_it_looks_into_one(service: ProjectService) -> None:
    """With counts, and under both spellings."""
    found = service.get(project=PROJECT)  # type: ignore[call-arg]

    assert (found.id, found.subject_count, found.session_count) == (PROJECT, 2, 3)
    assert found.accessibility == "private"
    assert found == service.get(PROJECT)


@pytest.mark.parametrize("name", ["NEUROIMAGIN", "neuroimaging2", "NUEROIMAGING"])
def test_a_slip_is_one_error_with_the_nearest(service: ProjectService, far: NounWorld, name: str) -> None:
    """And nothing was sent (cases.md, 2)."""
    for ask in (
        lambda: service.get(name),
        lambda: service.get_subjects(name),
        lambda: service.get_sessions(name),
        lambda: service.set_accessibility(name, "public"),
        lambda: service.users(name),
        lambda: service.grant(name, USER),
        lambda: service.revoke(name, USER),
        lambda: service.delete(name),
    ):
        with pytest.raises(errors.ResourceNotFoundError, match=f"no project {name}.*nearest: {PROJECT}"):
            ask()

    assert far.writes() == []


def test_it_creates(service: ProjectService, far: NounWorld) -> None:
    """With every text as it was given, and opened only once it is there."""
    name = "Smith & Sons' <A>"

    made = service.create("NEW", name, 'a "study"', "a, b", "Jane", "Smith", "public")

    held = far.site.projects["NEW"]
    assert (held.name, held.accessibility, held.fields["keywords"]) == (name, "public", "a, b")
    assert (made.name, made.pi, made.description, made.keywords) == (name, "Jane Smith", 'a "study"', "a, b")
    assert service.create("PLAIN").name == "PLAIN"


def test_what_is_there_is_not_created_again(service: ProjectService, far: NounWorld) -> None:
    """Nor under another case; a PUT would change it."""
    for taken in (PROJECT, PROJECT.lower()):
        with pytest.raises(errors.AlreadyThere):
            service.create(taken, name="Other")
    for odd in ("", "A B", "A/B", "Ä"):
        with pytest.raises(errors.InvalidInputError):
            service.create(odd)
    with pytest.raises(errors.InvalidInputError):
        service.create("FINE", accessibility="open")

    assert far.writes() == []
    assert far.site.projects[PROJECT].name == PROJECT


def test_a_yes_without_a_project_is_no_success(service: ProjectService, far: NounWorld) -> None:
    """The server says 200 and keeps nothing."""
    far.says_yes("PUT", "/data/projects/NEW")

    with pytest.raises(errors.EffectMissing):
        service.create("NEW")


def test_a_lost_answer_is_settled_by_looking(service: ProjectService, far: NounWorld) -> None:
    """What has happened is a success, what has not is told as unknown; neither is sent twice."""
    far.server.faults.add(Fault("PUT", "/data/projects/NEW", "lost_reply"))

    assert service.create("NEW").id == "NEW"

    far.server.faults.add(Fault("DELETE", "/data/projects/NEW", "cut_request"))
    with pytest.raises(errors.OutcomeUnknown):
        service.delete("NEW")
    assert far.writes() == ["PUT /data/projects/NEW", "DELETE /data/projects/NEW"]


def test_it_deletes_what_was_named(service: ProjectService, far: NounWorld) -> None:
    """By its ID alone, and looks whether it is gone."""
    service.create("NEW", name="other name")

    with pytest.raises(errors.ResourceNotFoundError):
        service.delete("NEWER")
    assert service.delete("NEW", remove_files=True) is True
    assert set(far.site.projects) == {PROJECT}


def test_it_lists_subjects_and_sessions(service: ProjectService) -> None:
    """As dictionaries under XNAT's names, which are attributes too."""
    subjects = service.get_subjects(PROJECT)
    sessions = service.get_sessions(PROJECT, limit=2)

    assert [row["label"] for row in subjects] == ["SUB001", "SUB002"]
    assert [row["label"] for row in sessions] == ["MR001", "MR002"]
    assert sessions[0]["subject_label"] == "SUB001"


def test_it_changes_who_may_see_it(service: ProjectService, far: NounWorld) -> None:
    """And sends nothing when it is so already; a level that is none is refused."""
    assert service.set_accessibility(PROJECT, "protected") is True
    assert service.set_accessibility(PROJECT, "protected") is True

    assert far.site.projects[PROJECT].accessibility == "protected"
    assert len(far.writes()) == 1
    with pytest.raises(errors.InvalidInputError):
        service.set_accessibility(PROJECT, "secret")
    far.says_yes("PUT", "/accessibility/")
    with pytest.raises(errors.EffectMissing):
        service.set_accessibility(PROJECT, "public")


def test_it_grants_and_revokes(service: ProjectService, far: NounWorld) -> None:
    """A user that the server knows; the last one who may change the project stays."""
    far.site.accounts.add("jane", "j")

    assert service.grant(PROJECT, "jane", "collaborator") is True
    assert far.site.projects[PROJECT].members["jane"] == "collaborator"
    assert service.grant(PROJECT, "jane", "collaborator") is True
    assert [(member.login, member.role) for member in service.users(PROJECT)] == [
        ("jane", "collaborator"),
        (USER, "owner"),
    ]
    assert service.revoke(PROJECT, "jane") == ["collaborator"]
    assert "jane" not in far.site.projects[PROJECT].members
    assert len(far.writes()) == 2


def test_nobody_is_invited_by_a_slip(service: ProjectService, far: NounWorld) -> None:
    """XNAT would send mail to whoever it does not know."""
    far.site.accounts.add("jane", "j")

    with pytest.raises(errors.ResourceNotFoundError, match="nearest: jane"):
        service.grant(PROJECT, "jnae")
    with pytest.raises(errors.ResourceNotFoundError):
        service.revoke(PROJECT, "jane")
    with pytest.raises(errors.RequestRefused):
        service.revoke(PROJECT, USER)
    with pytest.raises(errors.RequestRefused):
        service.grant(PROJECT, USER, "member")
    with pytest.raises(errors.InvalidInputError):
        service.grant(PROJECT, "jane", "boss")

    assert far.writes() == []


def test_xnatpy_sees_what_was_written_and_the_reverse(service: ProjectService, far: NounWorld) -> None:
    """Another client of the same server."""
    import xnat

    service.create("OURS", "Ours & theirs", description="made here")
    with xnat.connect(far.server.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR") as theirs:
        assert theirs.projects["OURS"].name == "Ours & theirs"
        theirs.projects["OURS"].description = "changed there"
        theirs.put("/data/projects/THEIRS")

    assert service.get("OURS").description == "changed there"
    assert service.get("THEIRS").id == "THEIRS"
