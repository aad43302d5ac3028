"""Mirrors and pushes in the configuration: every key, every default, every quarrel, each with its line."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from xnatsync.config.cron import check_cron
from xnatsync.config.load import ConfigInvalid, Problem, load
from xnatsync.config.model import LayoutConfig, MirrorConfig, Part, PushConfig, TransferConfig
from xnatsync.config.show import as_dict, as_toml, route_digest
from xnatsync.config.words import size, size_bytes
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.layout import DEFAULTS
from xnatsync.core.selection import KEYS, TIERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
BY_RESOURCE = "{project}/{resource}/s/{session}/{path}"
SERVER = '[servers.prod]\nurl = "https://xnat.example.org"\nuser = "agent"\n'  # three lines


def mirror(*lines: str, name: str = "nightly", folder: str = "/data/tree", project: str | None = "NEURO") -> str:
    """A mirror that is right, with further lines from the sixth of its own on (the fifth without a project)."""
    head = f'[routes.{name}]\nkind = "mirror"\nserver = "prod"\nfolder = "{folder}"\n'
    return head + (f'project = "{project}"\n' if project else "") + "".join(f"{line}\n" for line in lines)


def push(*lines: str, name: str = "results", folder: str = "/data/tree", project: str = "NEURO") -> str:
    head = f'[routes.{name}]\nkind = "push"\nserver = "prod"\nfolder = "{folder}"\nproject = "{project}"\n'
    return head + "".join(f"{line}\n" for line in (lines or ('resources = ["QC"]',)))


def drop(folder: str, *lines: str) -> str:
    head = f'[routes.scanner]\nkind = "drop"\nserver = "prod"\nfolder = "{folder}"\nproject = "NEURO"\n'
    return head + "".join(f"{line}\n" for line in lines)


def written(folder: Path, text: str) -> Path:
    path = folder / "xnatsync.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(folder, text))
    return list(caught.value.problems)


def only(folder: Path, text: str) -> Problem:
    (problem,) = problems(folder, text)
    return problem


# --- what is right -----------------------------------------------------------------------------------------------


def test_the_least_of_a_mirror_is_enough(tmp_path: Path) -> None:
    """Every default is the documented one."""
    config = load(written(tmp_path, SERVER + mirror() + push()))

    assert config.drop_routes == {}
    assert set(config.tree_routes) == {"nightly", "results"}
    nightly, results = config.routes["nightly"], config.routes["results"]
    everything: dict[str, object] = dict.fromkeys(KEYS, ())
    tree = {"server": "prod", "folder": Path("/data/tree"), "levels": TIERS, "schedule": None,
            "layout": {**DEFAULTS, "windows": False}, "project": "NEURO"}  # fmt: skip
    assert nightly.model_dump() == everything | tree | {
        "kind": "mirror", "projects": (), "policy": "add", "max_delete": "10%", "trash_keep": 30 * 86400.0,
        "recheck": 7 * 86400.0, "metadata": True, "big_file": 64_000_000,
    }  # fmt: skip
    assert results.model_dump() == everything | tree | {
        "kind": "push", "resources": ("QC",), "create_resources": True, "settle": 60.0, "quiet": 60.0,
    }  # fmt: skip


def test_the_keys_become_what_the_core_works_with(tmp_path: Path) -> None:
    """A selection fixed to a day, a layout, the projects each once."""
    text = SERVER + mirror(
        'projects = ["A", "B", "A"]', 'dates = ["last 2d"]', 'levels = ["scan"]', "max_delete = 5",
        'trash_keep = "90d"',
        'layout = { scan = "{project}/{session}/scans/{scan}/{resource}/{path}" }', 'big_file = "1.5GiB"', project=None,
    )  # fmt: skip

    route = load(written(tmp_path, text)).routes["nightly"]

    assert isinstance(route, MirrorConfig)
    owner = Owner(OwnerKind.SESSION, "A", "E", subject="S", session="M", date="2026-02-28")
    assert route.all_projects == ("A", "B")
    assert route.selection(date(2026, 3, 1)).wants_owner(owner)
    assert not route.selection(date(2026, 3, 2)).wants_owner(owner)
    assert route.tree_layout.path(owner, ResourceKey("4", "R"), "f") == "A/M/scans/4/R/f"
    assert (route.max_delete, route.trash_keep, route.big_file) == (5, 90 * 86400.0, 3 << 29)


def test_one_project_may_be_left_out_of_the_paths(tmp_path: Path) -> None:
    """Of several it may not."""
    layout = "layout = { " + ", ".join(f'{tier} = "{text[10:]}"' for tier, text in DEFAULTS.items()) + " }"

    route = load(written(tmp_path, SERVER + mirror(layout))).routes["nightly"]
    several = only(tmp_path, SERVER + mirror(layout, 'projects = ["A", "B"]', project=None))

    assert isinstance(route, MirrorConfig)
    assert route.tree_layout.project == "NEURO"
    assert (several.key, "without {project}" in several.text) == ("routes.nightly.layout.project", True)


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (['polcy = "add"'], "polcy", "did you mean policy?"),
        (['quiet = "60s"'], "quiet", "no such key"),
        (['settle = "60s"'], "settle", "no such key"),
        (['policy = "mirror"'], "policy", 'must be "add" or "replica"'),
        (['max_delete = "10"'], "max_delete", "is not a rule"),
        (["max_delete = -1"], "max_delete", "fewer than none"),
        (["max_delete = true"], "max_delete", "a number of files"),
        (["max_delete = 1.5"], "max_delete", "a number of files"),
        (['trash_keep = "4000d"'], "trash_keep", "at most 3660d"),
        (["recheck = 7"], "recheck", "in quotes"),
        (['metadata = "yes"'], "metadata", "true or false"),
        (["metadata = 1"], "metadata", "true or false"),
        (['big_file = "64"'], "big_file", "is not a size"),
        (["big_file = 64"], "big_file", "in quotes and with its unit"),
        (['schedule = "nightly"'], "schedule", "is not a schedule"),
        (['schedule = "0 25 * * *"'], "schedule", "is no hour"),
        (['projects = ["A"]'], "project", "either `project`, or `projects`"),
        (['projects = ["a b"]'], "projects[1]", "cannot be a name"),
        (['resources = "NIFTI"'], "resources", "must be a list"),
        (['subjects = ["[a"]'], "subjects", "not closed"),
        (['dates = ["2024"]'], "dates", "not a range of days"),
        (['files = ["a/**b"]'], "files", "between slashes"),
        (['scan_types = [""]'], "scan_types", "matches nothing"),
        (['levels = ["scans"]'], "levels[1]", 'must be "project", "subject", "session" or "scan"'),
        (["levels = []"], "levels", "would take nothing"),
        (["layout = 3"], "layout", "must be a table"),
        (['layout = { scans = "x" }'], "layout.scans", "did you mean scan?"),
        (['layout = { scan = "{path}" }'], "layout.scan", "without {session}"),
        (['layout = { windows = "yes" }'], "layout.windows", "true or false"),
        ([f"layout = {{ session = '{BY_RESOURCE}' }}", 'levels = ["session"]'], "layout.session", "metadata = false"),
        ([f"layout = {{ session = '{BY_RESOURCE}' }}", 'levels = ["scan"]'], "layout.session", "metadata = false"),
        ([f"layout = {{ session = '{BY_RESOURCE}' }}", 'levels = ["project"]'], None, ""),
        ([f"layout = {{ session = '{BY_RESOURCE}' }}", "metadata = false"], None, ""),
    ],
)  # fmt: skip
def test_a_wrong_value_of_a_mirror_is_told_with_what_is_right(
    tmp_path: Path, lines: list[str], key: str | None, words: str
) -> None:
    """The key, the line, and what may stand there; or nothing is wrong."""
    if key is None:
        load(written(tmp_path, SERVER + mirror(*lines)))
        return
    problem = only(tmp_path, SERVER + mirror(*lines))

    assert (problem.key, words in problem.text) == (f"routes.nightly.{key}", True), problem
    assert problem.line == (8 if key == "project" else 9)


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (["settle = '1s'"], "resources", "required"),
        (["resources = []"], "resources", "name what is sent"),
        (['resources = ["*"]'], "resources", "name what is sent"),
        (['resources = ["!DICOM"]'], "resources", "name what is sent"),
        (['resources = ["QC"]', 'policy = "add"'], "policy", "no such key"),
        (['resources = ["QC"]', 'projects = ["A"]'], "projects", "did you mean project?"),
        (['resources = ["QC"]', "create_resources = 0"], "create_resources", "true or false"),
        (['resources = ["QC"]', 'layout = { scan = "{project}/{path}" }'], "layout.scan", "without {session}"),
    ],
)
def test_a_wrong_value_of_a_push_is_told_with_what_is_right(
    tmp_path: Path, lines: list[str], key: str, words: str
) -> None:
    """Above all, never everything is sent."""
    problem = only(tmp_path, SERVER + push(*lines))

    assert (problem.key, words in problem.text) == (f"routes.results.{key}", True), problem


def test_every_problem_is_told_at_once_in_tables_within_tables_too(tmp_path: Path) -> None:
    """Each with its own line."""
    text = (
        SERVER
        + mirror('dates = ["soon"]', 'files = ["**x"]', "[routes.nightly.layout]", "windows = false", 'scan = "{scan}"')
        + push('resources = ["QC"]', 'quiet = "x"', name="q", folder="/data/other")
    )

    found = [(problem.line, problem.key) for problem in problems(tmp_path, text)]

    assert found == [
        (9, "routes.nightly.dates"), (10, "routes.nightly.files"), (13, "routes.nightly.layout.scan"),
        (20, "routes.q.quiet"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (mirror(project=None), "routes.nightly.project", "either"),
        (mirror().replace('"prod"', '"prdo"'), "routes.nightly.server", "did you mean prod?"),
        (mirror().replace('folder = "/data/tree"\n', ""), "routes.nightly.folder", "required"),
        (mirror(folder="tree"), "routes.nightly.folder", "absolute"),
        (mirror().replace('"mirror"', "[]"), "routes.nightly.kind", 'must be "drop", "mirror", "push" or'),
        (mirror() + '[ledger]\npath = "/data/tree/.xnatsync/l.db"\n', "routes.nightly.folder", "the ledger"),
        (mirror(folder="~") + '[ledger]\npath = "/elsewhere/l.db"\n', "routes.nightly.folder", "home folder"),
        (mirror() + mirror(name="b", folder="/data/tree/b"), "routes.b.folder", "inside the folder of route nightly"),
        (mirror() + push(folder="/data/tree/NEURO"), "routes.results.folder", "inside the folder of route nightly"),
        (mirror() + push(project="OTHER"), "routes.results.folder", "another project"),
        (mirror() + push('resources = ["QC"]', 'layout = { project = "{project}/r/{resource}/{path}" }'),
         "routes.results.layout", "must be that of route nightly"),
        (mirror() + drop("/data"), "routes.nightly.folder", "drop folder of route scanner"),
        (mirror() + drop("/data/tree/in"), "routes.nightly.folder", "drop folder of route scanner"),
        (mirror() + drop("/in", 'done = "/data/tree/done"'), "routes.nightly.folder", "files what it delivered"),
        (push() + drop("/in", 'done = "/data"'), "routes.results.folder", "files what it delivered"),
    ],
)  # fmt: skip
def test_trees_drops_and_ledgers_never_lie_in_each_other(tmp_path: Path, text: str, key: str, words: str) -> None:
    """Each would take the other's files for its own."""
    problem = only(tmp_path, SERVER + text)

    assert (problem.key, words in problem.text) == (key, True), problem


