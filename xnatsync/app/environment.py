"""What the environment says of a server.  User, password and session belong to one address and go to no other.

That address is the one beside them (`XNAT_URL`); where there is none, they belong to the only server configured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from xnatsync.config.model import ServerConfig
from xnatsync.config.words import seconds
from xnatsync.core.errors import ConfigError

_FAMILIES = {
    "XNATSYNC_URL": ("XNATSYNC_USER", "XNATSYNC_PASSWORD", "XNATSYNC_TOKEN"),
    "XNAT_URL": ("XNAT_USER", "XNAT_PASS", "XNAT_TOKEN"),
}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
ORDINARY_MOST_S = 600.0  # an ordinary request is given up after that, however long an upload may take


@dataclass(frozen=True, slots=True)
class Environment:
    """One address with its credentials; `url` is "" where none is set.  The names are those of the variables."""

    url: str
    user: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    url_name: str = "XNAT_URL"

    @property
    def user_name(self) -> str:
        """Return the variable of the user."""
        return _FAMILIES[self.url_name][0]

    @property
    def password_name(self) -> str:
        """Return the variable of the password."""
        return _FAMILIES[self.url_name][1]

    def belongs_to(self, server: ServerConfig, *, alone: bool) -> bool:
        """Return whether credentials of the environment are for this server; `alone`: it is the only one configured."""
        return server.base_url == self.url if self.url else alone

    @property
    def has_credentials(self) -> bool:
        """Return whether there is anything that could be sent."""
        return bool(self.password or self.token)


def environment() -> Environment:
    """Read the environment: our own variables when their address is set, else those of other XNAT programs."""
    for url_name, (user, password, token) in _FAMILIES.items():
        if url_name == "XNAT_URL" or os.environ.get(url_name):
            url = os.environ.get(url_name, "").rstrip("/")
            named = [os.environ.get(name, "") for name in (user, password, token)]
            return Environment(url, named[0], named[1], named[2], url_name)
    raise AssertionError


def named_profile() -> str | None:
    """Return the server that `XNAT_PROFILE` names."""
    return os.environ.get("XNAT_PROFILE") or None


def stronger() -> str | None:
    """Return the variable that wins over the default server of the configuration; None where none is set."""
    around = environment()
    return "XNAT_PROFILE" if named_profile() else around.url_name if around.url else None


def adjusted(server: ServerConfig, *, is_bound: bool) -> ServerConfig:
    """Return a server with `XNAT_TIMEOUT` and `XNAT_VERIFY_SSL`: only the server that is meant is less verified."""
    changes: dict[str, object] = {}
    if text := os.environ.get("XNAT_TIMEOUT", "").strip():
        wait_s = wait("XNAT_TIMEOUT", text)
        changes |= {"long_timeout": wait_s, "timeout": min(wait_s, ORDINARY_MOST_S)}
    verified = _verified()
    if verified is True:
        changes["tls"] = "verified"
    elif verified is False and is_bound:
        changes["tls"] = "insecure"
    return server.model_copy(update=changes) if changes else server


def _verified() -> bool | None:
    text = os.environ.get("XNAT_VERIFY_SSL", "").strip()
    if not text:
        return None
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ConfigError("XNAT_VERIFY_SSL is neither true nor false", advice="Write XNAT_VERIFY_SSL=true, or false.")


def wait(name: str, text: str) -> float:
    """Read a number of seconds, or a duration such as 10m, that was given as `name`."""
    try:
        found = float(text) if text.replace(".", "", 1).isdigit() else seconds(text)
    except ValueError:
        found = 0.0
    if not 1 <= found <= 31 * 86400:
        raise ConfigError(f"{name} is no time to wait", advice=f"Write seconds, from 1 on, or a duration: {name}=10m.")
    return found
