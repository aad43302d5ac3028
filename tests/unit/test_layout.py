"""Where files lie: the default tree, templates that are refused, names that are refused, paths that clash."""

from __future__ import annotations

import pytest

from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.layout import DEFAULTS, Layout, Place, tame
from xnatsync.core.paths import HostileName, check_path, clashes
from xnatsync.core.selection import Tier

PROJECT = Owner(OwnerKind.PROJECT, "P", "P")
SUBJECT = Owner(OwnerKind.SUBJECT, "P", "X_S1", subject="S1", subject_id="X_S1")
SESSION = Owner(OwnerKind.SESSION, "P", "X_E1", subject="S1", subject_id="X_S1", session="S1_MR")
SCAN, OWN = ResourceKey("4", "DICOM"), ResourceKey("", "QC")
LAYOUT = Layout.parse()


# --- the default tree --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "key", "path", "place"),
    [
        (SESSION, SCAN, "P/S1/S1_MR/scans/4/resources/DICOM/files/a/b.dcm",
         Place("scan", "P", "S1", "S1_MR", scan="4", resource="DICOM", name="a/b.dcm")),
        (SESSION, OWN, "P/S1/S1_MR/resources/QC/files/a/b.dcm",
         Place("session", "P", "S1", "S1_MR", resource="QC", name="a/b.dcm")),
        (SUBJECT, OWN, "P/S1/resources/QC/files/a/b.dcm", Place("subject", "P", "S1", resource="QC", name="a/b.dcm")),
        (PROJECT, OWN, "P/resources/QC/files/a/b.dcm", Place("project", "P", resource="QC", name="a/b.dcm")),
    ],
)  # fmt: skip
def test_the_default_tree_is_the_documented_one(owner: Owner, key: ResourceKey, path: str, place: Place) -> None:
    """Architecture §12, in both directions."""
    assert LAYOUT.path(owner, key, "a/b.dcm") == path
    assert LAYOUT.locate(path) == place
    assert (place.kind, place.key) == (owner.kind, key)


@pytest.mark.parametrize(
    ("owner", "path", "folders"),
    [
        (SESSION, "P/S1/S1_MR/session.xml", ("P/S1/S1_MR",)),
        (SUBJECT, "P/S1/subject.xml", ("P/S1",)),
        (PROJECT, "P/project.xml", ("P",)),
    ],
)
def test_metadata_lie_in_the_folder_of_their_owner(owner: Owner, path: str, folders: tuple[str, ...]) -> None:
    """And are found there as what they are."""
    found = LAYOUT.locate(path)

    assert (LAYOUT.sidecar(owner), LAYOUT.folders(owner)) == (path, folders)
    assert found is not None
    assert (found.kind, found.sidecar, found.name, found.resource) == (owner.kind, True, "", "")


@pytest.mark.parametrize(
    "path",
    ["", "P", "P/S1", "P/S1/S1_MR", "P/S1/S1_MR/notes.txt", "P/S1/S1_MR/scans/4/resources/DICOM/files",
     "P/S1/session.xml", "P/S1/S1_MR/scans/4/resources/DICOM/files/", "P/S1/S1_MR/scans/4/DICOM/files/a",
     "/P/resources/R/files/a",
     "P/resources/R/files/../a", "P/resources/R/file/a", "P//R/files/a", "P/resources/R/files/a\0b",
     ".xnatsync/sentinel"],
)  # fmt: skip
def test_what_lies_elsewhere_is_nobodys(path: str) -> None:
    """Notes, half paths, and what is no path at all."""
    assert LAYOUT.locate(path) is None


