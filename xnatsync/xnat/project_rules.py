"""What of a project and its site would interfere with a delivery (import.md §2, §4.9; hierarchy.md §3.2, §4.3)."""

from __future__ import annotations

from xnatsync.core.errors import AccessDenied, NotThere, ReadFailed, ReplyStrange, RequestRefused
from xnatsync.core.inventory import OwnerKind
from xnatsync.ports.transfer import ProjectRules
from xnatsync.xnat import addresses, listing, names, replies, thing_addresses
from xnatsync.xnat.client import Client
from xnatsync.xnat.wire import Call

_SILENT = (AccessDenied, NotThere, RequestRefused, ReadFailed)  # not told to this account, or not known there


def rules(client: Client, project: str) -> ProjectRules:
    """Ask for what this account is told; NotThere when the project is absent or hidden."""
    reply = client.get(addresses.owner(OwnerKind.PROJECT, project))
    if replies.item_field(reply, "ID") != project:
        raise ReplyStrange(f"{reply.call.what}: the answer is another item's")
    may_edit = listing.may_edit(client, project)
    role = (replies.role(client.get(thing_addresses.roles()), project) or "").lower()
    return ProjectRules(
        prearchive_code=_text(client, thing_addresses.project_setting(project, "prearchive_code")),
        quarantine_code=_text(client, thing_addresses.project_setting(project, "quarantine_code")),
        site_script=_flag(client, thing_addresses.site_script()),
        project_script=_flag(client, thing_addresses.project_script(project)),
        may_read=True,
        may_create=may_edit is True or role in {"owners", "members", "owner", "member"},
        may_edit=may_edit is True,
        types=_types(client),
    )


def _text(client: Client, call: Call) -> str:
    try:
        return client.get(call).text.strip().strip('"')
    except _SILENT:
        return ""


def _flag(client: Client, call: Call) -> bool | None:
    said = _text(client, call).lower()
    return said == "true" if said in {"true", "false"} else None


def _types(client: Client) -> frozenset[str]:
    """Return the data types that the site knows; none where it does not say."""
    try:
        said = replies.parsed(client.get(thing_addresses.data_types()))
    except _SILENT:
        return frozenset()
    return frozenset(names.shown(name) for name in said) if isinstance(said, list) else frozenset()