def test_two_of_a_kind_never_share_a_tree(tmp_path: Path) -> None:
    """Neither two mirrors, nor two pushes to one project; a link does not hide it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mirrors = SERVER + mirror(folder=f"{tmp_path}/real") + mirror(name="b", folder=f"{tmp_path}/link", project="B")

    for text in (mirrors, SERVER + push() + push(name="b")):
        found = problems(tmp_path, text)
        assert [problem.key.rpartition(".")[2] for problem in found] == ["folder", "folder"]
        assert all("two of a kind" in problem.text for problem in found)


def test_a_push_may_share_the_tree_of_a_mirror(tmp_path: Path) -> None:
    """Of the same project, or of one of several; and two pushes, each to its own project."""
    both = mirror('projects = ["A", "B"]', project=None)

    load(written(tmp_path, SERVER + mirror() + push()))
    load(written(tmp_path, SERVER + both + push(project="A") + push(name="q", project="B")))


def test_a_password_never_lies_in_a_tree(tmp_path: Path) -> None:
    """Others read a mirror, and a push sends what lies there."""
    problem = only(tmp_path, SERVER + 'password_file = "/data/tree/.password"\n' + mirror())

    assert (problem.key, problem.line) == ("servers.prod.password_file", 4)


# --- shown and documented ----------------------------------------------------------------------------------------


def test_showing_writes_sizes_and_durations_as_words(tmp_path: Path) -> None:
    """And it can be loaded again and means the same."""
    config = load(written(tmp_path, SERVER + mirror('big_file = "128MiB"', 'max_delete = "5%"') + push()))
    shown = as_dict(config)["routes"]["nightly"]

    again = load(written(tmp_path, as_toml(config)))

    assert (shown["big_file"], shown["trash_keep"], shown["max_delete"]) == ("128MiB", "4w2d", "5%")
    assert again.routes == config.routes
    assert as_toml(again) == as_toml(config)


def test_the_digest_of_a_tree_follows_its_settings(tmp_path: Path) -> None:
    """A default that is written out changes nothing; a pattern does."""

    def digest(*lines: str) -> str:
        return route_digest(load(written(tmp_path, SERVER + mirror(*lines))).routes["nightly"])

    assert digest() == digest('recheck = "1w"', 'big_file = "64MB"', "layout = { windows = false }")
    assert digest() != digest('files = ["*"]')
    assert digest() != digest('policy = "replica"')


def section(heading: str) -> str:
    text = PAGE[PAGE.index(f"\n## {heading}\n") + 3 :]
    return text[: text.index("\n## ")]


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (MirrorConfig, '[routes.NAME], kind = "mirror"'),
        (PushConfig, '[routes.NAME], kind = "push"'),
        (LayoutConfig, "Layout"),
    ],
)
def test_every_key_of_a_tree_is_documented(model: type[Part], heading: str) -> None:
    """With its default; the keys of the selection once for all kinds."""
    own, selection = section(heading), section("Selection")
    for name, field in model.model_fields.items():
        if name in {*KEYS, "levels"} and f"| `{name}` |" not in own:
            assert f"| `{name}` |" in selection, name
            continue
        (row,) = [line for line in own.splitlines() if line.startswith(f"| `{name}` |")]
        default = row.split(" | ")[1]
        if field.is_required():
            assert default == "required", name
        elif isinstance(field.default, bool):
            assert default == f"`{str(field.default).lower()}`", name
        elif isinstance(field.default, str) and model is not LayoutConfig:
            assert default == f'`"{field.default}"`', name
        elif field.default in {None, ()}:
            assert default == "none", name


def test_documented_durations_and_sizes_are_the_real_ones(tmp_path: Path) -> None:
    """What the table says, loaded, changes nothing."""
    rows = [line.split(" | ") for line in (section('[routes.NAME], kind = "mirror"')).splitlines()]
    said = [f"{row[0][3:-1]} = {row[1].strip('`')}" for row in rows if row[0][3:-1] in
            {"policy", "max_delete", "trash_keep", "recheck", "metadata", "big_file"}]  # fmt: skip

    assert len(said) == 6
    assert load(written(tmp_path, SERVER + mirror(*said))).routes == load(written(tmp_path, SERVER + mirror())).routes


def test_the_documented_layout_is_the_default() -> None:
    """Word for word."""
    text = section("Layout")
    table = tomllib.loads(text[text.index("```toml") + 7 : text.index("\n```\n")])

    assert table["routes"]["nightly"]["layout"] == LayoutConfig().model_dump()


def test_the_example_of_everything_has_every_key_and_tells_the_true_defaults() -> None:
    """Each value is the default, but for those whose comment says otherwise."""
    path = ROOT / "config_examples" / "everything.toml"
    text, config = path.read_text(encoding="utf-8"), load(path)
    raw = tomllib.loads(text)["routes"]
    raw["to_archive"] |= {
        key: None for name in ("to_disk", "from_disk") for key in raw[name] if key.endswith("_folder")
    }

    for name, model in (("nightly", MirrorConfig), ("results", PushConfig), ("to_archive", TransferConfig)):
        assert set(raw[name]) == set(model.model_fields)
        for key, field in model.model_fields.items():
            said_otherwise = (
                key in {*KEYS, "schedule", "layout", "engine", "scheduler"} or field.is_required() or key == "project"
            )
            assert said_otherwise or getattr(config.routes[name], key) == field.default, key
    assert set(raw["nightly"]["layout"]) == set(LayoutConfig.model_fields)
    nightly = config.routes["nightly"]
    assert isinstance(nightly, MirrorConfig)
    assert nightly.layout == LayoutConfig()


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [("0B", 0), ("1B", 1), ("500kB", 500_000), ("500KB", 500_000), ("64MB", 64_000_000), ("1.5GB", 1_500_000_000),
     ("64 MiB", 64 << 20), (" 2GiB ", 2 << 30), ("1TB", 10**12), ("0.5KiB", 512), ("1.0000001MB", 1_000_000)],
)  # fmt: skip
def test_sizes_are_words(text: str, count: int) -> None:
    """And are written so that they are read back."""
    assert size_bytes(text) == count
    assert size_bytes(size(count)) == count


@pytest.mark.parametrize("count", [1, 999, 1000, 1024, 1 << 20, 10**6, 123_456_789, 7 << 40, 10**12 + 1])
def test_any_size_that_is_written_is_read_back(count: int) -> None:
    """To the byte."""
    assert size_bytes(size(count)) == count


@pytest.mark.parametrize(
    "text", ["", "64", "MB", "64mb", "-1MB", "1e3MB", "64 M", "1,5GB", "64MB64MB", "1.MB", "\u0661MB x"]
)
def test_anything_else_is_no_size(text: str) -> None:
    """The answer shows how to write it."""
    with pytest.raises(ValueError, match="write 500kB"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("text", "field", "numbers"),
    [
        ("0 2 * * *", 0, {0}), ("0 2 * * *", 1, {2}), ("*/15 * * * *", 0, {0, 15, 30, 45}), ("0 8-18/5 * * *", 1,
        {8, 13, 18}),
        ("0 0 1,15 * *", 2, {1, 15}), ("0 0 * jan-mar *", 3, {1, 2, 3}), ("0 0 * * MON-fri", 4, {1, 2, 3, 4, 5}),
        ("0 0 * * 7", 4, {0}), ("0 0 * * 5-7", 4, {5, 6, 0}), ("50/5 * * * *", 0, {50, 55}),
    ],
)  # fmt: skip
def test_schedules_are_read_as_cron_reads_them(text: str, field: int, numbers: set[int]) -> None:
    """Lists, ranges, steps, names; seven is Sunday too."""
    assert check_cron(text)[field] == numbers


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
     "5-1 * * * *", "*/0 * * * *", "1- * * * *", "a * * * *", "* * * foo *", "@daily", "1,,2 * * * *",
        "\u0661 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    """With the field that is wrong, or the shape."""
    with pytest.raises(ValueError, match="is no"):
        check_cron(text)
