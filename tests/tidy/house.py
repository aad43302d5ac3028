"""The house rules as functions over source text, so that each can be shown a planted violation.

Every check takes a module's dotted name and its text and gives its findings as sentences; none is a finding.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "xnatsync"

LINES_MAX, FUNCTION_MAX = 400, 60
CATALOGUES = {"xnatsync.core.errors"}  # one long list of things of a kind is still one idea
DOCUMENTED_NAMES = {"xnatsync.services.base"}  # users' scripts import it by this name
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "tools", "shared"}

# Who may import whom (docs/architecture.md), the package itself always included.
LAYERS: dict[str, set[str]] = {
    "core": set(),
    "ports": {"core"},
    "dicom": {"core"},
    "disk": {"core", "ports", "dicom"},
    "ledger": {"core", "disk"},
    "xnat": {"core", "ports"},
    "fetch": {"core", "ports"},
    "config": {"core", "dicom"},
    "dicomnet": {"core"},
    "engine": {"core", "ports", "ledger"},
    "routes": {"core", "ports", "dicom", "ledger", "xnat", "fetch", "engine"},
    "verify": {"core", "ports", "dicom", "disk", "ledger", "xnat", "fetch", "config", "engine", "routes"},
    "report": {"core", "ledger", "engine"},
    "app": {
        *{"core", "ports", "dicom", "disk", "ledger", "xnat", "fetch", "config"},
        *{"engine", "routes", "verify", "report", "sandbox", "dicomnet"},
    },
    "services": {"dicomnet", "core", "ports", "dicom", "disk", "xnat", "fetch", "config", "engine", "report", "app"},
    "views": {
        "dicomnet",
        "core",
        "dicom",
        "ledger",
        "config",
        "engine",
        "routes",
        "verify",
        "report",
        "app",
        "services",
    },
    "agent": {"core", "ports", "disk", "ledger", "config", "engine", "routes", "app"},
    "cli": {
        *{"core", "dicom", "dicomnet", "ledger", "config", "engine", "routes", "report"},
        *{"verify", "app", "services", "views", "sandbox", "agent"},
    },
    "sandbox": set(),  # it judges the product, so it shares nothing with it
    "__main__": {"cli"},
    "": {"services"},  # `from xnatsync import XNATClient`, loaded when it is asked for
}
PURE = {
    *(
        "__future__",
        "bisect",
        "collections",
        "dataclasses",
        "datetime",
        "enum",
        "fnmatch",
        "hashlib",
        "math",
        "pathlib",
        "re",
    ),
    *("contextlib", "json", "shlex"),
    *("types", "typing", "unicodedata"),
}

SUPERVISORS = {  # the only places where any exception whatever is caught and not raised again
    "xnatsync.engine.observers": {"tell"},
    "xnatsync.engine.dispatcher": {"_step"},
    "xnatsync.cli.program": {"_run"},
    "xnatsync.agent.mail": {"_serve"},  # answered as our mistake
    "xnatsync.agent.notifier": {"_step"},  # a library may raise anything
    "xnatsync.fetch.threads": {"_begin"},
    "xnatsync.fetch.read_ahead": {"_read"},  # passed on to the thread that waits for it
    "xnatsync.fetch.ahead": {"_make"},  # likewise
    "xnatsync.app.dask_worker": {"_told"},  # answered as our mistake: Dask would log what it was given
    "xnatsync.app.dask_cluster": {"_result"},  # whatever Dask makes of another machine's answer: there is none
    # The stand-in server answers 500 or writes a log entry where XNAT's own catch-alls do.
    "xnatsync.sandbox.http.import_routes": None,
    "xnatsync.sandbox.http.multipart": None,
    "xnatsync.sandbox.http.server": None,
    "xnatsync.sandbox.model.importer": None,
    "xnatsync.sandbox.model.operations": None,
    "xnatsync.sandbox.model.rebuilder": None,
}
THREADS = re.compile(
    r"xnatsync\.(disk\.digests|dicomnet\.sending|engine\.dispatcher|routes\.drop\.(effects|gradual)|fetch\.(threads|read_ahead|ahead)|agent\.(life|jobs|looks|watching|agent|notifier|heartbeat)|app\..+|verify\..+|sandbox\..+|cli\.live)"
)
# `api` takes addresses, and shows what one looks like; scenery plays a person at the sandbox
URLS = re.compile(r"xnatsync\.(xnat|sandbox)\..+|xnatsync\.app\.demo_scene|xnatsync\.cli\.(api|helping)")
ADDRESS = re.compile(
    r"(^|[^\w.])/?(data|xapi|REST)/(projects|subjects|experiments|services|prearchive|archive|user|config|JSESSION|auth)\b"
)
SQL = re.compile(
    r"(?is)\s*(select\s.+\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s|vacuum\b|pragma\s+\w"
    r"|create\s+(unique\s+)?(table|index|trigger)\s|begin\s+(immediate|exclusive|deferred)\b)"
)


def modules() -> Iterator[tuple[str, str]]:
    """The product's modules: dotted name and text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path.read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Everything in a module, as `ast.walk` yields it; of the module that was asked for last it is kept."""
    return tuple(ast.walk(ast.parse(text)))