# --- templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "text", "words"),
    [
        ("scan", "{project}/{session}/{scan}/{resource}", "at its end"),
        ("scan", "{path}/{project}/{session}/{scan}/{resource}", "at its end"),
        ("scan", "{project}/{session}/{scan}/{resource}/{path}.gz", "at its end"),
        ("scan", "{project}/{session}/{resource}/{path}", "without {scan}"),
        ("scan", "{project}/{session}/{scan}/{path}", "without {resource}"),
        ("scan", "{project}/{subject}/{scan}/{resource}/{path}", "without {session} or {session_id}"),
        ("scan", "{session_id}/{scan}/{resource}/{path}", "without {project}"),
        ("session", "{project}/{resource}/{path}", "without {session} or {session_id}"),
        ("subject", "{project}/r/{resource}/{path}", "without {subject}"),
        ("project", "r/{resource}/{path}", "without {project}"),
        ("scan", "{project}/{session}_{scan}/{resource}/{path}", "one place"),
        ("scan", "{project}/{session}/{scan}/{resource}-{path}", "one place"),
        ("scan", "{project}/{project}/{session}/{scan}/{resource}/{path}", "twice"),
        ("session", "{project}/{session}/{scan}/{resource}/{path}", "{scan} is nothing that a session has"),
        ("project", "{project}/{subject}/{resource}/{path}", "{subject} is nothing that a project has"),
        ("scan", "{project}/{label}/{session}/{scan}/{resource}/{path}", "{label} is nothing"),
        ("scan", "{project}/{session/{scan}/{resource}/{path}", "write places as"),
        ("scan", "{project}/{}/{session}/{scan}/{resource}/{path}", "{} is nothing"),
        ("scan", "/{project}/{session}/{scan}/{resource}/{path}", "a folder without a name"),
        ("scan", "../{project}/{session}/{scan}/{resource}/{path}", "`..`"),
        ("scan", "C:/{project}/{session}/{scan}/{resource}/{path}", "Windows"),
        ("scan", ".xnatsync/{project}/{session}/{scan}/{resource}/{path}", "folder of this program"),
        ("scan", "{project}\\x/{session}/{scan}/{resource}/{path}", "backslash"),
        ("scan", "", "a folder without a name"),
    ],
)
def test_a_template_that_would_lose_something_is_refused(level: Tier, text: str, words: str) -> None:
    """With the level first, and the reason."""
    with pytest.raises(ValueError, match=words.replace("{", r"\{").replace("}", r"\}").replace(".", r"\.")) as caught:
        Layout.parse({level: text})
    assert str(caught.value).startswith(f"{level}: ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # a scan's file could be a session's whose file lies in a folder
        ({"scan": "{project}/{session}/{scan}/{resource}/{path}"},
     {"session": "{project}/{session}/{resource}/{path}"}),
        ({"session": "{project}/{session}/{resource}/{path}"}, {"subject": "{project}/{subject}/{resource}/{path}"}),
        ({"subject": "{project}/s{subject}/{resource}/{path}"}, {"session": "{project}/se{session}/{resource}/{path}"}),
        ({"subject": "{project}/X/{subject}/{resource}/{path}"}, {"project": "{project}/x/{resource}/{path}"}),
        ({"scan": "{project}/{session}/{scan}/{resource}/{path}"}, {}),
    ],
)  # fmt: skip
def test_templates_that_could_meet_are_refused(one: dict[Tier, str], other: dict[Tier, str]) -> None:
    """Nobody could tell from a path whose file it is."""
    if not other:
        assert Layout.parse(one)  # meets none of the defaults
        return
    with pytest.raises(ValueError, match="could have the same path"):
        Layout.parse({**one, **other})


def test_fixed_text_around_places_tells_templates_apart() -> None:
    """Before or behind them; letter case alone does not."""
    before: dict[Tier, str] = {
        "subject": "{project}/sub-{subject}/{resource}/{path}",
        "session": "{project}/ses-{session}/{resource}/{path}",
        "scan": "{project}/raw-{session}/{scan}/{resource}/{path}",
    }
    behind: dict[Tier, str] = {
        "subject": "{project}/{subject}_sub/{resource}/{path}",
        "session": "{project}/{session}_ses/{resource}/{path}",
        "scan": "{project}/{session}_raw/{scan}/{resource}/{path}",
    }
    for texts in (before, behind):
        layout = Layout.parse(texts)
        own, scan = layout.path(SESSION, OWN, "f"), layout.path(SESSION, SCAN, "f")
        assert layout.folders(SESSION) == (own.removesuffix("/QC/f"), scan.removesuffix("/4/DICOM/f"))
        with pytest.raises(ValueError, match="same path"):
            Layout.parse({**texts, "session": texts["session"].replace("ses-", "SUB-").replace("_ses", "_SUB")})


def test_one_project_needs_no_name_and_takes_no_other() -> None:
    """What the template leaves out is known all the same."""
    texts: dict[Tier, str] = {tier: text.removeprefix("{project}/") for tier, text in DEFAULTS.items()}
    layout = Layout.parse(texts, project="P")

    path = layout.path(SESSION, SCAN, "a")
    assert path == "S1/S1_MR/scans/4/resources/DICOM/files/a"
    assert layout.locate(path) == LAYOUT.locate(f"P/{path}")
    assert (layout.sidecar(PROJECT), layout.folders(PROJECT)) == ("project.xml", ("",))
    with pytest.raises(ValueError, match="P alone"):
        layout.path(Owner(OwnerKind.PROJECT, "Q", "Q"), OWN, "a")


