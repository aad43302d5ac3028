"""What systemd is told: ready, alive, reloading, stopping.  Nothing where nobody asked for it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Service:
    """Sends datagrams to `NOTIFY_SOCKET`."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        self._address = found.get("NOTIFY_SOCKET", "")
        mine = found.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        digits = found.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(digits) / 1e6 if mine and digits.isdecimal() else 0.0

    def tell(self, **words: str) -> None:
        """Send `READY=1` and the like; one that cannot be sent is lost, which is systemd's to notice."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(f"{key}={value}" for key, value in words.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto(text.encode(), address)
        except OSError:
            return

    def reloading(self) -> None:
        """Say that the configuration is read anew."""
        self.tell(RELOADING="1", MONOTONIC_USEC=str(int(time.monotonic() * 1e6)))