def package_of(name: str) -> str:
    """The first part below `xnatsync`: a package, or one of the modules beside the packages."""
    return name.split(".")[1] if "." in name else ""


def _kind_of(name: str) -> str:
    """The kind of route that a module belongs to: `drop`, `tree`; "" for what is of all kinds."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "routes" else ""


# --- layers ------------------------------------------------------------------------------------------------------


def imported(text: str) -> Iterator[str]:
    """Every module that is imported, wherever in the text."""
    for node in nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are banned"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_findings(name: str, text: str) -> list[str]:
    """Imports against the direction of the layers."""
    own = package_of(name)
    found = []
    for target in imported(text):
        if target.split(".")[0] != "xnatsync" or target in {"xnatsync", "xnatsync.__version__"}:
            continue
        other = package_of(target)
        if other != own and other not in LAYERS.get(own, set()):
            found.append(f"{name} imports {target}: {own or 'the package'} must not know {other}")
        if own == other == "routes" and (kinds := {_kind_of(name), _kind_of(target)} - {""}) and len(kinds) > 1:
            found.append(f"{name} imports {target}: the kinds of routes must not know each other")
    return found


def purity_findings(name: str, text: str) -> list[str]:
    """Imports of the pure core that could reach the outside world."""
    if package_of(name) != "core":
        return []
    found = []
    for target in imported(text):
        top = target.split(".")[0]
        if top == "xnatsync":
            continue
        if top not in PURE or (top == "pathlib" and target != "pathlib.PurePosixPath"):
            found.append(f"{name} imports {target}: the core does no I/O")
    return found


# --- shape -------------------------------------------------------------------------------------------------------


def shape_findings(name: str, text: str) -> list[str]:
    """Modules that are no noun of the domain or too long; functions that do not fit a screen."""
    found = []
    if EMPTY_NAMES & set(name.split(".")) and name not in DOCUMENTED_NAMES:
        found.append(f"{name} is named after nothing")
    if text.count("\n") > LINES_MAX and name not in CATALOGUES:
        found.append(f"{name} has {text.count(chr(10))} lines; {LINES_MAX} are allowed")
    for node in nodes(text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_MAX:
                found.append(f"{name}.{node.name} has {length} lines; {FUNCTION_MAX} are allowed")
    return found


def docstring_findings(name: str, text: str) -> list[str]:
    """Public names that do not say what they are or promise."""
    tree = ast.parse(text)
    found = [] if ast.get_docstring(tree) else [f"{name} has no docstring"]

    def visit(node: ast.Module | ast.ClassDef, path: str) -> None:
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_"):
                continue
            if not ast.get_docstring(child):
                found.append(f"{path}.{child.name} has no docstring")
            if isinstance(child, ast.ClassDef):
                visit(child, f"{path}.{child.name}")

    visit(tree, name)
    return found


# --- habits ------------------------------------------------------------------------------------------------------


def except_findings(name: str, text: str) -> list[str]:
    """Handlers that swallow any exception, outside the named supervisors.  One that ends by raising again is none."""
    found = []
    allowed = SUPERVISORS.get(name, set())
    for function, handler in _handlers(nodes(text)[0], ""):
        broad = handler.type is None or any(
            isinstance(part, ast.Name) and part.id in {"Exception", "BaseException"} for part in ast.walk(handler.type)
        )
        last = handler.body[-1]
        swallows = broad and not (isinstance(last, ast.Raise) and last.exc is None)
        if swallows and allowed is not None and function not in allowed:
            found.append(f"{name}.{function} line {handler.lineno} catches everything")
    return found


def _handlers(node: ast.AST, function: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler):
            yield function, child
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from _handlers(child, inner)


def texts(text: str) -> Iterator[tuple[int, str]]:
    """Every string of a module that is not a docstring, with its line; of an f-string, its fixed parts."""
    documents = {
        id(node.body[0].value)
        for node in nodes(text)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes(text):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def sql_findings(name: str, text: str) -> list[str]:
    """SQL outside the ledger."""
    if package_of(name) == "ledger":
        return []
    return [f"{name} line {line} holds SQL" for line, value in texts(text) if SQL.match(value)]


def diary_findings(name: str, text: str) -> list[str]:
    """Lines of the diary that are not written by the one module that also tells observers of them."""
    if name == "xnatsync.engine.diary":
        return []
    own = {"self"} if package_of(name) == "ledger" else set()
    return [
        f"{name} line {node.lineno} writes an event"
        for node in nodes(text)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "event"
        and ast.unparse(node.func.value).split(".")[-1].strip("_") in {"ledger", *own}
    ]


ANNOUNCING = {"open_attempt", "close_attempt", "begin_deed", "end_deed", "end_cut_deeds"}
ACTING = {
    "import_zip",
    "build",
    "commit",
    "put_file",
    "put_resource_file",
    "put_resource_files",
    "put_archive",
    "delete_prearchive",
}  # what changes something on a server
ACTORS = re.compile(
    r"xnatsync\.(xnat|sandbox|ledger|services)(\..+)?|xnatsync\.app\.dismiss|xnatsync\.routes\.(drop\.(effects|attachments)|tree\.push_stores|transfer\.(carry|importing))"
)


def attempt_findings(name: str, text: str) -> list[str]:
    """Attempts and deeds that are opened or closed outside the one module that announces and records."""
    if name == "xnatsync.engine.attempts" or package_of(name) == "ledger":
        return []
    return [f"{name} line {line} calls {called}" for line, called in _methods(text) if called in ANNOUNCING]


def effect_findings(name: str, text: str) -> list[str]:
    """Calls that change something on a server outside the modules that have an effect: no proof, look or plan has."""
    if ACTORS.fullmatch(name):
        return []
    return [f"{name} line {line} calls {called}" for line, called in _methods(text) if called in ACTING]


def _methods(text: str) -> Iterator[tuple[int, str]]:
    """Every method that is called or handed on, with its line."""
    return ((node.lineno, node.attr) for node in nodes(text) if isinstance(node, ast.Attribute))


_PHASES = {"seen", "settled", "verified", "done", "left", "dismissed", "planned", "staged", "sent", "landed", "closed"}


_OF_A_KIND = {f"{kind}{what}" for kind in ("Drop", "Mirror", "Push") for what in ("Route", "Config")}


def kind_findings(name: str, text: str) -> list[str]:
    """Tests of the class of a route, or of its configuration, outside the kinds themselves: say it in the registry."""
    if package_of(name) in {"routes", "config"}:
        return []
    found = []
    for node in nodes(text):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"isinstance", "issubclass"}
            and len(node.args) == 2
        ):
            asked = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            found += [f"{name} line {node.lineno} asks for a {one}" for one in sorted(asked & _OF_A_KIND)]
        elif isinstance(node, ast.MatchClass) and ast.unparse(node.cls) in _OF_A_KIND:
            found.append(f"{name} line {node.lineno} asks for a {ast.unparse(node.cls)}")
    return found


def phase_findings(name: str, text: str) -> list[str]:
    """Phases of items and units that are compared with literals: a misspelt one is never equal, and nobody sees it."""
    found = []
    for node in nodes(text):
        sides: list[ast.AST] = []
        if isinstance(node, ast.Compare) and _is_phase(node.left):
            sides = [*node.comparators]
        elif isinstance(node, ast.Match) and _is_phase(node.subject):
            sides = [case.pattern for case in node.cases]
        literals = [part for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)]
        found += [
            f"{name} line {one.lineno} compares a phase with a literal" for one in literals if one.value in _PHASES
        ]
    return found


def _is_phase(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "phase"


def time_findings(name: str, text: str) -> list[str]:
    """Times that are subtracted outside the one module that reads them: say `seconds_between`."""
    if name == "xnatsync.core.moment" or package_of(name) in {"sandbox", "xnat"}:  # dates of HTTP are no text of ours
        return []
    return [f"{name} line {line} subtracts times" for line, called in _methods(text) if called == "total_seconds"]


def url_findings(name: str, text: str) -> list[str]:
    """XNAT's addresses outside the client and the sandbox."""
    if URLS.fullmatch(name):
        return []
    return [f"{name} line {line} holds a URL" for line, value in texts(text) if ADDRESS.search(value)]


