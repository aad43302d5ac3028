"""Lines of a log for the journal of systemd, in its own protocol, so that it knows how grave each of them is."""

from __future__ import annotations

import json
import socket
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
PRIORITIES = {"error": 3, "warning": 4, "info": 6}


class Journal:
    """Sends each line as a datagram; OSError where there is no journal.  A line that cannot be sent is lost."""

    def __init__(self, place: Path = SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(1.0)
            self._socket.connect(str(place))
        except OSError:
            self._socket.close()
            raise

    def write(self, text: str) -> int:
        """Send lines; a line has no line break inside it, so that it is one field."""
        for line in text.splitlines():
            told = json.loads(line)
            fields = {
                "MESSAGE": line, "PRIORITY": PRIORITIES.get(told["level"], 6), "SYSLOG_IDENTIFIER": "xnatsync",
                "XNATSYNC_CODE": told["code"],
            }  # fmt: skip
            data = "".join(f"{key}={value}\n" for key, value in fields.items())
            try:
                self._socket.send(data.encode("utf-8", "backslashreplace"))
            except OSError:
                continue
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()
