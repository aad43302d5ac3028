"""The servers of a configuration file, written by commands."""

from __future__ import annotations

from pathlib import Path

from xnatsync.app.environment import environment
from xnatsync.config.edit import set_server
from xnatsync.config.load import load
from xnatsync.core.errors import ConfigError, Usage


def write_profile(path: Path, name: str, *, url: str | None, user: str | None, project: str | None) -> bool:
    """Write a server into the configuration file, or change what is given of one; True when it is new.

    A new one takes address and account from the environment when they are not given.
    """
    try:
        is_known = name in load(path).servers if path.exists() else False
    except ConfigError as error:
        refused = ConfigError(f"{error}\nnothing was changed", advice=error.remedy)
        refused.lines = (*error.lines, "nothing was changed")
        raise refused from error
    if not is_known:
        around = environment()
        user = user or (around.user if url is None else None) or None
        url = url or around.url
        if not url:
            raise Usage(f"server {name} is new, and has no address", advice="Give --url, or set XNAT_URL.")
    given = {"url": url, "user": user, "project": project}
    values = {key: value for key, value in given.items() if value is not None}
    if not values:
        raise Usage("there is nothing to change", advice="Give --url, --user or --project.")
    return set_server(path, name, values)