def test_a_session_may_have_two_folders_or_none() -> None:
    """Where raw and derived data lie apart; and where the resource comes first."""
    apart = Layout.parse({
        "scan": "raw/{project}/{session}/{scan}/{resource}/{path}",
        "session": "derived/{project}/{session}/{resource}/{path}",
    })  # fmt: skip
    first = Layout.parse({"session": "{project}/by/{resource}/{session}/{path}"})

    assert apart.folders(SESSION) == ("derived/P/S1_MR", "raw/P/S1_MR")
    assert apart.sidecar(SESSION) == "derived/P/S1_MR/session.xml"
    assert (first.folders(SESSION), first.sidecar(SESSION)) == ((), None)


def test_a_folder_that_others_share_is_nobodys_own() -> None:
    """Moving it would move what is not the owner's."""
    shared = Layout.parse({
        "scan": "{project}/{subject}/{session}/s/{scan}/{resource}/{path}",
        "session": "{project}/{subject}/{session}/r/{resource}/{path}",
        "subject": "{project}/x/{subject}/q/{resource}/{path}",
    })  # fmt: skip
    alike = Layout.parse(
        {"session": "{project}/{session}/r/{resource}/{path}", "subject": "{project}/{subject}/s/{resource}/{path}"}
    )

    assert shared.folders(SUBJECT) == ("P/x/S1",)
    assert (alike.folders(SESSION), alike.sidecar(SUBJECT)) == ((), None)


@pytest.mark.parametrize(
    ("text", "folder"),
    [("T1w", "T1w"), ("T1 / MPR", "T1 _ MPR"), ("", "_"), ("..", "_"), ("a\\b:c*?", "a_b_c__"), ("x\n", "x_"),
     ("é日", "é日"), ("x" * 300, "x" * 60), (" a. ", "a")],
)  # fmt: skip
def test_a_scan_type_becomes_a_folder_whatever_is_in_it(text: str, folder: str) -> None:
    """It is for people; what identifies the file is beside it."""
    layout = Layout.parse({"scan": "{project}/{session}/scans/{scan_type}/{scan}/{resource}/{path}"}, windows=True)
    path = layout.path(SESSION, SCAN, "a", scan_type=text)
    place = layout.locate(path)

    assert tame(text) == folder
    assert path == f"P/S1_MR/scans/{folder}/4/DICOM/a"
    assert place is not None
    assert (place.scan, place.key) == ("4", SCAN)


# --- names -------------------------------------------------------------------------------------------------------

HOSTILE = [
    "", ".", "..", "../a", "a/../b", "a/..", "a//b", "/a", "a/", "a\0b", "a\nb", "a\x7fb", "a\\b", "..\\a", "C:\\a",
    "C:/a", "c:a", "x" * 256, "é" * 128, "a/" + "x" * 256, "a\u202eb", "a\u2028b", "a\ud800b", ".xnatsync",
     ".XNATsync/a",
    "a/.xnatsync/b", "/".join(["x" * 200] * 20),
]  # fmt: skip
WINDOWS = ["CON", "con.txt", "aux", "a/NUL/b", "COM1", "lpt9.x.y", "com\u00b9", "a.", "a ", "a./b", "a<b", 'a"b',
           "a|b", "a?b", "CONOUT$", "nul .txt"]  # fmt: skip
