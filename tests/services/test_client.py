"""The public client: one login, reads, effects, and failures as one tree of errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import xnatsync
from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient
from xnatsync.services import errors
from xnatsync.services.base import limited
from xnatsync.services.progress import Teller
from xnatsync.services.spelling import also


def test_it_logs_in_and_reads(client: XNATClient, far: NounWorld) -> None:
    """With one login for all requests and threads."""
    assert client.authenticate() == USER
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: client.get_json(f"/data/projects/{PROJECT}"), range(8)))

    assert {each["items"][0]["data_fields"]["ID"] for each in found} == {PROJECT}
    assert len([line for line in far.server.log if "JSESSION" in str(line)]) == 1


def test_an_effect_is_done_once_and_seen(client: XNATClient, far: NounWorld) -> None:
    """Whatever its body is made of."""
    client.put(f"/data/projects/{PROJECT}/subjects/NEW", {"gender": "female"})

    assert "NEW" in {held.label for held in far.site.subjects.values()}

    client.delete(f"/data/projects/{PROJECT}/subjects/NEW")

    assert "NEW" not in {held.label for held in far.site.subjects.values()}


def test_what_is_not_there_is_told_by_one_tree(client: XNATClient) -> None:
    """Under the documented name, with the code and the advice of the command line."""
    with pytest.raises(errors.ResourceNotFoundError) as caught:
        client.get_json("/data/projects/NOWHERE")

    assert caught.value.code == "XS-NOT-THERE"
    assert isinstance(caught.value, errors.XNATError)


def test_a_wrong_password_is_told_and_not_repeated(far: NounWorld) -> None:
    """It would lock the account out."""
    with XNATClient(far.server.url, USER, "wrong") as client, pytest.raises(errors.AuthenticationError):
        client.authenticate()
    with pytest.raises(errors.CredentialsMissing):
        XNATClient(far.server.url, USER)


def test_a_profile_is_what_the_commands_would_use(far: NounWorld) -> None:
    """From the environment here; the password is in nothing that is printed."""
    with XNATClient.from_profile() as client:
        assert client.whoami() == USER
        assert PASSWORD not in repr(client)


@pytest.mark.parametrize(
    "path", ["data/projects", "//elsewhere/data", "/data/projects?x=1", "http://elsewhere/", "/a\r\nb"]
)
def test_no_path_leads_elsewhere(client: XNATClient, path: str) -> None:
    """Neither to another server nor into the headers."""
    with pytest.raises(errors.InvalidInputError):
        client.get(path)
    with pytest.raises(errors.InvalidInputError):
        client.delete(path)


def test_both_spellings_are_taken_and_contradictions_refused() -> None:
    """As the founding document's examples and its signatures differ."""

    @also(session="session_id")
    def method(session_id: str) -> str:
        return session_id

    assert method("a") == method(session_id="a") == method(session="a") == "a"
    with pytest.raises(TypeError, match="other name"):
        method(session="a", session_id="b")
    with pytest.raises(TypeError):
        method(sesion="a")


def test_listings_end_where_they_are_told() -> None:
    """None means all."""
    assert limited(range(5), None) == [0, 1, 2, 3, 4]
    assert limited(range(5), 2) == [0, 1]
    assert limited(range(5), 0) == []
    with pytest.raises(errors.InvalidInputError):
        limited([], -1)


def test_a_callback_cancels_by_returning_false() -> None:
    """And by nothing else."""
    told: list[int] = []
    Teller(told.append).tell(1)
    teller: Teller[int] = Teller(lambda _: False)

    with pytest.raises(errors.OperationCancelled):
        teller.tell(2)
    assert told == [1]
    assert teller.stopping()


def test_the_public_surface_is_what_it_says() -> None:
    """Each name of `__all__` is there, and no other is."""
    assert xnatsync.XNATClient is XNATClient
    with pytest.raises(AttributeError):
        xnatsync.Client  # noqa: B018
