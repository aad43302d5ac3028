"""The configuration: every problem at once, at its line, with what was meant; and everything visible in `show`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from xnatsync.config.load import ConfigInvalid, Problem, check, default_path, load
from xnatsync.config.model import (
    Config,
    DefaultsConfig,
    DropConfig,
    LedgerConfig,
    Part,
    RuleConfig,
    ServerConfig,
    TableConfig,
)
from xnatsync.config.selected import NOT_OF_DROPS, SelectionConfig
from xnatsync.config.show import as_dict, as_toml, route_digest
from xnatsync.core.errors import ConfigError, Exit
from xnatsync.core.selection import KEYS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config_examples").glob("*.toml"))

SERVER = '[servers.prod]\nurl = "https://xnat.example.org"\nuser = "agent"\n'


def route(*lines: str, name: str = "scanner", folder: str = "/data/in", project: str | None = "NEURO") -> str:
    """A route that is right, with further lines."""
    head = f'[routes.{name}]\nkind = "drop"\nfolder = "{folder}"\nserver = "prod"\n'
    return head + (f'project = "{project}"\n' if project else "") + "".join(f"{line}\n" for line in lines)


def written(folder: Path, text: str) -> Path:
    path = folder / "xnatsync.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[Problem]:
    """Loads a text that must be refused."""
    with pytest.raises(ConfigInvalid) as caught:
        load(written(folder, text))
    return list(caught.value.problems)


def only(folder: Path, text: str) -> Problem:
    (problem,) = problems(folder, text)
    return problem


# --- what is right -----------------------------------------------------------------------------------------------


def test_the_least_is_enough_and_every_default_is_the_documented_one(tmp_path: Path) -> None:
    """Four lines of a route; all else has a default."""
    config = load(written(tmp_path, SERVER + route()))

    scanner = config.routes["scanner"]
    assert scanner.model_dump() == {
        "kind": "drop", "folder": Path("/data/in"), "server": "prod", "project": "NEURO", "rules": (),
        "subject": "{PatientID}", "session": "{PatientID}_{Modality}_{StudyDate}", "settle": 60.0,
        "settle_min": None, "wait_for_missing": 0.0, "wait_for": (), "wait_while": (), "max_wait": 43200.0,
        "destination": "archive", "after": "move", "done": None, "verify": None, "collision": "hold", "other": "keep",
        "same_patient": "ignore", "also": (), "keep_done": None, "keep_free": None,
        "odd": "hold", "dicomdir": "hold", "attach_to": "ATTACHED", "member_names": "uid",
        "streams": 2, "quiet": 60.0, "ignore": (), "quiet_for": "learned",
        "marker": False, "receipt_page": False,
        **dict.fromkeys(("projects", *SelectionConfig.model_fields), ()),
    }  # fmt: skip
    assert scanner.done_folder == Path("/data/in/done")
    assert scanner.level == "names"
    assert config.servers["prod"].tls == "verified"


def test_what_is_to_be_deleted_is_fetched_back_first(tmp_path: Path) -> None:
    """The default level rises with the stakes."""
    config = load(written(tmp_path, SERVER + route('after = "delete"')))

    assert config.routes["scanner"].level == "pixels"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_without_a_warning(path: Path) -> None:
    """What we show works."""
    assert check(path)[1] == ()


def test_the_full_example_shows_every_key() -> None:
    """drop-folder.toml says everything that can be said about a drop route."""
    data = tomllib.loads((ROOT / "config_examples" / "drop-folder.toml").read_text())

    (table,) = data["routes"].values()
    (server,) = data["servers"].values()
    assert set(table) == set(DropConfig.model_fields)
    assert set(server) == set(ServerConfig.model_fields)
    assert set(data["ledger"]) == set(LedgerConfig.model_fields)
    assert {key for rule in table["rules"] for key in rule} <= set(RuleConfig.model_fields)


def test_the_full_example_tells_the_true_defaults() -> None:
    """Each value is the default, but for those whose comment says otherwise."""
    text = (ROOT / "config_examples" / "drop-folder.toml").read_text()
    config = load(ROOT / "config_examples" / "drop-folder.toml")
    least = load(ROOT / "config_examples" / "minimal.toml")

    (shown,), (default,) = config.routes.values(), least.routes.values()
    said_otherwise = {
        *("settle_min", "keep_done", "keep_free", "also", "folder", "server", "project", "rules", "ignore", "done"),
        "verify",
    }
    for key in set(DropConfig.model_fields) - said_otherwise:
        assert getattr(shown, key) == getattr(default, key), key
    assert (shown.level, shown.done_folder) == (default.level, shown.folder / "done")
    for key in ("rules", "ignore", "password_file", "ca_file"):
        line = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
        assert "none" in text[text.index(line) : text.index(line) + 400]


@pytest.mark.parametrize("model", [LedgerConfig, DefaultsConfig, ServerConfig, DropConfig, RuleConfig, TableConfig])
def test_every_key_is_documented(model: type[Part]) -> None:
    """docs/configuration.md has an entry for each key, under the heading of its table."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    heading = {
        LedgerConfig: "## [ledger]",
        DefaultsConfig: "## [defaults]",
        ServerConfig: "## [servers.NAME]",
        DropConfig: '## [routes.NAME], kind = "drop"',
        RuleConfig: "### rules",
        TableConfig: "#### Lookup tables",
    }[model]
    section = text[text.index(heading) + len(heading) :]
    section = section[: section.index("\n## ") if "\n## " in section else len(section)]
    selection = text[text.index("\n## Selection\n") : text.index("\n### Days\n")]

    for name, field in model.model_fields.items():
        if name in SelectionConfig.model_fields:  # described once for all kinds of route: here it has a meaning
            (row,) = [line for line in selection.splitlines() if line.startswith(f"| `{name}` |")]
            assert not row.endswith("| – |"), name
            continue
        assert f"| `{name}` |" in section, name
        if isinstance(field.default, str | int) and not isinstance(field.default, bool) and field.default is not None:
            row = next(line for line in section.splitlines() if line.startswith(f"| `{name}` |"))
            assert f"`{field.default}`" in row or f'`"{field.default}"`' in row, name


