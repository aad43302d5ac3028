"""Logging in, sessions, tokens, users (hierarchy.md §2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

Connect = Callable[..., httpx.Client]


@pytest.fixture
def connect(server: SandboxServer) -> Iterator[Connect]:
    """Makes clients, each with cookies of its own."""
    made: list[httpx.Client] = []

    def new(user: str = "", password: str = "", **options: object) -> httpx.Client:
        auth = (user, password) if user else None
        made.append(httpx.Client(base_url=server.url, auth=auth, timeout=30, **options))  # type: ignore[arg-type]
        return made[-1]

    yield new
    for client in made:
        client.close()


def test_an_anonymous_jsession_is_200_and_proves_nothing(anonymous: httpx.Client) -> None:
    reply = anonymous.get("/data/JSESSION")
    assert reply.status_code == 200
    assert reply.text == anonymous.cookies["JSESSIONID"]
    assert anonymous.get("/data/auth").status_code == 401


def test_basic_auth_opens_a_session_that_the_cookie_continues(connect: Connect) -> None:
    first = connect("admin", "secret")
    session_id = first.post("/data/JSESSION").text
    later = connect(cookies={"JSESSIONID": session_id})
    assert later.get("/data/auth").text == "User 'admin' is logged in"


def test_each_login_changes_the_session_id(connect: Connect) -> None:
    client = connect()
    before = client.get("/data/JSESSION").text
    after = client.put("/data/services/auth", data={"username": "admin", "password": "secret"})
    assert after.status_code == 200
    assert after.text not in {"", before}
    assert client.cookies["JSESSIONID"] == after.text
    assert client.get("/data/auth").text == "User 'admin' is logged in"


def test_a_wrong_form_login_says_so_in_the_heading(anonymous: httpx.Client) -> None:
    reply = anonymous.put("/data/services/auth", data={"username": "admin", "password": "wrong"})
    assert reply.status_code == 401
    assert re.search("<h3>(.*)</h3>", reply.text)[1] == "Authentication failed."  # type: ignore[index]


def test_wrong_basic_credentials_are_401_with_challenge(connect: Connect) -> None:
    reply = connect("admin", "wrong").get("/data/auth")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Basic realm="XNAT"'
    assert "login attempt failed" in reply.text


def test_a_basic_header_without_colon_breaks(anonymous: httpx.Client) -> None:
    assert anonymous.get("/data/auth", headers={"Authorization": "Basic bm9jb2xvbg=="}).status_code == 500


def test_cookie_and_basic_of_the_same_user_do_not_check_the_password_again(connect: Connect) -> None:
    session_id = connect("admin", "secret").get("/data/JSESSION").text
    careless = connect("admin", "wrong", cookies={"JSESSIONID": session_id})
    assert careless.get("/data/auth").status_code == 200


def test_delete_jsession_ends_the_session(connect: Connect) -> None:
    client = connect()
    client.put("/data/services/auth", data={"username": "admin", "password": "secret"})
    assert client.delete("/data/JSESSION").status_code == 200
    assert client.get("/data/auth").status_code == 401


def test_the_session_expires_when_idle_and_each_request_renews_it(connect: Connect, clock: Any) -> None:
    client = connect()
    client.put("/data/services/auth", data={"username": "admin", "password": "secret"})
    for _ in range(3):
        clock.now += 800
        assert client.get("/data/auth").status_code == 200
    clock.now += 901
    assert client.get("/data/auth").status_code == 401


@pytest.mark.parametrize(
    ("agent", "headers", "status"),
    [
        ("Mozilla/5.0 (X11)", {}, 302),
        ("Mozilla/5.0 (X11)", {"X-Requested-With": "XMLHttpRequest"}, 401),
        ("XNATDesktopClient Mozilla/5.0", {}, 401),
        ("", {}, 401),
        ("python-httpx", {}, 401),
    ],
)
def test_strangers_get_401_but_browsers_the_login_page(
    anonymous: httpx.Client, agent: str, headers: dict[str, str], status: int
) -> None:
    reply = anonymous.get("/data/projects", headers={"User-Agent": agent, **headers})
    assert reply.status_code == status
    if status == 302:
        page = anonymous.get(reply.headers["location"])
        assert page.status_code == 200
        assert "<!-- BEGIN xnat-templates/screens/Login.vm -->" in page.text


def test_the_account_locks_after_too_many_failures(connect: Connect, site: Site, clock: Any) -> None:
    site.settings.update({"maxFailedLogins": 3})
    for _ in range(3):
        assert connect("admin", "wrong").get("/data/auth").status_code == 401
    assert connect("admin", "secret").get("/data/auth").status_code == 401
    clock.now += 3601
    assert connect("admin", "secret").get("/data/auth").status_code == 200


def test_too_many_sessions_fail_with_the_words_of_a_wrong_password(connect: Connect, site: Site) -> None:
    site.settings.update({"concurrentMaxSessions": 2})
    first = connect("admin", "secret")
    first.get("/data/auth")
    connect("admin", "secret").get("/data/auth")
    assert connect("admin", "secret").get("/data/auth").status_code == 401
    ended = first.delete("/xapi/users/active/admin")
    assert len(ended.json()) == 1
    assert connect("admin", "secret").get("/data/auth").status_code == 200


def test_an_open_site_lets_the_guest_in(connect: Connect, site: Site) -> None:
    site.settings.update({"requireLogin": False})
    assert connect().get("/data/auth").text == "User 'guest' is logged in"


def test_alias_tokens_stand_for_their_owner_until_they_expire(connect: Connect, clock: Any) -> None:
    admin = connect("admin", "secret")
    token = admin.get("/data/services/tokens/issue").json()
    assert len(token["secret"]) == 64
    assert connect(token["alias"], token["secret"]).get("/data/auth").text == "User 'admin' is logged in"
    validated = admin.get(f"/data/services/tokens/validate/{token['alias']}/{token['secret']}")
    assert validated.json() == {"valid": "admin"}
    clock.now += 2 * 86400 + 1
    assert connect(token["alias"], token["secret"]).get("/data/auth").status_code == 401


def test_an_invalidated_token_lets_nobody_in(connect: Connect) -> None:
    admin = connect("admin", "secret")
    token = admin.get("/data/services/tokens/issue").json()
    assert admin.get(f"/data/services/tokens/invalidate/{token['alias']}").json() == {"result": "OK"}
    assert connect(token["alias"], token["secret"]).get("/data/auth").status_code == 401


def test_build_info_is_open_and_site_config_is_not(anonymous: httpx.Client, admin: httpx.Client) -> None:
    assert anonymous.get("/xapi/siteConfig/buildInfo").json()["version"] == "1.9.2.1"
    assert anonymous.get("/xapi/siteConfig/buildInfo/version").text == "1.9.2.1"
    assert anonymous.get("/xapi/siteConfig/siteId").text == "XNAT"
    assert anonymous.get("/xapi/siteConfig").status_code == 401
    assert admin.get("/xapi/siteConfig").json()["checksums"] is True


def test_only_administrators_change_the_site(connect: Connect, admin: httpx.Client, site: Site) -> None:
    site.accounts.add("jane", "pw")
    assert connect("jane", "pw").post("/xapi/siteConfig", json={"checksums": False}).status_code == 403
    assert site.settings.flag("checksums")
    changed = admin.post("/xapi/siteConfig", json={"checksums": False, "sessionXmlRebuilderInterval": 1})
    assert changed.status_code == 200
    assert not site.settings.flag("checksums")
    assert site.settings.number("sessionXmlRebuilderInterval") == 1


def test_users_are_created_changed_and_disabled(connect: Connect, admin: httpx.Client) -> None:
    body = {"username": "jane", "password": "pw", "firstName": "Jane", "enabled": True}
    assert admin.post("/xapi/users", json=body).status_code == 201
    jane = connect("jane", "pw")
    assert jane.get("/xapi/users/profile").json()["firstName"] == "Jane"
    assert jane.get("/xapi/users").status_code == 403
    assert admin.put("/xapi/users/jane", json={"firstName": "Jane"}).status_code == 304
    assert admin.put("/xapi/users/jane", json={"firstName": "Joan"}).json()["firstName"] == "Joan"
    assert admin.put("/xapi/users/jane/enabled/false").status_code == 200
    assert jane.get("/data/auth").status_code == 401


def test_a_browsers_writes_need_the_token_of_their_session(connect: Connect) -> None:
    browser = connect("admin", "secret", headers={"User-Agent": "Mozilla/5.0 (X11)"})
    _, _, token = browser.get("/data/JSESSION?CSRF=true").text.partition("; XNAT_CSRF=")
    assert browser.put("/data/projects/P1").status_code == 500
    assert browser.put(f"/data/projects/P1?XNAT_CSRF={token}").status_code == 200
    assert connect("admin", "secret").put("/data/projects/P2").status_code == 200


def test_project_members_come_and_go_by_any_name_of_their_group(admin: httpx.Client, site: Site) -> None:
    site.accounts.add("jane", "pw")
    admin.put("/data/projects/P1")
    assert admin.put("/data/projects/P1/users/Members/jane").status_code == 200
    assert site.projects["P1"].members["jane"] == "member"
    rows = admin.get("/data/projects/P1/users?format=json").json()["ResultSet"]["Result"]
    assert {row["login"]: row["GROUP_ID"] for row in rows} == {"admin": "P1_owner", "jane": "P1_member"}
    assert admin.put("/data/projects/P1/users/P1_collaborator/jane").status_code == 200
    assert admin.get("/xapi/users/jane/groups").json() == ["P1_collaborator"]
    assert admin.delete("/data/projects/P1/users/P1_collaborator/jane").status_code == 200
    assert "jane" not in site.projects["P1"].members
    assert admin.put("/data/projects/P1/users/Wizards/jane").status_code == 404