FINE = ["a", "a.dcm", ".hidden", "a b", "é", "e\u0301", "日本/語.nii.gz", "x" * 255, "é" * 127, "CONTROL", "com10",
     "a..b", "...a",
        "-rf", "$(x)", "'", "a\u200db", "session.xml", "a/b/c/d/e/f"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_never_a_path(name: str) -> None:
    """On any system, in files, scans, labels; the reason does not repeat it."""
    with pytest.raises(HostileName) as caught:
        LAYOUT.path(SESSION, SCAN, name)
    assert len(name) < 4 or name == ".xnatsync" or name not in str(caught.value)
    for owner, key in [
        (Owner(OwnerKind.SESSION, "P", "E", subject="S", session=name), SCAN),
        (Owner(OwnerKind.SESSION, "P", "E", subject=name, session="S"), SCAN),
        (SESSION, ResourceKey("4", name)),
        (SESSION, ResourceKey(name or "..", "R")),
    ]:
        if name not in {"C:/a", "c:a"} or "/" in name:  # a drive letter matters at the beginning alone
            with pytest.raises(HostileName):
                LAYOUT.path(owner, key, "a")


@pytest.mark.parametrize("name", WINDOWS)
def test_what_windows_refuses_is_refused_where_that_is_asked_for(name: str) -> None:
    """Elsewhere such a name is a name."""
    assert LAYOUT.locate(LAYOUT.path(SESSION, SCAN, name)) is not None
    with pytest.raises(HostileName):
        Layout.parse(windows=True).path(SESSION, SCAN, name)
    assert Layout.parse(windows=True).locate(LAYOUT.path(SESSION, SCAN, name)) is None


@pytest.mark.parametrize("name", FINE)
def test_an_odd_name_is_a_name(name: str) -> None:
    """Dot-files, blanks, other alphabets, what only looks like something reserved."""
    for windows in (False, True):
        layout = Layout.parse(windows=windows)
        place = layout.locate(layout.path(SESSION, SCAN, name))
        assert place is not None
        assert place.name == name
    assert check_path(name) == name


@pytest.mark.parametrize("label", ["session.xml", "Subject.XML", "project.xml"])
def test_a_label_called_like_metadata_is_refused(label: str) -> None:
    """Its folder would lie where the file belongs."""
    with pytest.raises(HostileName, match="metadata"):
        LAYOUT.path(Owner(OwnerKind.SESSION, "P", "E", subject="S", session=label), SCAN, "a")


@pytest.mark.parametrize(
    ("owner", "key", "name"),
    [
        # each of these has the path of another level's file
        (Owner(OwnerKind.SESSION, "P", "E", subject="S", session="resources"), ResourceKey("", "files"), "x"),
        (Owner(OwnerKind.SUBJECT, "P", "S", subject="resources"), ResourceKey("", "files"), "x"),
        (Owner(OwnerKind.SESSION, "P", "E", subject="resources", session="R"), ResourceKey("", "x"), "a"),
        (Owner(OwnerKind.SESSION, "P", "E", subject="S", session="resources"), ResourceKey("files", "R"), "x"),
    ],
)
def test_a_label_that_reads_like_a_folder_of_the_layout_never_confuses(
    owner: Owner, key: ResourceKey, name: str
) -> None:
    """Either it is refused, or it is found again as what it is."""
    try:
        path = LAYOUT.path(owner, key, name)
    except HostileName:
        return
    place = LAYOUT.locate(path)
    assert place is not None
    assert (place.kind, place.key, place.name, place.session) == (owner.kind, key, name, owner.session)


def test_of_two_that_share_a_path_one_is_refused() -> None:
    """A session called `resources` with a resource called `files`, and a subject with a file in folders."""
    subject = LAYOUT.path(Owner(OwnerKind.SUBJECT, "P", "S", subject="S"), ResourceKey("", "resources"), "files/x")

    assert subject == "P/S/resources/resources/files/files/x"
    with pytest.raises(HostileName, match="something else"):
        LAYOUT.path(Owner(OwnerKind.SESSION, "P", "E", subject="S", session="resources"), ResourceKey("", "files"), "x")


# --- clashes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "groups"),
    [
        (["a", "b", "a/b"[:1] + "c"], ()),
        (["x/a", "x/b", "y/a"], ()),
        (["a", "A", "b"], (("A", "a"),)),
        (["d/a", "D/b", "e/c"], (("D/b", "d/a"),)),
        (["d/a", "d/b", "D/c"], (("D/c", "d/a", "d/b"),)),
        (["caf\u00e9", "cafe\u0301"], (("cafe\u0301", "caf\u00e9"),)),
        (["stra\u00dfe", "STRASSE"], (("STRASSE", "stra\u00dfe"),)),
        (["a", "a/b", "c"], (("a", "a/b"),)),
        (["x/a/b", "x/a", "x/c"], (("x/a", "x/a/b"),)),
        (["A/b", "a"], (("A/b", "a"),)),
        (["a", "a", "b"], (("a", "a"),)),
        (["p/a", "p/A", "q/b", "q/B"], (("p/A", "p/a"), ("q/B", "q/b"))),
        ([], ()),
    ],
)
def test_paths_that_some_disk_takes_for_one_are_found(paths: list[str], groups: tuple[tuple[str, ...], ...]) -> None:
    """Case, Unicode forms, a file where a folder is, the same twice; whatever the order."""
    assert clashes(paths) == groups
    assert Layout.clashes(reversed(paths)) == groups
