"""What is harmless beside images?  A positive list: content and name must both be known; all else is doubtful.

A file that cannot be read may be an object that was lost: a full disk, a cut line and a power cut leave empty, zeroed
and cut files.  So nothing is harmless because it is *not* something; it is so because it *is* something.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from xnatsync.core.manifest import Doubt

HEAD = 1 << 16  # bytes of a file's beginning that are looked at
NOT_DICOM = "not DICOM"
PROGRAM = "a program"
_SHORT = 8  # bytes: too few to say what they are
ZEROS_MIN = 512  # bytes of zeros at the end, if they are more than half of the file, are content that was lost

_TEXT_WORDS = (
    ".bat .bvec .bval .cfg .cmd .conf .css .csv .htm .html .inf .ini .js .json .log .md .manifest .md5 .out .ps1 "
    ".properties .py .r .reg .rst .rtf .sh .sha1 .sha256 .svg .toml .tsv .txt .url .vbs .xhtml .xml .xsd .xsl .yml"
)
_TEXTS = frozenset(_TEXT_WORDS.split())
_NAME_WORDS = (
    "authors changelog changes checksums contents copying copyright install leeme leggimi licence license liesmich "
    "lisezmoi md5sum md5sums news notice readme sha1sums sha256sum sha256sums todo version .directory .gitignore"
)
_TEXT_NAMES = frozenset(_NAME_WORDS.split())
_OLE, ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_PROGRAMS = (b"MZ", b"\x7fELF")
_MACHO = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(starts)


def _is_pdf(head: bytes) -> bool:
    return b"%PDF-" in head[:1024]


def _is_media(head: bytes) -> bool:
    return (head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"WAVE", b"WEBP"}) or head[4:8] == b"ftyp"


def _is_office(head: bytes) -> bool:
    names = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"mimetype")
    return head.startswith(ZIP) and head[30:].startswith(names)


def _is_java(head: bytes) -> bool:
    return head.startswith(ZIP) and head[30:].startswith((b"META-INF", b"com/", b"org/"))


# Suffixes, and how a file of that kind begins.
_BINARIES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    (".pdf", _is_pdf),
    (".png", _begins(b"\x89PNG\r\n\x1a\n")),
    (".jpg .jpeg .jpe .thm", _begins(b"\xff\xd8\xff")),
    (".gif", _begins(b"GIF87a", b"GIF89a")),
    (".bmp", _begins(b"BM")),
    (".tif .tiff", _begins(b"II*\0", b"MM\0*")),
    (".ico .cur", _begins(b"\0\0\1\0", b"\0\0\2\0")),
    (".avi .wav .webp .mp4 .mov .m4v", _is_media),
    (".wmv .wma", _begins(b"0&\xb2u\x8ef\xcf\x11")),
    (".exe .dll .ocx .sys .scr .cpl .drv .ax .mui .com", _begins(b"MZ")),
    (".so .bin", _begins(b"\x7fELF")),
    (".dylib", _begins(*_MACHO)),
    (".class", _begins(b"\xca\xfe\xba\xbe")),
    (".jar", _is_java),
    (".docx .xlsx .pptx .odt .ods .odp", _is_office),
    (".doc .xls .ppt .msi .msg", _begins(_OLE)),
    (".chm", _begins(b"ITSF")),
    (".hlp", _begins(b"?_\x03\0")),
    (".lnk", _begins(b"L\0\0\0\x01\x14\x02\0")),
    (".ttf .otf", _begins(b"\0\1\0\0", b"OTTO", b"true")),
    (".swf", _begins(b"FWS", b"CWS")),
    (".qm", _begins(b"<\xb8d\x18")),
)
_BY_SUFFIX = {suffix: begins for suffixes, begins in _BINARIES for suffix in suffixes.split()}
_BY_NAME: dict[str, Callable[[bytes], bool]] = {
    "thumbs.db": _begins(_OLE[:4]),
    "ehthumbs.db": _begins(_OLE[:4]),
    ".ds_store": _begins(b"\0\0\0\1Bud1"),
}
_APPLE_DOUBLE = b"\0\5\x16\x07"
_SIDES = ("@synoeastream", "@synoresource")  # what a file server keeps beside a file, in folders of its own
_SIDE_FOLDERS = frozenset({".appledouble", "@eadir"})
_OWN_FOLDERS = frozenset(  # of a system, on each medium: its index, its diary, its restore points
    {".fseventsd", ".spotlight-v100", ".documentrevisions-v100", "system volume information"}
)
_LOCKS = re.compile(r"\.~lock\..+#")  # of LibreOffice, beside a document that is open

_CONTAINERS: tuple[tuple[str, int, tuple[bytes, ...]], ...] = (
    ("zip", 0, (ZIP, b"PK\x05\x06", b"PK\x07\x08")),
    ("gzip", 0, (b"\x1f\x8b",)),
    ("bzip2", 0, (b"BZh",)),
    ("xz", 0, (b"\xfd7zXZ\0",)),
    ("lzma", 0, (b"\x5d\0\0\0\x80\0", b"\x5d\0\0\x80\0\0", b"\x5d\0\0\0\1\0", b"\x5d\0\0\0\4\0")),
    ("7z", 0, (b"7z\xbc\xaf\x27\x1c",)),
    ("rar", 0, (b"Rar!\x1a\x07", b"RE~^")),
    ("zstd", 0, (b"(\xb5/\xfd", b"7\xa40\xec")),
    ("lz4", 0, (b"\x04\x22M\x18", b"\x02\x21L\x18")),
    ("lzip", 0, (b"LZIP",)),
    ("lzop", 0, (b"\x89LZO\0\r\n\x1a\n",)),
    ("compress", 0, (b"\x1f\x9d", b"\x1f\xa0", b"\x1f\x9e")),
    ("cab", 0, (b"MSCF", b"ISc(")),
    ("arj", 0, (b"\x60\xea",)),
    ("lha", 2, (b"-lh", b"-lz")),
    ("cpio", 0, (b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7")),
    ("ar", 0, (b"!<arch>\n",)),
    ("xar", 0, (b"xar!",)),
    ("wim", 0, (b"MSWIM\0\0\0",)),
    ("squashfs", 0, (b"hsqs", b"sqsh")),
    ("ace", 7, (b"**ACE**",)),
    ("stuffit", 0, (b"SIT!", b"StuffIt")),
    ("zpaq", 0, (b"7kSt\xa01\x83\xd3", b"zPQ")),
    ("snappy", 0, (b"\xff\x06\0\0sNaPpY",)),
    ("disk image", 0, (b"conectix", b"KDM", b"QFI\xfb", b"vhdxfile", b"DAA\0", b"CISO")),
    ("tar", 257, (b"ustar",)),
    ("ISO image", 32769, (b"CD001", b"BEA01", b"NSR02", b"NSR03")),
    ("raw CD image", 0, (b"\0" + b"\xff" * 10 + b"\0",)),
)
_CONTAINER_WORDS = (
    ".7z .ace .alz .arc .arj .br .bz2 .cab .cpio .daa .dmg .gz .img .iso .lha .lrz .lz .lz4 .lzh .lzma .lzo .mdf .nrg "
    ".rar .sit .sitx .squashfs .tar .tbz .tbz2 .tgz .tlz .txz .udf .vhd .vhdx .vmdk .wim .xar .xz .z .zip .zipx .zoo "
    ".zpaq .zst .tzst"
)
_CONTAINER_SUFFIXES = frozenset(_CONTAINER_WORDS.split())
_VOLUME = re.compile(r"\.(?:[rz]?\d{2,3}|part\d+)$")  # of an archive in several parts: `.z01`, `.r00`, `.001`
_OBJECT_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima", ".acr", ".dc3"})
_OBJECT_NAMES = re.compile(
    r"(?:(?:im|img|image|mr|ct|pt|us|cr|dx|xa|nm|sr|i|s|z|e|slice|scan|frame|file|export)[-_ ]?\d{1,12}|\d{1,12}"
    r"|\d+(?:\.\d+){3,}|[0-9a-f]{8})(?:\.\d+)?$"
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\x0b\f\r\x1a\x1b")) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What was seen of a file that holds no readable object."""

    name: str  # its path in the item
    size: int
    head: bytes  # its first bytes, at most `HEAD`
    filled: bool  # it is one byte, again and again
    zeros: int  # so many zero bytes stand at its end
    text: bool  # it reads as text to its end
    holds: bool = False  # a DICOM object is somewhere in it