# --- the selection -----------------------------------------------------------------------------------------------


def test_a_drop_route_has_the_keys_of_the_selection(tmp_path: Path) -> None:
    """The same names and the same patterns as a tree; others mean nothing before anything is on a server."""
    assert {*KEYS, "levels"} == {*SelectionConfig.model_fields, *NOT_OF_DROPS}
    lines = ('modalities = ["MR"]', 'dates = ["last 30d"]', 'files = ["!**/tmp/**"]', 'projects = ["NEURO"]')

    scanner = load(written(tmp_path, SERVER + route(*lines))).drop_routes["scanner"]

    assert scanner.selection().describes() == "modalities MR; dates last 30d; files !**/tmp/**"
    assert route_digest(scanner) != route_digest(load(written(tmp_path, SERVER + route())).routes["scanner"])


@pytest.mark.parametrize("key", sorted(NOT_OF_DROPS))
def test_a_key_that_means_nothing_in_a_drop_folder_says_what_to_use(tmp_path: Path, key: str) -> None:
    """With its line, and beside every other problem."""
    text = SERVER + route(f'{key} = ["session"]', 'setle = "1s"')
    first, second = problems(tmp_path, text)

    assert (first.key, first.line) == (f"routes.scanner.{key}", second.line - 1)
    assert first.text == f"means nothing in a drop route: {NOT_OF_DROPS[key]}"
    assert second.key == "routes.scanner.setle"


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('files = ["/abs"]', "files", "matches nothing"),
        ('modalities = ["[MR"]', "modalities", "is not closed"),
        ('dates = ["yesterday"]', "dates", "is not a range of days"),
        ('subjects = ["!"]', "subjects", "matches nothing"),
        ('projects = ["OTHER"]', "projects", "neither `project` nor a rule sends anything to OTHER"),
        ('scans = "4"', "scans", "must be a list"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(tmp_path: Path, line: str, key: str, words: str) -> None:
    """As in every other kind of route."""
    problem = only(tmp_path, SERVER + route(line))

    assert problem.key == f"routes.scanner.{key}"
    assert words in problem.text


# --- what is wrong -----------------------------------------------------------------------------------------------


def test_every_problem_is_told_at_once_and_in_order(tmp_path: Path) -> None:
    """Mistakes of every sort, in every part, in one message, each with its own line."""
    text = (
        "[ledger]\npth = '/x'\n"
        '[servers.prod]\nurl = "ftp://x"\ntimeout = 60\n'
        '[routes.a]\nkind = "drop"\nfolder = "incoming"\nserver = "prdo"\nsettel = "60s"\n'
        'rules = [\n  { when = { StationName = "x" }, project = "A" },\n  { when = {}, projct = "B" },\n]\n'
        '[routes.b]\nkind = "teleport"\n'
        '[routes.c]\nkind = "drop"\nfolder = "/c"\nserver = "prod"\nproject = "P"\nsubject = "{PatientId}"\n'
        "[route.d]\n"
    )

    found = [(problem.line, problem.key) for problem in problems(tmp_path, text)]

    assert found == [
        (2, "ledger.pth"),
        (4, "servers.prod.url"),
        (5, "servers.prod.timeout"),
        (8, "routes.a.folder"),
        (9, "routes.a.server"),
        (10, "routes.a.settel"),
        (13, "routes.a.rules[2].projct"),
        (13, "routes.a.rules[2].when"),
        (16, "routes.b.kind"),
        (22, "routes.c.subject"),
        (23, "route"),
    ]


def test_the_message_is_clickable(tmp_path: Path) -> None:
    """file:line: key: text, one line each, as compilers write it; the exit code is that of a configuration error."""
    path = written(tmp_path, SERVER + route('settel = "5s"', 'afetr = "move"'))

    with pytest.raises(ConfigInvalid) as caught:
        load(path)

    assert str(caught.value).splitlines() == [
        "the configuration has 2 problems:",
        f"{path}:9: routes.scanner.settel: there is no such key; did you mean settle?",
        f"{path}:10: routes.scanner.afetr: there is no such key; did you mean after?",
    ]
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (['settle = "60"'], "settle", "is not a duration"),
        (["settle = 60"], "settle", "in quotes"),
        (['settle = "40d"'], "settle", "at most 31d"),
        (['after = "destroy"'], "after", 'must be "move", "keep" or "delete"'),
        (['verify = "counts"'], "verify", 'must be "names", "pixels" or "bytes"'),
        (['after = "delete"', 'verify = "names"'], "verify", "not enough to delete"),
        (['destination = "prearchive"', 'verify = "pixels"'], "verify", "proven by names only"),
        (['destination = "prearchive"', 'after = "delete"'], "after", "proven by names only"),
        (['destination = "prearchive"', 'other = "attach"'], "other", "no attachments"),
        (['destination = "prearchive"', 'member_names = "original"'], "member_names", "must hold the UID"),
        (['streams = "2"'], "streams", "whole number"),
        (["streams = 0"], "streams", "at least 1"),
        (["streams = 99"], "streams", "at most 8"),
        (["streams = true"], "streams", "whole number"),
        (['subject = "{PatientID"'], "subject", "position 1: `{` is not closed"),
        (['session = "a b{X:(}"'], "session", "position"),
        (['session = "{PatientIdentity}"'], "session", "not a DICOM keyword"),
        (['attach_to = "12"'], "attach_to", "must not be a number"),
        (['attach_to = "a/b"'], "attach_to", "not a label"),
        (['ignore = "*.tmp"'], "ignore", "must be a list"),
        (['done = "/data/in"'], "done", "outside the drop folder or directly in it"),
        (['done = "/data/in/a/b"'], "done", "outside the drop folder or directly in it"),
        (['done = "/data"'], "done", "outside the drop folder or directly in it"),
        (['done = "/data/in/.xnatsync"'], "done", "outside the drop folder or directly in it"),
        (['rules = [{ when = { StationNam = "x" }, project = "A" }]'], "rules[1].when.StationNam", "StationName"),
        (['rules = [{ when = { stationname = "x" }, project = "A" }]'], "rules[1].when.stationname", "not a DICOM"),
        (['rules = [{ when = { StationName = "x" } }]'], "rules[1].project", "what becomes of it"),
        (['wait_for = ["*"]'], "wait_for[1]", "more than wildcards"),
        (['wait_while = ["/a/b.lock"]'], "wait_while[1]", "a path in the drop folder"),
        (['wait_while = ["{name}.lock"]'], "wait_while[1]", "{item} and {stem}"),
        (['settle_min = "2h"'], "settle_min", "at most as long"),
        (['rules = [{ project = "A" }]'], "rules[1].when", "at least one header field"),
        (['rules = [{ path = "a/*", project = "A", ignore = true }]'], "rules[1].project", "means nothing beside"),
        (['rules = [{ path = { regex = "(" }, project = "A" }]'], "rules[1].path.regex", "not a regular expression"),
        (['rules = [{ path = { regex = "(?P<A>x)" }, project = "A" }]'], "rules[1].path.regex", "small letters"),
        (['rules = [{ path = { exact = "a", like = "b" }, project = "A" }]'], "rules[1].path", "one of"),
        (['rules = [{ path = 7, project = "A" }]'], "rules[1].path", "a text, in quotes"),
        (['rules = [{ path = "a", project = "A B" }]'], "rules[1].project", "cannot be a project"),
        (['rules = [{ path = "a", subject = "{site}" }]'], "rules[1].subject", "has a group site"),
        (['rules = [{ path = "a", subject = "{table.x}" }]'], "rules[1].subject", "no table here"),
        (['rules = [{ path = "a", hold = "" }]'], "rules[1].hold", "why a person must look"),
        (['rules = [{ table = { file = "t.csv", match = { a = "{PatientID}" } }, project = "A" }]'],
         "rules[1].table.file", "absolute path"),
        (['rules = [{ table = { file = "/t.csv", match = {} }, project = "A" }]'], "rules[1].table.match", "column"),
        (['rules = [{ path = "a", destination = "prearchive" }]', 'verify = "bytes"'], "verify", "names only"),
        (["rules = { a = 1 }"], "rules", "must be a list"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_what_is_right(tmp_path: Path, lines: list[str], key: str, words: str) -> None:
    """The key, the line, and what may stand there."""
    problem = only(tmp_path, SERVER + route(*lines))

    assert problem.key == f"routes.scanner.{key}"
    assert words in problem.text
    assert problem.line in range(9, 11)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (route(), "routes.scanner.server", "write a [servers.NAME]"),
        (SERVER + route().replace('"prod"', '"prdo"'), "routes.scanner.server", "did you mean prod?"),
        (SERVER + route(project=None), "routes.scanner.project", "say where studies go"),
        (SERVER + route().replace('folder = "/data/in"\n', ""), "routes.scanner.folder", "required"),
        (SERVER + route().replace('kind = "drop"\n', ""), "routes.scanner.kind", "required"),
        (SERVER + route().replace('"drop"', '"dorp"'), "routes.scanner.kind", "did you mean drop?"),
        (SERVER + route().replace('"drop"', '"tranfser"'), "routes.scanner.kind", "did you mean transfer?"),
        (SERVER + route().replace('"drop"', '"miror"'), "routes.scanner.kind", "did you mean mirror?"),
        (SERVER + route().replace('"drop"', "7"), "routes.scanner.kind", 'must be "drop"'),
        (SERVER + route(name='"a b"'), "routes.a b", "a name is made of"),
        (SERVER + "routes = 3\n", "servers.prod.routes", "no such key"),
        ("routes = 3\n" + SERVER, "routes", "[routes.NAME]"),
        (SERVER + "[routes]\nscanner = 3\n", "routes.scanner", "table"),
        (SERVER + '[ledger]\npath = "ledger.db"\n', "ledger.path", "absolute"),
        (SERVER + '[servers.PROD]\nurl = "https://y"\n', "servers.prod", "XNATSYNC_PROD_PASSWORD"),
        (SERVER + "connections = 0\n", "servers.prod.connections", "at least 1"),
        (SERVER + 'timeout = "0s"\n', "servers.prod.timeout", "at least 1s"),
        (SERVER + 'tls = "off"\n', "servers.prod.tls", 'must be "verified" or "insecure"'),
        (SERVER.replace('"agent"', '"a:b"'), "servers.prod.user", "colon"),
        (SERVER.replace("https://", "https://x y"), "servers.prod.url", "https://host"),
        (SERVER.replace(".org", ".org:99999"), "servers.prod.url", "https://host"),
        (SERVER.replace(".org", ".org?x=1"), "servers.prod.url", "query"),
        (SERVER + '[ledger]\npath = "/data/in/ledger.db"\n' + route(), "routes.scanner.folder", "ledger"),
    ],
)  # fmt: skip
def test_what_is_missing_or_meets_nothing_is_told(tmp_path: Path, text: str, key: str, words: str) -> None:
    """Names that lead nowhere, parts that are not there, tables that are none."""
    problem = only(tmp_path, text)

    assert (problem.key, words in problem.text) == (key, True), problem


