"""What we leave for people beside their data: a file that says how an item stands, and a page with its receipt.

Their names are ours, and so is how they begin: a file of such a name that begins otherwise is somebody's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xnatsync.core.moment import clock_words
from xnatsync.core.phases import ItemPhase
from xnatsync.core.wording import counted, size

NAME_MAX = 200  # bytes of the name of an item: a longer one leaves no room for an ending
PAGE_ENDING = ".xnatsync-receipt.html"
STATE_BEGINS, PAGE_BEGINS = "xnatsync: ", "<!DOCTYPE html>\n<!-- a receipt of xnatsync -->"


class Word(StrEnum):
    """How an item stands, for whoever looks into the drop folder."""

    WAITING = "WAITING"
    RECEIVED = "RECEIVED"
    HELD = "HELD"
    VERIFIED = "VERIFIED"


SENTENCES = {
    Word.WAITING: "It is seen, and taken when it is complete.",
    Word.RECEIVED: "It is complete, and on its way to the server.",
    Word.HELD: "It waits for a person.",
    Word.VERIFIED: "The server holds it: this was proven.",
}
_OURS = re.compile(rf"(?s).+(?:\.xnatsync-(?:{'|'.join(Word)})\.txt|{re.escape(PAGE_ENDING)})")


def is_named_ours(name: str) -> bool:
    """Return whether a file has a name of ours."""
    return _OURS.fullmatch(name.rpartition("/")[2]) is not None


def begins_ours(text: str | None) -> bool:
    """Return whether a file begins as ours do."""
    return text is not None and text.startswith((STATE_BEGINS, PAGE_BEGINS))


def state_name(name: str, word: Word) -> str:
    """Name the file that says how an item of that name stands."""
    return f"{name}.xnatsync-{word}.txt"


def item_of(state_file: str) -> str:
    """Return the item that a file of ours is about."""
    return state_file.rpartition(".xnatsync-")[0]


def state_text(item_id: int, word: Word) -> str:
    """Write what stands in it."""
    return f"{STATE_BEGINS}{word}\n{SENTENCES[word]}\n`xnatsync why {item_id}` says more.\n"


def word_of(phase: ItemPhase, *, held: bool) -> Word | None:
    """Say how an item stands; None for what is given up, or has nothing to deliver."""
    if phase in {ItemPhase.LEFT, ItemPhase.DISMISSED}:
        return None
    if held:
        return Word.HELD
    return {ItemPhase.SEEN: Word.WAITING, ItemPhase.SETTLED: Word.RECEIVED}.get(phase, Word.VERIFIED)


@dataclass(frozen=True, slots=True)
class Delivered:
    """One session of a receipt.  Nothing of a header is in it."""

    server: str
    project: str
    session: str
    session_id: str
    link: str  # "": not known
    level: str
    place: str
    held: int
    size_bytes: int
    at: str


def receipt_page(
    item_id: int, files: int, size_bytes: int, kinds: Iterable[tuple[str, int]], found: Sequence[Delivered]
) -> str:
    """Write the receipt of an item as a page that runs nothing and fetches nothing."""
    rows = "".join(
        f"<tr><td>{_said(one.server)}</td><td>{_said(one.project)}</td><td>{_linked(one)}</td>"
        f"<td>{_said(one.place)}</td><td>{one.held}</td><td>{size(one.size_bytes)}</td><td>{_said(one.level)}</td>"
        f"<td>{_said(clock_words(one.at))}</td></tr>\n"
        for one in found
    )
    aside = ", ".join(f"{counted(many, 'file')} {kind}" for kind, many in kinds)
    return (
        f"{PAGE_BEGINS}\n"
        '<html lang="en">\n<head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Receipt of item {item_id}</title><style>body{{font:15px/1.4 system-ui,sans-serif;margin:2rem}}"
        "th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd}</style></head>\n<body>\n"
        f"<h1>Receipt of item {item_id}</h1>\n"
        f"<p>{counted(files, 'file')}, {size(size_bytes)}: {counted(len(found), 'session')} proven to be on the "
        "server.</p>\n"
        "<table>\n<tr><th>server</th><th>project</th><th>session</th><th>in the</th><th>objects</th><th>size</th>"
        f"<th>proven by</th><th>at</th></tr>\n{rows}</table>\n"
        + (f"<p>Not delivered: {_said(aside)}.</p>\n" if aside else "")
        + f"<p>`xnatsync why {item_id}` shows more.</p>\n</body>\n</html>\n"
    )


def _linked(one: Delivered) -> str:
    words = _said(f"{one.session} ({one.session_id})" if one.session_id else one.session)
    return f'<a href="{_said(one.link)}">{words}</a>' if one.link else words


def _said(text: str) -> str:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    for sign, spelled in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        shown = shown.replace(sign, spelled)
    return shown