NOUNS = ("admin", "container", "pipeline", "prearchive", "project", "resource", "scan", "session", "subject")


def noun_findings(name: str, text: str) -> list[str]:
    """The commands for what a server holds open no connection of their own: the services are the one way there."""
    if not name.startswith("xnatsync.cli.") or not name.rpartition(".")[2].startswith(NOUNS):
        return []
    found = [node.module or "" for node in nodes(text) if isinstance(node, ast.ImportFrom)]
    ways = {"xnatsync.app.profile", "xnatsync.app.connecting"}
    return [f"{name} opens a connection by {way}, and not by a service" for way in found if way in ways]


def print_findings(name: str, text: str) -> list[str]:
    """Printing, and writing to the standard streams, outside the one module that does it."""
    if name == "xnatsync.cli.render":
        return []
    found = []
    for node in nodes(text):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "print" or re.search(r"(stdout|stderr)(\.buffer)?\.write(lines)?$", called):
                found.append(f"{name} line {node.lineno} prints")
    return found


def thread_findings(name: str, text: str) -> list[str]:
    """Threads and processes that are started outside the places that stop them."""
    if THREADS.fullmatch(name):
        return []
    starters = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "Popen"}
    return [
        f"{name} line {node.lineno} starts a thread or process"
        for node in nodes(text)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in starters
    ]


