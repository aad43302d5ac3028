"""The client of the server that a command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnatsync.cli.shell import Shell

if TYPE_CHECKING:
    from xnatsync.services.client import XNATClient


def serving(shell: Shell, profile: str | None) -> XNATClient:
    """Return a client of the chosen server, to be used with `with`, which logs out at its end."""
    from xnatsync.app.profile import choose
    from xnatsync.services.client import XNATClient

    return XNATClient.of(choose(shell.config_file, profile))