def is_text(piece: bytes) -> bool:
    """Return whether a piece could be of a text in a character set of one byte or UTF-8."""
    return len(piece.translate(None, _CONTROL)) == len(piece)


def recognise(seen: Glimpse) -> tuple[Doubt, str]:
    """Say what a file is: no doubt for what is harmless by content and name, else the doubt and its reason."""
    if empty := _empty(seen):
        return Doubt.LOST, empty
    if _is_harmless(seen) and seen.holds:
        return Doubt.CLOSED, "a DICOM object is in it: take it out, and drop it"
    if _is_harmless(seen):
        return Doubt.NONE, PROGRAM if seen.head.startswith(_PROGRAMS) else NOT_DICOM
    what = container(seen.head)
    if not what and (cut := _cut(seen)):
        return Doubt.LOST, cut
    if what := what or named_like_container(seen.name):
        return Doubt.CLOSED, f"an archive of a kind that is not opened here ({what}): unpack it, and drop what is in it"
    if named_like_object(seen.name):
        return Doubt.LOST, "it has the name of an object, and cannot be read as one"
    return Doubt.STRANGE, "neither DICOM nor anything known to be harmless"


def is_known_by_name(name: str, head: bytes) -> bool:
    """Tell whether a file is of a known kind that is no text: a document or a program that is a zip archive inside."""
    begins = _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())
    return begins is not None and begins(head)