def test_two_routes_never_take_each_others_items(tmp_path: Path) -> None:
    """The same folder, one inside the other, or a done folder that another route watches."""
    same = problems(tmp_path, SERVER + route(name="a") + route(name="b"))
    nested = only(tmp_path, SERVER + route(name="a") + route(name="b", folder="/data/in/b"))
    fed = only(tmp_path, SERVER + route('done = "/data/b/filed"', name="a") + route(name="b", folder="/data/b"))

    assert [problem.key for problem in same] == ["routes.a.folder", "routes.b.folder"]
    assert (nested.key, "route a" in nested.text) == ("routes.b.folder", True)
    assert (fed.key, "send it again" in fed.text) == ("routes.a.done", True)


def test_folders_that_only_begin_alike_are_different(tmp_path: Path) -> None:
    """`/data/in` does not hold `/data/in2`."""
    load(written(tmp_path, SERVER + route(name="a") + route(name="b", folder="/data/in2")))


def test_two_spellings_of_one_folder_are_one(tmp_path: Path) -> None:
    """A link does not hide that two routes share a folder."""
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
    except OSError:
        pytest.skip("no links here")

    found = problems(
        tmp_path, SERVER + route(name="a", folder=f"{tmp_path}/real") + route(name="b", folder=f"{tmp_path}/link/x/..")
    )

    assert [problem.key for problem in found] == ["routes.a.folder", "routes.b.folder"]


