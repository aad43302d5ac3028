"""The uploads that the ledger knows: how each goes on, and their routes for commands that look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from xnatsync.config.model import ServerConfig
from xnatsync.config.uploads import known_upload
from xnatsync.core.errors import XnatsyncError
from xnatsync.core.given import given_route, upload_words
from xnatsync.core.pasting import command_line
from xnatsync.ledger.rows import ItemRow, UnitRow

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.model import Config
    from xnatsync.config.secrets import Credentials
    from xnatsync.ledger.ledger import Ledger


def is_upload(item: ItemRow) -> bool:
    """Return whether a command brought an item, and no configured route."""
    return given_route(item.route) is not None


def again_words(item: ItemRow, units: Iterable[UnitRow]) -> tuple[str, ...]:
    """Return the words of the command that goes on with an upload; none where the ledger does not know them all."""
    unit = next((one for one in units if one.session), None)
    return upload_words(item.route, item.path, unit.subject, unit.session) if unit is not None else ()


def goes_on(item: ItemRow, units: Iterable[UnitRow]) -> str:
    """Say what goes on with an upload."""
    words = again_words(item, units)
    return f"`{command_line(*words)}` goes on with it" if words else "the same upload once more goes on with it"


def with_uploads(config: Config, ledger: Ledger) -> tuple[Config, dict[str, Credentials]]:
    """Return a configuration with the routes of known uploads too, and the login of a server without a name there."""
    found = {name: known_upload(route) for name in ledger.route_kinds() if (route := given_route(name)) is not None}
    named = {route.server for route in found.values()} - config.servers.keys()
    logins = {login.url: login for login in _around() if login.url in named}
    servers = {url: ServerConfig(url=url) for url in logins}
    routes = {**config.routes, **found}
    return config.model_copy(update={"routes": routes, "servers": {**config.servers, **servers}}), logins


def _around() -> list[Credentials]:
    """Return the login that the environment has, if it has one."""
    from xnatsync.app.accounts import ENVIRONMENT
    from xnatsync.app.profile import choose

    try:
        chosen = choose(None, None)
    except XnatsyncError:
        return []
    return [chosen.login] if chosen.name == ENVIRONMENT else []


def knowing_uploads(app: App) -> App:
    """Return an application that knows the routes of uploads too."""
    from xnatsync.app.status import reading

    with reading(app.config) as ledger:
        if ledger is None:
            return app
        config, logins = with_uploads(app.config, ledger)
    app.config, app.logins = config, {**logins, **app.logins}
    return app
