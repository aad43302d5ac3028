"""A mirror that came by post is a source like a server: what it gives is what its manifest says, or nothing."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from transfer.pair import PROJECT, Pair
from xnatsync.app.tree_manifest import ListedFile, TreeList
from xnatsync.core.described import Described, ThingKind
from xnatsync.core.errors import ContentDiffers, ListInvalid, NotThere, ReadFailed
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.layout import Layout
from xnatsync.core.packing import SMALL_BYTES
from xnatsync.core.sent_tree import read_sent_tree
from xnatsync.disk.tree import LocalTree
from xnatsync.routes.transfer.carry import carry
from xnatsync.routes.transfer.load import Carried, Load
from xnatsync.routes.transfer.tree_source import TreeSource
from xnatsync.views.tree_manifest import manifest_text

KEY = ResourceKey("1", "DICOM")
HERE = Owner(OwnerKind.SESSION, PROJECT, "XNAT_E7", "S1", "XNAT_S3", "S1_MR")
FILES = {f"{number:02}.dcm": bytes([number]) * 900 for number in range(8)} | {
    "empty": b"",
    "a b/ü%.txt": b"odd",
    "big.raw": random.Random(3).randbytes(SMALL_BYTES + 77),
}


def written(folder: Path, files: Mapping[str, bytes]) -> str:
    """Lays a mirror down as its layout says, and returns its manifest as the program writes it."""
    layout, listed = Layout.parse(project=PROJECT), []

    def lay(path: str, content: bytes, owner: Owner, key: ResourceKey, name: str) -> None:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        listed.append(
            ListedFile(
                path, len(content), hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest(), PROJECT,
                owner.subject, owner.session, owner.id, key.scan, key.label, name, "2026-01-01T00:00:00.000000Z",
            )
        )  # fmt: skip

    for name, content in files.items():
        lay(layout.path(HERE, KEY, name), content, HERE, KEY, name)
    sidecar = layout.sidecar(HERE)
    assert sidecar is not None
    lay(sidecar, b"<xnat:MRSession/>", HERE, ResourceKey("", ""), "session.xml")
    made = TreeList("xnatsync 0", "https://from.example", "m", "2026-01-01T00:00:00.000000Z",
                    tuple(sorted(listed, key=lambda file: file.path.encode())))  # fmt: skip
    return manifest_text(made, "json")


def described(owner: Owner, xml: bytes) -> Described:
    return Described(ThingKind.SESSION, owner.id, owner.session, fields=(("xml", xml.decode()),))


@pytest.fixture
def tree(tmp_path: Path) -> TreeSource:
    """A mirror of one session."""
    return TreeSource(LocalTree(), tmp_path, read_sent_tree(written(tmp_path, FILES)), described)


def carried(pair: Pair, tree: TreeSource, *, threads: bool = True) -> Carried:
    listed = tree.all_files([HERE])[HERE].files
    load = Load(KEY, KEY, listed, listed)
    return carry(tree, pair.destination.server, HERE, pair.destination.owner, load, request_id="r", threads=threads)


@pytest.mark.parametrize("threads", [True, False])
def test_everything_arrives_from_a_disk(pair: Pair, tree: TreeSource, threads: bool) -> None:
    """Byte for byte, and the folder is only read."""
    before = {path: path.stat().st_mtime_ns for path in tree.folder.rglob("*")}

    done = carried(pair, tree, threads=threads)

    assert done.complete, done
    assert pair.destination.held(KEY) == FILES
    assert {path: path.stat().st_mtime_ns for path in tree.folder.rglob("*")} == before


def test_it_lists_and_describes_as_a_server(tree: TreeSource) -> None:
    """Entities with their labels and IDs, a subject that has no file of its own, resources with their sums."""
    found = tree.inventory(PROJECT, frozenset(OwnerKind))

    named = {(owner.kind, owner.id, owner.subject, owner.session) for owner in found.owners}
    assert named == {(OwnerKind.SESSION, "XNAT_E7", "S1", "S1_MR"), (OwnerKind.SUBJECT, "S1", "S1", "")}
    (resources,) = [seen for owner, seen in found.owners.items() if owner.kind is OwnerKind.SESSION]
    assert [(seen.key, seen.files, seen.size) for seen in resources] == [
        (KEY, len(FILES), sum(map(len, FILES.values())))
    ]
    assert tree.describe(HERE).fields == (("xml", "<xnat:MRSession/>"),)
    with pytest.raises(NotThere):
        tree.inventory("OTHER", frozenset(OwnerKind))
    with pytest.raises(NotThere):
        tree.metadata(replace(HERE, session="nobody"))


def test_an_entity_changes_its_stamp_with_its_files(tree: TreeSource, tmp_path: Path) -> None:
    """So a second journey is noticed."""
    other = read_sent_tree(written(tmp_path / "second", FILES | {"new": b"new"}))

    def stamps(found: TreeSource) -> set[str]:
        owners = found.inventory(PROJECT, frozenset({OwnerKind.SESSION})).owners
        return {owner.stamp for owner in owners}

    assert stamps(tree) == stamps(tree)
    assert stamps(tree) != stamps(replace(tree, tree=other))


@pytest.mark.parametrize("name", ["03.dcm", "big.raw"])
@pytest.mark.parametrize("harm", ["other", "longer", "shorter", "gone", "link"])
def test_a_file_that_is_not_what_the_manifest_says_never_arrives(
    pair: Pair, tree: TreeSource, tmp_path: Path, name: str, harm: str
) -> None:
    """The others do, and it is lost at the source."""
    place = tmp_path / Layout.parse(project=PROJECT).path(HERE, KEY, name)
    content = place.read_bytes()
    place.unlink()
    if harm == "link":
        place.with_name("elsewhere").write_bytes(content)
        place.symlink_to(place.with_name("elsewhere"))
    elif harm != "gone":
        place.write_bytes({"other": content[:-1] + b"?", "longer": content + b"?", "shorter": content[:-1]}[harm])

    done = carried(pair, tree)

    assert [left.name for left in done.lost] == [name]
    assert isinstance(done.lost[0].error, (ContentDiffers, NotThere, ReadFailed))
    assert {one.name for one in done.arrived} == FILES.keys() - {name}
    assert name not in pair.destination.held(KEY)
    assert done.failure is None


def test_metadata_that_were_changed_describe_nothing(tree: TreeSource, tmp_path: Path) -> None:
    """They are a file like the others."""
    sidecar = Layout.parse(project=PROJECT).sidecar(HERE)
    assert sidecar is not None
    (tmp_path / sidecar).write_bytes(b"<xnat:CTSession/>")
    with pytest.raises(ContentDiffers):
        tree.describe(HERE)


HARMS = {
    "no JSON": lambda text: text[:-20],
    "another document": lambda text: text.replace("mirror-manifest", "mirror-diff"),
    "a digest": lambda text: text.replace(hashlib.sha256(b"odd").hexdigest(), hashlib.sha256(b"add").hexdigest()),
    "a path": lambda text: text.replace("03.dcm", "33.dcm", 1),
    "a path out of the tree": lambda text: json.dumps(_with(text, path="../x")),
    "an absolute path": lambda text: json.dumps(_with(text, path="/etc/passwd")),
    "no size": lambda text: json.dumps(_with(text, size=None)),
    "a negative size": lambda text: json.dumps(_with(text, size=-1)),
    "no digest": lambda text: json.dumps(_with(text, sha256="x")),
    "a name that is a number": lambda text: json.dumps(_with(text, name=5)),
    "a file less": lambda text: json.dumps({**json.loads(text), "entries": json.loads(text)["entries"][1:]}),
    "a file twice": lambda text: json.dumps({**json.loads(text), "entries": json.loads(text)["entries"][:1] * 2}),
    "no list": lambda text: json.dumps({**json.loads(text), "entries": {}}),
    "a list": lambda text: "[]",
}


def _with(text: str, **more: object) -> dict[str, object]:
    document: dict[str, object] = json.loads(text)
    entries = document["entries"]
    assert isinstance(entries, list)
    entries[0] |= more
    return document


@pytest.mark.parametrize("harm", HARMS)
def test_a_manifest_that_was_harmed_is_refused(tmp_path: Path, harm: str) -> None:
    """Whole, it is taken; it says from where and when it is."""
    text = written(tmp_path, {name: FILES[name] for name in ("03.dcm", "a b/ü%.txt")})
    found = read_sent_tree(text)
    assert (found.server, len(found.files)) == ("https://from.example", 3)
    with pytest.raises(ListInvalid):
        read_sent_tree(HARMS[harm](text))
