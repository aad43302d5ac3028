"""Files go from server to server as they are, or are told by name; nothing else is ever stored."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zipfile

import pytest

from transfer.pair import KEY, Pair
from xnatsync.core.errors import ContentDiffers, NameRefused, NotThere, OutcomeUnknown, ReadFailed
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.packing import SMALL_BYTES
from xnatsync.routes.transfer.carry import Carrier, Reading, pack_bytes
from xnatsync.routes.transfer.load import Carried
from xnatsync.routes.transfer.proof import prove

OWN = ResourceKey("", "NOTES")
ZIPS = r"/scans/1/resources/DICOM/files\?format=zip"
ONE = r"/resources/DICOM/files/"


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def names(carried: Carried) -> dict[str, list[str]]:
    """What became of each file."""
    lists = {name: getattr(carried, name) for name in ("arrived", "occupied", "lost", "changed", "refused")}
    return {name: sorted(one.name for one in found) for name, found in lists.items() if found}


def a_zip(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


# --- whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("key", [KEY, OWN])
def test_every_file_arrives_byte_for_byte(pair: Pair, key: ResourceKey, threads: bool) -> None:
    """Small ones, an empty one, one in a folder, a big one; the digests are those of the bytes."""
    files = {f"{number:03}.dcm": noise(2000, number) for number in range(20)}
    files |= {"empty.txt": b"", "sub folder/two.txt": b"two", "big.raw": noise(SMALL_BYTES + 5)}
    pair.source.plant(files, key)

    carried = pair.carry(pair.load(key), threads=threads)

    assert carried.complete, carried
    assert pair.destination.held(key) == files
    assert {one.name: one.sha256 for one in carried.arrived} == {
        name: hashlib.sha256(content).digest() for name, content in files.items()
    }
    assert carried.bytes == sum(map(len, files.values()))
    assert prove(pair.destination.server, pair.destination.owner, key, carried.arrived).complete
    assert not pair.source.asked("PUT", "POST", "DELETE")


def test_two_thousand_small_files_go_in_few_requests(pair: Pair) -> None:
    """One zip on each side, and a listing."""
    pair.source.plant({f"{number:04}.dcm": b"%d" % number * 50 for number in range(2000)})
    load = pair.load()
    before = len(pair.source.asked("GET"))

    carried = pair.carry(load)

    assert len(carried.arrived) == 2000
    assert len(pair.source.asked("GET")) - before == 1
    assert [method for method, _ in pair.destination.asked("PUT", "POST")] == ["PUT"]


def test_what_somebody_packed_stays_packed(pair: Pair) -> None:
    """XNAT unpacks a zip of ours, and never one of theirs."""
    files = {"data.zip": a_zip(inner=b"x"), "t1.nii.gz": gzip.compress(b"nifti"), "a.tar": b"tar", "b.tgz": b"tgz"}
    pair.source.plant({**files, "1.txt": b"1", "2.txt": b"2", "3.txt": b"3", "4.txt": b"4"}, OWN)

    assert pair.carry(pair.load(OWN)).complete
    assert pair.destination.held(OWN) == pair.source.held(OWN)


def test_nothing_is_asked_for_nothing(pair: Pair) -> None:
    """A resource without files."""
    pair.source.plant({})
    load = pair.load()
    before = pair.source.asked("GET")

    assert pair.carry(load) == Carried()
    assert pair.source.asked("GET") == before
    assert not pair.destination.box.log


def test_packs_are_as_small_as_memory_wants(pair: Pair) -> None:
    """Several workers share the memory of one."""
    pair.source.plant({f"{number}.dcm": noise(1000, number) for number in range(10)})

    carried = pair.carry(pack=2500)

    assert carried.complete
    assert carried.requests == 5
    assert pack_bytes(1) >= pack_bytes(2) >= pack_bytes(64) > 0
    assert 3 * 4 * pack_bytes(4) <= 3 * pack_bytes(1) <= 96 << 20


def test_several_resources_are_read_ahead_in_their_order(pair: Pair) -> None:
    """One that nobody carries in the end is passed over."""
    keys = [KEY, ResourceKey("2", "DICOM"), OWN]
    for number, key in enumerate(keys):
        pair.source.plant({f"{number}-{each}": noise(500, each) for each in range(6)}, key)
    loads = [pair.load(key) for key in keys]

    with Reading(pair.source.server, pair.source.owner, loads) as reading:
        for load in (loads[0], loads[2]):
            carrier = Carrier(pair.destination.server, pair.destination.owner, load, f"r-{load.target.label}")
            assert carrier.carry(reading.of(load)).complete

    assert pair.destination.held(KEY) == pair.source.held(KEY)
    assert pair.destination.held(OWN) == pair.source.held(OWN)
    assert not pair.destination.session.scans["2"].resources


def test_many_resources_all_come_whoever_is_faster(pair: Pair) -> None:
    """Each of them ends, and none is skipped."""
    keys = [ResourceKey("", f"R{number}") for number in range(12)]
    for key in keys:
        pair.source.plant({f"{key.label}.{each}": b"%d" % each for each in range(3)}, key)
    loads = [pair.load(key) for key in keys]

    with Reading(pair.source.server, pair.source.owner, loads) as reading:
        done = [
            Carrier(pair.destination.server, pair.destination.owner, load, load.target.label).carry(reading.of(load))
            for load in loads
        ]

    assert [len(carried.arrived) for carried in done] == [3] * 12


def test_a_load_that_never_ended_is_no_success(pair: Pair) -> None:
    """Although nothing went wrong with what came of it."""
    pair.source.plant({"1": b"1"})
    load = pair.load()

    carried = Carrier(pair.destination.server, pair.destination.owner, load, "r").carry(iter(()))

    assert isinstance(carried.failure, ReadFailed)
    assert not carried.complete


# --- names -------------------------------------------------------------------------------------------------------

ODD_NAMES = [
    "a b.txt", "ä ö ü.txt", "日本.txt", "100%.txt", "a%20b.txt", "a+b.txt", "a&b=c.txt", "a;b.txt", "a#b.txt",
    "a?b.txt", "a'b.txt", 'a"b.txt', "a:b.txt", "a|b.txt", "a<b>.txt", "[1].txt", "{a}.txt", "~a", ".hidden", "-a",
    "a,b.txt", "a@b.txt", "a$b.txt", "e\u0301.txt", "é.txt", "\U0001f600.txt", "trailing ", "trailing.", "a\tb.txt",
    "catalog.xml", "my_catalog.xml", "star*", "st*r.txt", "x" * 255, "x" * 251 + ".zip", "a b.zip", "a%b.zip",
    "a#b.zip", "deep/er/and deeper/f.txt", "a\x7fb.txt", "NUL", "con.txt", "\u202etxt.exe",
]  # fmt: skip


@pytest.mark.parametrize("big", [False, True])
def test_any_name_arrives_as_it_is_or_is_refused_by_name(pair: Pair, big: bool) -> None:
    """Before the first byte; nothing ends up under another name, and nothing is missing without a word."""
    size = SMALL_BYTES if big else 40
    chosen = [name for name in ODD_NAMES if not name.endswith("atalog.xml")]
    chosen = chosen[::4] if big else chosen
    pair.source.plant({name: name.encode() + bytes(size) for name in chosen}, OWN)
    load = pair.load(OWN)

    carried = pair.carry(load)

    told = names(carried)
    assert carried.failure is None
    assert set(told) <= {"arrived", "refused"}
    assert sorted(told.get("arrived", []) + told.get("refused", [])) == sorted(file.name for file in load.files)
    held = pair.source.held(OWN)
    assert pair.destination.held(OWN) == {name: held[name] for name in told["arrived"]}
    assert all(isinstance(left.error, NameRefused) for left in carried.refused)
    if not big:
        assert len(told["arrived"]) > 25


def test_a_resource_that_could_not_be_found_again_is_refused_before_the_first_byte(pair: Pair) -> None:
    """Its label is a number, or holds what no address can say."""
    pair.source.plant({"a.txt": b"a"}, OWN)
    load = pair.load(OWN)
    bad = type(load)(load.source, ResourceKey("", "12"), load.files)
    before = pair.source.asked("GET")

    assert names(pair.carry(bad)) == {"refused": ["a.txt"]}
    assert pair.source.asked("GET") == before


# --- a source that does not keep its word ------------------------------------------------------------------------


def test_bytes_changed_behind_the_catalogue_never_arrive(pair: Pair) -> None:
    """Of equal size, shorter and longer; the others arrive.  Each is told as lost, and asked for twice."""
    pair.source.plant({f"{number}.dcm": noise(3000, number) for number in range(10)})
    load = pair.load()
    pair.source.rot("3.dcm", noise(3000, 99))
    pair.source.rot("4.dcm", noise(2000, 4))
    pair.source.rot("5.dcm", noise(4000, 5))

    carried = pair.carry(load)

    assert names(carried)["lost"] == ["3.dcm", "4.dcm", "5.dcm"]
    assert set(pair.destination.held()) == {f"{number}.dcm" for number in (0, 1, 2, 6, 7, 8, 9)}
    assert {type(left.error) for left in carried.lost} == {ContentDiffers}
    assert carried.failure is None


@pytest.mark.parametrize("kept", [-1, 0, 1])
def test_a_big_file_that_turns_out_wrong_is_cut_before_its_end(pair: Pair, kept: int) -> None:
    """The destination never holds it whole, and the caller knows that a part may be there."""
    size = 2 * SMALL_BYTES
    pair.source.plant({"big.raw": noise(size), "small.txt": b"s"})
    load = pair.load()
    pair.source.rot("big.raw", noise(size + kept, 7))

    carried = pair.carry(load)

    assert names(carried) == {"arrived": ["small.txt"], "lost": ["big.raw"]}
    assert carried.begun == ["big.raw"]
    assert "big.raw" not in pair.destination.held()


def test_a_file_that_the_source_no_longer_has_is_lost_and_the_others_arrive(pair: Pair) -> None:
    """It is listed, and the zip comes without it; alone it is not found."""
    pair.source.plant({f"{number}.dcm": noise(300, number) for number in range(8)})
    load = pair.load()
    pair.source.site.store.delete(f"{pair.source.resource(KEY).folder}/2.dcm")

    carried = pair.carry(load)

    assert names(carried)["lost"] == ["2.dcm"]
    assert len(carried.arrived) == 7
    assert isinstance(carried.lost[0].error, (NotThere, ReadFailed))


def test_what_was_deleted_or_replaced_meanwhile_is_no_loss(pair: Pair) -> None:
    """The listing has changed: looked at again in the next step."""
    pair.source.plant({f"{number}.dcm": noise(300, number) for number in range(8)})
    load = pair.load()
    entries = pair.source.resource(KEY).entries
    pair.source.plant({"3.dcm": b"another"})
    pair.source.site.store.delete(f"{pair.source.resource(KEY).folder}/2.dcm")
    del entries["2.dcm"]

    carried = pair.carry(load)

    assert names(carried)["changed"] == ["2.dcm", "3.dcm"]
    assert len(carried.arrived) == 6


@pytest.mark.parametrize("status", [404, 500])
def test_a_source_that_answers_badly_for_one_file_loses_that_file(pair: Pair, status: int) -> None:
    """Asked for twice, and not more often."""
    pair.source.plant({"1.txt": b"1", "2.txt": b"2"})
    fault = pair.source.fault("GET", ONE + r"2\.txt", "status", status=status, times=99)

    carried = pair.carry()

    assert names(carried) == {"arrived": ["1.txt"], "lost": ["2.txt"]}
    assert fault.hits == 2


def test_a_zip_that_is_cut_once_costs_nothing_but_requests(pair: Pair) -> None:
    """What had not come is asked for file by file."""
    pair.source.plant({f"{number}.dcm": noise(100_000, number) for number in range(6)})
    load = pair.load()
    pair.source.fault("GET", ZIPS, "cut_response", bytes=250_000)

    carried = pair.carry(load)

    assert carried.complete, carried
    assert pair.destination.held() == pair.source.held()


def test_a_big_file_is_gone_on_with_after_a_cut(pair: Pair) -> None:
    """In the same request to the destination."""
    pair.source.plant({"big.raw": noise(2 * SMALL_BYTES + 3)})
    load = pair.load()
    pair.source.fault("GET", ONE, "cut_response", bytes=SMALL_BYTES)

    carried = pair.carry(load)

    assert carried.complete, carried
    assert carried.requests == 1
    assert pair.destination.held() == pair.source.held()


def test_a_big_file_that_is_cut_each_time_is_lost(pair: Pair) -> None:
    """And the rest arrives."""
    pair.source.plant({"big.raw": noise(2 * SMALL_BYTES), "x.txt": b"x"})
    load = pair.load()
    pair.source.fault("GET", ONE + "big", "cut_response", bytes=SMALL_BYTES // 4, times=99)

    carried = pair.carry(load)

    assert names(carried) == {"arrived": ["x.txt"], "lost": ["big.raw"]}
    assert "big.raw" not in pair.destination.held()


def test_a_source_that_cuts_everything_ends_it_and_loses_nothing(pair: Pair) -> None:
    """It is not the files then."""
    pair.source.plant({f"{number}.dcm": noise(100_000, number) for number in range(9)})
    load = pair.load()
    pair.source.fault("GET", "/files", "cut_response", bytes=10, times=99)

    carried = pair.carry(load)

    assert isinstance(carried.failure, ReadFailed)
    assert names(carried) == {}


def test_a_file_without_a_listed_size_is_measured_first(pair: Pair) -> None:
    """And one without a digest is taken as it comes, its digest is told."""
    content = noise(SMALL_BYTES + 9)
    pair.source.plant({"big.raw": content, "small.txt": b"small"})
    load = pair.load()
    bare = tuple(type(file)(file.scan, file.resource, file.name, None) for file in load.files)

    carried = pair.carry(type(load)(load.source, load.target, bare))

    assert carried.complete, carried
    assert pair.destination.held() == pair.source.held()
    assert {one.md5 for one in carried.arrived} == {hashlib.md5(each).hexdigest() for each in (content, b"small")}


# --- a destination that does not keep its word -------------------------------------------------------------------


def test_what_is_there_already_is_never_overwritten(pair: Pair) -> None:
    """Of a small file in company, of one alone and of a big one; the others arrive."""
    files = {f"{number}.dcm": noise(300, number) for number in range(6)} | {"b.zip": b"zip", "big": noise(SMALL_BYTES)}
    pair.source.plant(files)
    pair.destination.plant({"2.dcm": b"theirs", "b.zip": b"theirs", "big": b"theirs"})

    carried = pair.carry()

    assert names(carried)["occupied"] == ["2.dcm", "b.zip", "big"]
    assert pair.destination.held() == files | {"2.dcm": b"theirs", "b.zip": b"theirs", "big": b"theirs"}
    assert pair.carry(pair.load(overwrite=True)).complete
    assert pair.destination.held() == files


@pytest.mark.parametrize("size", [300, SMALL_BYTES + 1])
def test_a_destination_that_is_cut_off_leaves_the_outcome_open(pair: Pair, size: int) -> None:
    """In the request, and before the answer."""
    pair.source.plant({"1.dcm": noise(size)})
    for kind in ("cut_request", "lost_reply"):
        pair.destination.fault("PUT", "/files/", kind)
        carried = pair.carry()
        assert isinstance(carried.failure, OutcomeUnknown)
        assert not carried.arrived


def test_other_bytes_at_the_destination_are_no_arrival(pair: Pair) -> None:
    """Each kind of lie is seen by the proof: other bytes, another size, no file at all; without a digest too."""
    pair.source.plant({f"{number}.dcm": noise(300, number) for number in range(6)})
    carried = pair.carry()
    there = pair.destination

    def proof() -> dict[str, list[str]]:
        found = prove(there.server, there.owner, KEY, carried.arrived)
        return {what: [one.name for one in getattr(found, what)] for what in ("missing", "differs")}

    assert proof() == {"missing": [], "differs": []}
    there.plant({"1.dcm": noise(300, 77), "2.dcm": noise(299, 2)})
    del there.resource(KEY).entries["3.dcm"]
    assert proof() == {"missing": ["3.dcm"], "differs": ["1.dcm", "2.dcm"]}
    for entry in there.resource(KEY).entries.values():
        entry.digest = ""
    assert proof() == {"missing": ["3.dcm"], "differs": ["2.dcm", "1.dcm"]}
