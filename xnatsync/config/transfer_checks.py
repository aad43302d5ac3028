"""What of a transfer only shows when it is seen together with the servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xnatsync.config.lines import Key
from xnatsync.config.model import ServerConfig, TransferConfig
from xnatsync.config.problems import Problem, problem_at, suggestion
from xnatsync.config.transfers import idle


def transfer_crossed(
    text: str, name: str, route: TransferConfig, servers: Mapping[str, ServerConfig]
) -> Iterator[Problem]:
    """Check a transfer against the servers that it names."""
    above: Key = ("routes", name)
    if route.to_folder is None and route.to_server not in servers:
        hint = suggestion(route.to_server, sorted(servers)) if servers else ": write a [servers.NAME]"
        yield problem_at(text, (*above, "to_server"), f"no server is called {route.to_server}{hint}")
    here, there = servers.get(route.server), servers.get(route.to_server)
    if here and there and (here.base_url, route.project) == (there.base_url, route.to_project):
        yield problem_at(text, (*above, "to_project"), "is the source itself: both servers have one address")
    for key, words in idle(route.filters, (*above, "filters")):
        yield problem_at(text, key, words, warning=True)
