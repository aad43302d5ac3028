"""xnatsync keeps a local tree and XNAT servers in agreement, and proves it with a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnatsync.services.client import XNATClient

__version__ = "0.1.0"
__all__ = ["XNATClient", "__version__"]


def __getattr__(name: str) -> object:
    """Import the public client when it is first asked for: no command loads it that does not need it."""
    if name == "XNATClient":
        from xnatsync.services.client import XNATClient

        return XNATClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