# --- the whole tree ----------------------------------------------------------------------------------------------

MACHINE = re.compile(
    r"(?<![\w.:])(/(?:work|root|Users|workspace)/[\w.-]+|/home/(?!a/|you/|xnat/)[\w.-]+/|[A-Z]:\\{1,2}Users\b)"
)
SKIPPED = {".git", ".venv", "__pycache__", "build", "dist"}


def tree_texts() -> Iterator[tuple[str, str]]:
    """Every text file of the checkout, apart from what tools leave there."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        left_by_tools = any(part in SKIPPED or part.endswith((".egg-info", "_cache")) for part in parts)
        if left_by_tools or ".hypothesis" in parts or not path.is_file():
            continue
        try:
            yield "/".join(parts), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def machine_findings(name: str, text: str) -> list[str]:
    """Paths of somebody's own machine."""
    return [f"{name} names {found}" for found in MACHINE.findall(text)]


def link_findings(name: str, text: str, documents: Mapping[str, str], exists: frozenset[str]) -> list[str]:
    """Links of a page that lead nowhere: to a missing file, or to a heading that no page has."""
    found = []
    folder = Path(name).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = name if not path else _normal(folder / path)
        if goal not in exists:
            found.append(f"{name} links to {target}, which is not there")
        elif anchor and anchor not in {_anchor(title) for title in _headings(documents.get(goal, ""))}:
            found.append(f"{name} links to {target}, and there is no such heading")
    return found


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.as_posix().split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text)


def _headings(text: str) -> list[str]:
    return re.findall(r"(?m)^#+ +(.+)$", re.sub(r"(?ms)^```.*?^```", "", text))


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# --- the tree of errors ------------------------------------------------------------------------------------------

DRAWN = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: \.+ (?P<code>XS-[A-Z-]+) +\S.*)?$")


def drawn_tree(document: str) -> dict[str, tuple[str, str]]:
    """Reads the tree that a docstring draws: class → (its parent, its code or "")."""
    tree: dict[str, tuple[str, str]] = {}
    above: list[tuple[int, str]] = []
    for line in document.splitlines():
        shape = DRAWN.match(line)
        if shape is None:
            continue
        depth = len(shape["indent"])
        while above and above[-1][0] >= depth:
            above.pop()
        tree[shape["name"]] = (above[-1][1] if above else "", shape["code"] or "")
        above.append((depth, shape["name"]))
    return tree
