"""What only shows when the parts are seen together: names that meet nothing, folders that meet each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xnatsync.config.lines import Key
from xnatsync.config.model import (
    DropConfig,
    LedgerConfig,
    MirrorConfig,
    PushConfig,
    RouteConfig,
    ServerConfig,
    TransferConfig,
)
from xnatsync.config.problems import Problem, problem_at, suggestion
from xnatsync.config.rules import RuleConfig
from xnatsync.config.secrets import variable
from xnatsync.config.transfer_checks import transfer_crossed
from xnatsync.core.labels import Template
from xnatsync.core.modality import is_known

Tree = MirrorConfig | PushConfig


def crossed(
    text: str, ledger: LedgerConfig, servers: Mapping[str, ServerConfig], routes: Mapping[str, RouteConfig]
) -> Iterator[Problem]:
    """Check those parts against each other that are right in themselves."""
    for name, server in servers.items():
        yield from _server(text, name, server)
    yield from _variables(text, servers)
    drops = {name: route for name, route in routes.items() if isinstance(route, DropConfig)}
    trees = {name: route for name, route in routes.items() if isinstance(route, MirrorConfig | PushConfig)}
    for name, route in drops.items():
        yield from _fields(text, name, route)
        yield from _folder(text, name, route, ledger)
        for number, also in enumerate(route.also):
            if also.server not in servers:
                hint = suggestion(also.server, sorted(servers))
                key: Key = ("routes", name, "also", number, "server")
                yield problem_at(text, key, f"no server is called {also.server}{hint}")
        for server_name, server in servers.items():
            yield from _exposed(text, name, route, server_name, server)
        for other, rival in drops.items():
            if other != name:
                yield from _rivals(text, name, route, other, rival)
    for name, selecting in {**drops, **trees}.items():
        yield from _modalities(text, name, selecting)
    for name, transfer in routes.items():
        if isinstance(transfer, TransferConfig):
            yield from transfer_crossed(text, name, transfer, servers)
    for name, tree in trees.items():
        yield from _tree(text, name, tree, ledger, servers)
        for other, drop in drops.items():
            yield from _dropped(text, name, tree, other, drop)
        for other, neighbour in trees.items():
            if other != name:
                yield from _neighbours(text, name, tree, other, neighbour)


def _server(text: str, name: str, server: ServerConfig) -> Iterator[Problem]:
    key: Key = ("servers", name)
    if server.url.startswith("http://") and not server.is_local:
        words = "http:// sends the password and the data in the clear: use https://"
        yield problem_at(text, (*key, "url"), words, warning=True)
    if server.tls == "insecure":
        yield problem_at(text, (*key, "tls"), "the server's certificate is not verified", warning=True)
        if server.ca_file is not None:
            words = 'is of no use with tls = "insecure": leave that out'
            yield problem_at(text, (*key, "ca_file"), words, warning=True)


def _variables(text: str, names: Iterable[str]) -> Iterator[Problem]:
    """Two servers must not read one password."""
    first: dict[str, str] = {}
    for name in sorted(names):
        other = first.setdefault(variable(name, "PASSWORD"), name)
        if other != name:
            words = f"reads the same variable {variable(name, 'PASSWORD')} as server {other}: rename one"
            yield problem_at(text, ("servers", name), words)


def _fields(text: str, name: str, route: DropConfig) -> Iterator[Problem]:
    """A keyword that DICOM does not have would never match anything."""
    above: Key = ("routes", name)
    for key, template in (("subject", route.subject), ("session", route.session)):
        yield from _keywords(text, (*above, key), Template.parse(template).keywords)
    for number, rule in enumerate(route.rules):
        yield from _rule(text, (*above, "rules", number), rule)


def _rule(text: str, at: Key, rule: RuleConfig) -> Iterator[Problem]:
    """A template may name what its rule finds, and nothing else."""
    for keyword in rule.when:
        yield from _keywords(text, (*at, "when", keyword), frozenset({keyword}))
    templates: list[tuple[Key, str | None]] = [
        (("project",), rule.project),
        (("subject",), rule.subject),
        (("session",), rule.session),
    ]
    if rule.table is not None:
        templates += [(("table", "match", name), part) for name, part in rule.table.match.items()]
    for key, part in templates:
        if part is None or "{" not in part:
            continue
        template = Template.parse(part, given=True)
        yield from _keywords(text, (*at, *key), template.keywords)
        for name in sorted(template.given - rule.groups):
            if not name.startswith("table."):
                yield problem_at(text, (*at, *key), f"no regular expression of this rule has a group {name}")
            elif rule.table is None or key[0] == "table":
                yield problem_at(text, (*at, *key), f"there is no table here to take {name} from")


def _modalities(text: str, name: str, route: DropConfig | Tree) -> Iterator[Problem]:
    """Warn of a word that matches no modality: a site may have its own, and a slip takes nothing at all."""
    for word in route.modalities:
        if not is_known(word.removeprefix("!")):
            words = f"{word} is no modality that DICOM or XNAT knows (MR, CT, PT, ...): it may select nothing"
            yield problem_at(text, ("routes", name, "modalities"), words, warning=True)


def _keywords(text: str, key: Key, keywords: frozenset[str]) -> Iterator[Problem]:
    from xnatsync.dicom.fields import field_named

    for keyword in sorted(keywords):
        try:
            field_named(keyword)
        except ValueError:
            yield problem_at(text, key, f"{keyword} is not a DICOM keyword{_meant(keyword)}")


def _meant(keyword: str) -> str:
    import difflib

    from pydicom.datadict import keyword_dict

    close = difflib.get_close_matches(keyword, keyword_dict, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


# --- folders -----------------------------------------------------------------------------------------------------


def _folder(text: str, name: str, route: DropConfig, ledger: LedgerConfig) -> Iterator[Problem]:
    key: Key = ("routes", name, "folder")
    folder = _real(route.folder)
    if _holds(folder, _real(ledger.path)):
        yield problem_at(text, key, f"the ledger {ledger.path} is inside it and would be taken for something dropped")
    done = _real(route.done_folder)
    if _holds(folder, done) and done.parent != folder:
        words = f"{route.done_folder} is deeper in the drop folder than it looks: it would be sent again"
        yield problem_at(text, ("routes", name, "done"), words)
    if folder == folder.parent or _holds(folder, _real(_home())):
        yield problem_at(text, key, "holds the home folder of this account: everything in it would be sent away")


def _exposed(text: str, name: str, route: DropConfig, server_name: str, server: ServerConfig) -> Iterator[Problem]:
    """A drop folder is sent away, whatever lies in it."""
    if server.password_file is not None and _holds(_real(route.folder), _real(server.password_file)):
        words = f"is inside the drop folder of route {name}: the password would be sent away"
        yield problem_at(text, ("servers", server_name, "password_file"), words)


def _rivals(text: str, name: str, route: DropConfig, other: str, rival: DropConfig) -> Iterator[Problem]:
    above: Key = ("routes", name)
    if _holds(_real(rival.folder), _real(route.folder)):
        words = f"is, or is inside, the folder of route {other}: both would take its items"
        yield problem_at(text, (*above, "folder"), words)
    elif _holds(_real(rival.folder), _real(route.done_folder)):
        words = f"{route.done_folder} is inside the folder of route {other}, which would send it again"
        yield problem_at(text, (*above, "done"), words)


# --- trees -------------------------------------------------------------------------------------------------------


def _tree(
    text: str, name: str, route: Tree, ledger: LedgerConfig, servers: Mapping[str, ServerConfig]
) -> Iterator[Problem]:
    key: Key = ("routes", name, "folder")
    folder = _real(route.folder)
    if _holds(folder, _real(ledger.path)):
        yield problem_at(text, key, f"the ledger {ledger.path} is inside it: keep it outside of the tree")
    if folder == folder.parent or _holds(folder, _real(_home())):
        yield problem_at(text, key, "holds the home folder of this account: name a folder of its own")
    for server_name, server in servers.items():
        if server.password_file is not None and _holds(folder, _real(server.password_file)):
            words = f"is inside the tree of route {name}, among what others read or what is sent"
            yield problem_at(text, ("servers", server_name, "password_file"), words)


def _dropped(text: str, name: str, tree: Tree, other: str, drop: DropConfig) -> Iterator[Problem]:
    """What a mirror brings must not be taken for something dropped, nor what is filed for a part of the tree."""
    key: Key = ("routes", name, "folder")
    folder, incoming, done = _real(tree.folder), _real(drop.folder), _real(drop.done_folder)
    if _holds(incoming, folder) or _holds(folder, incoming):
        words = f"and the drop folder of route {other} are inside each other: what is in the tree would be sent away"
        yield problem_at(text, key, words)
    elif _holds(done, folder) or _holds(folder, done):
        words = f"and {drop.done_folder}, where route {other} files what it delivered, are inside each other"
        yield problem_at(text, key, words)


def _neighbours(text: str, name: str, tree: Tree, other: str, neighbour: Tree) -> Iterator[Problem]:
    """A push may share the tree of a mirror, if both mean the same by it."""
    key: Key = ("routes", name, "folder")
    mine, theirs = _real(tree.folder), _real(neighbour.folder)
    if mine != theirs:
        if _holds(theirs, mine):
            words = f"is inside the folder of route {other}: each would take the other's files for its own"
            yield problem_at(text, key, words)
    elif tree.kind == neighbour.kind and (tree.kind == "mirror" or _aim(tree) == _aim(neighbour)):
        yield problem_at(text, key, f"is that of route {other} too: two of a kind would undo each other's work")
    elif tree.kind == "push" and neighbour.kind == "mirror":
        if tree.server != neighbour.server or not set(tree.all_projects) <= set(neighbour.all_projects):
            words = (
                f"is the tree of route {other}, which mirrors another project: there a push sends back, nowhere else"
            )
            yield problem_at(text, key, words)
        elif tree.tree_layout.templates != neighbour.tree_layout.templates:
            words = f"must be that of route {other}, which keeps the same tree"
            yield problem_at(text, ("routes", name, "layout"), words)


def _aim(route: Tree) -> tuple[str, tuple[str, ...]]:
    return route.server, route.all_projects


def _home() -> Path:
    """The home folder; a name that nothing lies below where an account has none."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` fails without one


def _real(path: Path) -> Path:
    """Follow links as far as the path exists, so that two spellings of one folder are seen to be one."""
    return Path(os.path.realpath(path))


def _holds(folder: Path, inner: Path) -> bool:
    return inner.is_relative_to(folder)