def test_a_password_never_lies_where_everything_is_sent_away(tmp_path: Path) -> None:
    """Dropped by mistake it would be filed, or even attached to a session."""
    problem = only(tmp_path, SERVER + 'password_file = "/data/in/site/.password"\n' + route())

    assert (problem.key, problem.line) == ("servers.prod.password_file", SERVER.count("\n") + 1)
    assert "drop folder of route scanner" in problem.text
    load(written(tmp_path, SERVER + 'password_file = "/data/input/.password"\n' + route()))


def test_a_link_does_not_hide_that_things_are_filed_into_what_is_watched(tmp_path: Path) -> None:
    """Filed two levels down, the folder between would be taken for an item again and again."""
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    try:
        (tmp_path / "filed").symlink_to(tmp_path / "in" / "a" / "b")
    except OSError:
        pytest.skip("no links here")

    problem = only(tmp_path, SERVER + route(f'done = "{tmp_path}/filed"', folder=f"{tmp_path}/in"))

    assert (problem.key, "deeper" in problem.text) == ("routes.scanner.done", True)


@pytest.mark.parametrize("folder", ["/", "~"])
def test_the_whole_home_is_not_a_drop_folder(tmp_path: Path, folder: str) -> None:
    """A slip of the pen must not send everything away."""
    text = (
        SERVER
        + '[ledger]\npath = "/elsewhere/ledger.db"\n'
        + route('done = "/done"' if folder == "~" else 'done = "/x"', folder=folder)
    )

    assert any("home folder" in problem.text for problem in problems(tmp_path, text))