def container(head: bytes) -> str:
    """Say which container a file is by its content; "" for none."""
    for what, at, starts in _CONTAINERS:
        if head[at:].startswith(starts) if at else head.startswith(starts):
            return what
    return ""


def named_like_container(name: str) -> str:
    """Give the ending of a name that says that the file is a container; "" for any other."""
    base = PurePosixPath(name).name.lower()
    suffix = PurePosixPath(base).suffix
    return suffix if suffix in _CONTAINER_SUFFIXES or _VOLUME.search(base) else ""


def named_like_object(name: str) -> bool:
    """Return whether scanners and archives give their objects such names."""
    base = PurePosixPath(name).name.lower()
    return PurePosixPath(base).suffix in _OBJECT_SUFFIXES or _OBJECT_NAMES.match(base) is not None


def shape(path: str) -> str:
    """Return what names of one numbering have in common, folder included: `1/im0003.txt` → `1/im#.txt`."""
    place = PurePosixPath(path)
    return f"{place.parent}/{re.sub(r'[0-9]+', '#', place.name.casefold())}"


def _empty(seen: Glimpse) -> str:
    if not seen.size:
        return "empty file"
    if not seen.filled:
        return ""
    byte = seen.head[0]
    if not byte:
        return "nothing is in it but zeros"
    return f"nothing is in it but the byte {byte:02x}" if seen.size > _SHORT else ""


def _cut(seen: Glimpse) -> str:
    """Say what gives away an object that was cut off or zeroed in its first bytes, or from there on."""
    head = seen.head
    if seen.zeros and (seen.zeros >= seen.size - _SHORT or (seen.zeros >= ZEROS_MIN and seen.zeros * 2 > seen.size)):
        return f"nothing but zeros from byte {seen.size - seen.zeros} on"
    if seen.size >= 128 and not head[:128].strip(b"\0"):
        return "it begins like a DICOM file, with 128 zeros, and nothing readable follows"
    if seen.size > 128 and b"DICM".startswith(head[128:132]):
        return "it is a DICOM file that was cut off in its first bytes"
    if seen.size < _SHORT and head[:2] in {b"\x08\0", b"\0\x08", b"\x02\0"}:
        return "it begins like a DICOM data set, and is cut off"
    return ""


def _is_harmless(seen: Glimpse) -> bool:
    place = PurePosixPath(seen.name.lower())
    name, folders = place.name, place.parts[:-1]
    suffix = PurePosixPath(name).suffix
    if name.startswith("._") or name.endswith(_SIDES) or not _SIDE_FOLDERS.isdisjoint(folders):
        return seen.head.startswith(_APPLE_DOUBLE)
    if not _OWN_FOLDERS.isdisjoint(folders):
        return not named_like_object(name)
    if (begins := _BY_NAME.get(name) or _BY_SUFFIX.get(suffix)) is not None:
        return begins(seen.head)
    return seen.text and (
        suffix in _TEXTS or _LOCKS.fullmatch(name) is not None or name in _TEXT_NAMES or _is_zone_mark(name, seen.head)
    )


def _is_zone_mark(name: str, head: bytes) -> bool:
    """Tell where Windows wrote that a file came from the net, which becomes a file by being copied."""
    return name.endswith(("zone.identifier", "zone.identifier:$data")) and b"[ZoneTransfer]" in head
