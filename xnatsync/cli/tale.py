"""`why`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.cli.lines import Block, Line, Tone
from xnatsync.cli.summary import item_fields

if TYPE_CHECKING:
    from xnatsync.service.story import Story, Tale

_TONES = {"held": Tone.BAD, "proven": Tone.GOOD, "filed": Tone.GOOD, "aside": Tone.WARN}
_TIME = len("2026-01-01 12:00:00  ")


def why_blocks(tale: Tale) -> Iterator[Block]:
    """Tells a person the stories."""
    for number, story in enumerate(tale.stories):
        if number:
            yield Line("")
        yield from _story(story)
    if tale.more:
        yield Line(f"and {tale.more} older items of that name: ask for one by its number", Tone.DIM)


def _story(story: Story) -> Iterator[Block]:
    yield Line(f"#{story.item.id} {story.item.path}  ({story.item.phase})", Tone.HEAD)
    for sentence in story.sentences:
        when = sentence.at[:19].replace("T", " ") if sentence.at else ""
        yield Line(f"{when:<{_TIME - 2}}  {sentence.text}", _TONES.get(sentence.kind, Tone.PLAIN), hang=_TIME)
    for step in story.next_steps:
        yield Line(f"what to do: {step}", indent=0, hang=12)


def why_fields(tale: Tale) -> dict[str, object]:
    """The same for programs."""
    return {
        "asked": tale.asked,
        "stories": [
            {
                "item": item_fields(story.item),
                "sentences": [
                    {"at": sentence.at, "kind": sentence.kind, "text": sentence.text} for sentence in story.sentences
                ],
                "next": list(story.next_steps),
            }
            for story in tale.stories
        ],
        "more": tale.more,
    }
