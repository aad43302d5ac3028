"""What administrators look at: users, histories, settings, plug-ins, and what became of a refresh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xnatsync.views.blocks import Block, Line, Table, Tone

USER_COLUMNS = {"username": "user", "first_name": "first name", "last_name": "last name", "email": "e-mail"}
OF_SITE = {"enabled": "enabled"}
OF_PROJECT = {"group": "group"}
AUDIT_COLUMNS = {
    "at": "at", "user": "user", "action": "action", "status": "status", "project": "project", "item": "item",
}  # fmt: skip
PLUGIN_COLUMNS = {"id": "id", "name": "name", "version": "version", "description": "description"}
_USER = ("username", "id", "first_name", "last_name", "email", "enabled", "verified", "group")
_AUDIT = ("at", "user", "action", "type", "status", "reason", "project", "item", "event_id")
_OUTCOME = (
    "experiment", "label", "outcome", "error", "files_before", "files_after", "bytes_before", "bytes_after",
)  # fmt: skip


def user_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `admin user list`."""
    return {key: row[key] for key in _USER}


def audit_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `admin audit`."""
    return {key: row[key] for key in _AUDIT}


def user_blocks(user: Mapping[str, object]) -> Iterator[Block]:
    """One account, for people."""
    yield Line(str(user["username"]), Tone.HEAD)
    for key in ("first_name", "last_name", "email", "enabled", "verified"):
        if user.get(key) not in {None, ""}:
            yield Line(f"{key.replace('_', ' ')}: {_word(user[key])}", indent=2)
    for key in ("groups", "roles"):
        yield Line(f"{key}: {_joined(user.get(key)) or 'none'}", indent=2)


def refresh_fields(report: Mapping[str, object]) -> dict[str, object]:
    """`admin refresh-catalogs`, for programs."""
    return {key: report[key] for key in ("refreshed", "failed", "errors", "outcomes")}


def refresh_blocks(report: Mapping[str, object]) -> Iterator[Block]:
    """`admin refresh-catalogs`, for people."""
    outcomes = report["outcomes"]
    listed = [one for one in outcomes if isinstance(one, Mapping)] if isinstance(outcomes, list) else []
    if not listed:
        yield Line("nothing to refresh: no session", Tone.DIM)
        return
    words = ("label", "experiment", "outcome")
    rows = [
        (*(str(one[key]) for key in words), _number(one["files_before"]), _number(one["files_after"])) for one in listed
    ]
    tones = [Tone.PLAIN if one["outcome"] == "refreshed" else Tone.BAD for one in listed]
    yield Table(("session", "id", "outcome", "files before", "after"), rows, tones=tones, right=frozenset({3, 4}))
    for one in listed:
        if one["error"]:
            yield Line(f"{one['experiment']}: {one['error']}", Tone.BAD)
    failed = sum(one["outcome"] != "refreshed" for one in listed)
    yield Line(f"refreshed: {len(listed) - failed}, failed: {failed}", Tone.BAD if failed else Tone.GOOD)


def groups_blocks(report: Mapping[str, object]) -> Iterator[Block]:
    """`admin user add` and `remove`, for people."""
    for key, word, tone in (
        ("added", "added to", Tone.GOOD),
        ("already", "was in", Tone.DIM),
        ("replaced", "no longer in (one group of a project takes the place of another)", Tone.WARN),
        ("removed", "removed from", Tone.GOOD),
        ("absent", "was not in", Tone.DIM),
    ):
        if words := _joined(report.get(key)):
            yield Line(f"{word}: {words}", tone)
    errors = report["errors"]
    for error in errors if isinstance(errors, list) else ():
        yield Line(f"failed: {error}", Tone.BAD)


def info_blocks(info: Mapping[str, object]) -> Iterator[Block]:
    """`admin version`, for people."""
    yield Line(f"XNAT {info.get('version') or 'of an unknown version'} at {info['url']}", Tone.HEAD)
    for key in ("buildDate", "buildNumber", "commit"):
        if info.get(key):
            yield Line(f"{key}: {info[key]}", indent=2)
    plugins = info["plugins"]
    if isinstance(plugins, Mapping):
        words = ", ".join(f"{name} {version}" for name, version in sorted(plugins.items()))
        yield Line(f"plug-ins: {words or 'none'}", indent=2)


def setting_lines(settings: Mapping[str, object]) -> Iterator[Block]:
    """`admin site-config get`, for people."""
    for key, value in sorted(settings.items()):
        yield Line(f"{key}: {_word(value)}")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else ""


def _number(value: object) -> str:
    return "" if value is None else str(value)