def test_unwise_settings_are_allowed_and_warned_of(tmp_path: Path) -> None:
    """Passwords in the clear and unverified certificates: said, with their lines, and not refused."""
    text = (
        '[servers.far]\nurl = "http://xnat.example.org"\n[servers.near]\nurl = "http://127.0.0.1:8080"\n'
        '[servers.loose]\nurl = "https://x"\ntls = "insecure"\nca_file = "/ca.pem"\n'
    )

    _, warnings = check(written(tmp_path, text))

    assert [(problem.line, problem.key, problem.warning) for problem in warnings] == [
        (2, "servers.far.url", True),
        (7, "servers.loose.tls", True),
        (8, "servers.loose.ca_file", True),
    ]


def test_a_modality_that_nobody_knows_is_warned_of_and_one_in_lower_case_is_refused(tmp_path: Path) -> None:
    """The first may be a site's own; the second can match nothing."""
    start = (
        '[servers.s]\nurl = "https://x"\nuser = "u"\n[routes.m]\nkind = "mirror"\nfolder = "/data/m"\nserver = "s"\n'
    )
    text = start + 'project = "P"\nmodalities = ["MR", "MRI", "!QQ"]\n'

    _, warnings = check(written(tmp_path, text))

    assert [(problem.key, problem.text.split()[0]) for problem in warnings] == [
        ("routes.m.modalities", "MRI"),
        ("routes.m.modalities", "!QQ"),
    ]
    (refused,) = problems(tmp_path, start + 'project = "P"\nmodalities = ["mr"]\n')
    assert 'write "MR"' in refused.text


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        SERVER + 'password = "hunter2"\n',
        SERVER + 'Password = "hunter2"\n',
        SERVER + "[servers.prod.auth]\npassword = 'hunter2'\n",
        'password = "hunter2"\n' + SERVER,
        SERVER + route('token = "hunter2"'),
        SERVER.replace("https://", "https://agent:hunter2@"),
        SERVER.replace("https://", "htps://agent:hunter2@"),
        SERVER.replace("https://xnat", "https://agent:hunter2@[::1"),
        SERVER + 'password_file = "hunter2"\n',
        SERVER + 'password_file = ["hunter2"]\n',
        SERVER + 'tls = "hunter2"\n',
        SERVER.replace('"agent"', '"agent:hunter2"'),
        SERVER + 'timeout = { hunter2 = "hunter2" }\n',
    ],
)
def test_a_password_in_the_file_is_refused_and_never_repeated(tmp_path: Path, text: str) -> None:
    """S8: neither the message nor its parts hold what was written there."""
    with pytest.raises(ConfigInvalid) as caught:
        load(written(tmp_path, text))

    assert "hunter2" not in str(caught.value).replace("timeout.hunter2", "")
    assert "hunter2" not in repr(caught.value.problems).replace("timeout.hunter2", "")
    assert caught.value.problems


