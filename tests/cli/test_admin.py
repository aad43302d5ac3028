"""`admin`: documents as described, changes that the server shows, and none without a yes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_fields import document_faults, faults
from noun_world import PROJECT, USER, NounWorld, furnish, here
from services.processing import install
from xnatsync.sandbox.http.exchange import Response
from xnatsync.sandbox.http.faults import Fault

MEMBER = f"{PROJECT}_member"


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        found.site.accounts.add("ada", "pw")
        found.site.projects[PROJECT].members["ada"] = "member"
        yield found


def test_listings_are_the_rows_described(far: NounWorld) -> None:
    """Of histories, users, groups and plug-ins."""
    install(far)
    assert far.run("admin", "refresh-catalogs", PROJECT).code == 0

    for noun, words in (
        ("admin/audit", ["admin", "audit", "--project", PROJECT, "--since", "7d", "--action", "refreshed"]),
        ("admin/user-list", ["admin", "user", "list"]),
        ("admin/user-list", ["admin", "user", "list", "-P", PROJECT]),
        ("admin/user-groups", ["admin", "user", "groups", "ada"]),
        ("admin/plugins", ["admin", "plugins"]),
    ):
        rows = far.rows(*words)
        assert rows
        assert faults(rows, f"list of {noun}") == [], words
    assert far.run("admin", "user", "list", "-q").out.split() == sorted(user.login for user in far.site.accounts)
    assert len(far.rows("admin", "audit", "--limit", "1")) == 1


@pytest.mark.parametrize(
    "words",
    [
        [
            "refresh-catalogs",
            PROJECT,
            "--option",
            "append",
            "--option",
            "populateStats",
            "-E",
            "MR001",
            "--workers",
            "2",
        ],
        ["user", "show", "ada"],
        ["user", "enable", "ada"],
        ["user", "disable", "ada", "--dry-run"],
        ["user", "disable", "ada", "--yes"],
        ["user", "roles", "ada"],
        ["user", "roles", "ada", "--grant", "Administrator", "--yes"],
        ["user", "add", "ada", "--projects", PROJECT, "--role", "owner"],
        ["user", "remove", "ada", "--project", PROJECT, "--yes"],
        ["user", "remove", "ada", MEMBER, "--dry-run"],
        ["site-config", "get"],
        ["site-config", "get", "checksums"],
        ["site-config", "set", "checksums", "false", "--yes"],
        ["version"],
    ],
    ids=" ".join,
)
def test_each_document_is_the_one_described(words: list[str], far: NounWorld) -> None:
    """Field by field."""
    ran = far.run("admin", *words, "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, []), ran.err


def test_a_refresh_tells_each_session(far: NounWorld) -> None:
    """One that failed is an exit code."""
    assert "refreshed: 3, failed: 0" in far.run("admin", "refresh-catalogs", PROJECT).out
    far.server.faults.add(
        Fault("POST", "refresh/catalog.*XNAT_E00001", "call", before=lambda _: Response(400, {}, b"no disk"), times=9)
    )

    ran = far.run("admin", "refresh-catalogs", PROJECT)

    assert (ran.code, "no disk" in ran.out, "refreshed: 2, failed: 1" in ran.out) == (3, True, True)
    assert far.run("admin", "refresh-catalogs", PROJECT, "-E", "MR009").code == 3
    assert far.run("admin", "refresh-catalogs", PROJECT, "--option", "vacuum").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["user", "disable", "ada"],
        ["user", "remove", "ada", "--project", PROJECT],
        ["user", "roles", "ada", "--grant", "Administrator"],
        ["site-config", "set", "checksums", "false"],
    ],
    ids=" ".join,
)
def test_nothing_is_changed_without_a_yes(words: list[str], far: NounWorld) -> None:
    """Neither without a terminal nor by a plan."""
    for more, code in (([], 2), (["--dry-run"], 0)):
        assert far.run("admin", *words, *more).code == code

    ada = far.site.accounts.get("ada")
    assert ada is not None
    assert (ada.enabled, ada.admin, far.site.projects[PROJECT].members["ada"]) == (True, False, "member")
    assert far.site.settings.values["checksums"] is True


def test_a_user_is_added_and_removed(far: NounWorld) -> None:
    """As xnatctl spells it; what was lost by a new group is shown."""
    added = far.run("admin", "user", "add", "ada", f"{PROJECT}_owner")
    assert (added.code, "no longer in" in added.out and MEMBER in added.out) == (0, True)
    assert far.site.projects[PROJECT].members["ada"] == "owner"

    assert far.run("admin", "user", "remove", "ada", "--project", PROJECT, "--yes").code == 0

    assert "ada" not in far.site.projects[PROJECT].members
    assert far.run("admin", "user", "remove", "ada", "--project", PROJECT, "--yes").code == 2
    assert far.run("admin", "user", "add", "nobody", MEMBER).code == 3
    assert far.run("admin", "user", "disable", USER, "--yes").code == 2


def test_a_setting_is_read_as_a_value_of_its_kind(far: NounWorld) -> None:
    """A word where true or false belongs is refused, an unknown key too."""
    assert far.run("admin", "site-config", "set", "checksums", "no", "--yes").code == 2
    assert far.run("admin", "site-config", "set", "checksum", "true", "--yes").code == 3
    assert far.run("admin", "site-config", "set", "sessionXmlRebuilderInterval", "7", "--yes").code == 0
    assert far.site.settings.values["sessionXmlRebuilderInterval"] == 7