def test_a_password_key_is_answered_with_the_remedy(tmp_path: Path) -> None:
    """Where it may stand instead."""
    problem = only(tmp_path, SERVER + 'password = "hunter2"\n')

    assert (problem.line, problem.key) == (4, "servers.prod.password")
    for way in ("XNATSYNC_<SERVER>_PASSWORD", "password_file", "keyring"):
        assert way in problem.text


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [("[servers\n", 1), ("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ('x = "abc\n', 1), ("x = [1,\n", 2)],
)  # fmt: skip
def test_what_is_not_toml_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """Even where the text ends too early."""
    problem = only(tmp_path, text)

    assert problem.line in {line, line + 1}
    assert "not TOML" in problem.text


def test_a_missing_file_is_told_with_a_beginning(tmp_path: Path) -> None:
    """And the remedy names the example."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml")

    assert "none.toml" in str(caught.value)
    assert "`xnatsync config init` writes one" in caught.value.remedy


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """Not a trace; a mark at the beginning, as Windows' editors write it, is fine."""
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf" + (SERVER + route()).encode())

    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "latin.toml")
    assert list(load(tmp_path / "marked.toml").routes) == ["scanner"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_that_powershell_wrote_is_named_as_such(encoding: str, tmp_path: Path) -> None:
    """It is no broken TOML: its encoding is told, and how to save it."""
    (tmp_path / "a.toml").write_bytes("[servers.a]\n".encode(encoding))

    with pytest.raises(ConfigError, match="written in UTF-") as caught:
        load(tmp_path / "a.toml")
    assert "PowerShell" in caught.value.remedy


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    """Said in words."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_the_default_place_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XNATSYNC_CONFIG, else the user's configuration folder."""
    monkeypatch.setenv("XNATSYNC_CONFIG", str(tmp_path / "my.toml"))
    assert default_path() == tmp_path / "my.toml"

    monkeypatch.delenv("XNATSYNC_CONFIG")
    assert default_path().name == "xnatsync.toml"


# --- show --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_what_is_shown_can_be_loaded_and_means_the_same(path: Path, tmp_path: Path) -> None:
    """Every default is written out, so showing it once more changes nothing."""
    config = load(path)
    shown = as_toml(config)

    again = load(written(tmp_path, shown))

    assert as_toml(again) == shown
    for name, route in config.drop_routes.items():
        assert again.drop_routes[name].done_folder == route.done_folder
        assert again.drop_routes[name].level == route.level
    assert again.tree_routes == config.tree_routes


def test_awkward_texts_survive_showing(tmp_path: Path) -> None:
    """Quotes, backslashes, control characters and other alphabets."""
    folder = r"C\\x \"y\" é \u007f \t"
    text = SERVER + route(
        'ignore = ["a\\\\b", "\\"", "\\u0001", "日本"]',
        'rules = [{ when = { "(0008,1010)" = "a \\"b\\"" }, project = "A", subject = "{PatientID:^(\\\\d+)}" }]',
        folder=f"/data/{folder}",
    )
    config = load(written(tmp_path, text))

    assert load(written(tmp_path, as_toml(config))).routes["scanner"].rules == config.routes["scanner"].rules
    assert load(written(tmp_path, as_toml(config))).routes["scanner"].ignore == config.routes["scanner"].ignore
    assert load(written(tmp_path, as_toml(config))).routes["scanner"].folder == config.routes["scanner"].folder


def test_showing_tells_every_key_as_people_write_it(tmp_path: Path) -> None:
    """Durations as words, the folder of done and the level as they take effect."""
    shown = as_dict(load(written(tmp_path, SERVER + route('settle = "90s"'))))

    scanner = shown["routes"]["scanner"]
    assert (scanner["settle"], scanner["done"], scanner["verify"]) == ("1m30s", str(Path("/data/in/done")), "names")
    assert set(scanner) == set(DropConfig.model_fields) - {"keep_done", "keep_free"}  # none: they cannot be written
    assert shown["servers"]["prod"]["timeout"] == "1m"
    assert shown["ledger"]["path"].endswith("ledger.db")


def test_the_digest_of_a_route_follows_its_settings_and_nothing_else(tmp_path: Path) -> None:
    """The order of keys and a default that is written out change nothing; a setting does."""

    def digest(*lines: str) -> str:
        return route_digest(load(written(tmp_path, SERVER + route(*lines))).routes["scanner"])

    assert digest() == digest('settle = "1m"', 'collision = "hold"')
    assert digest() == digest('done = "/data/in/done"', 'verify = "names"')
    assert digest('settle = "1m"', "streams = 3") == digest("streams = 3", 'settle = "60s"')
    assert digest() != digest('settle = "61s"')
    assert digest() != digest('subject = "{StudyID}"')


def test_a_configuration_cannot_be_changed_while_it_is_used(tmp_path: Path) -> None:
    """Frozen: one run, one truth."""
    config = load(written(tmp_path, SERVER + route()))

    with pytest.raises(ValueError, match="frozen"):
        config.routes["scanner"].settle = 0.0  # type: ignore[misc]
    assert isinstance(config, Config)
