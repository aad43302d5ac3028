"""`why`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.app.tree_story import TreeSentence
from xnatsync.core.advice import advice_of
from xnatsync.core.pasting import Step
from xnatsync.views.blocks import Block, Command, Line, Tone
from xnatsync.views.sync import item_fields, item_name
from xnatsync.views.troubles import case_fields, owner_fields, owner_name, unplaced_case

if TYPE_CHECKING:
    from xnatsync.app.story import Sentence, Story, Tale
    from xnatsync.app.tree_story import TreeStory
    from xnatsync.ledger.tree_rows import UnplacedRow

_TONES = {
    "trouble": Tone.WARN,
    "agreed": Tone.GOOD,
    "held": Tone.BAD,
    "proven": Tone.GOOD,
    "filed": Tone.GOOD,
    "aside": Tone.WARN,
}
_TIME = len("2026-01-01 12:00:00  ")


def why_blocks(tale: Tale) -> Iterator[Block]:
    """Tell a person the stories."""
    for number, story in enumerate(tale.stories):
        if number:
            yield Line("")
        yield from _story(story)
    if tale.more:
        yield Line(f"and {tale.more} older items of that name: ask for one by its number", Tone.DIM)
    for number, told in enumerate(tale.trees.stories):
        if number or tale.stories:
            yield Line("")
        yield from _tree_story(told)
    for row in tale.trees.unplaced:
        if tale.stories or tale.trees.stories or row is not tale.trees.unplaced[0]:
            yield Line("")
        yield from _unplaced(row)
    if tale.trees.more:
        yield Line(f"and {tale.trees.more} more in trees: ask for more of the path", Tone.DIM)


def _story(story: Story) -> Iterator[Block]:
    yield Line(f"{item_name(story.item)}: {story.item.phase}", Tone.HEAD)
    yield from _told(story.sentences, story.next_steps)


def _tree_story(story: TreeStory) -> Iterator[Block]:
    what = story.path if story.path is not None else owner_name(story.owner)
    yield Line(f"{what}  (route {story.route})", Tone.HEAD)
    yield from _told(story.sentences, story.next_steps)


def _unplaced(row: UnplacedRow) -> Iterator[Block]:
    yield Line(f"{row.path}  (route {row.route})", Tone.HEAD)
    told = f"It is not sent: {row.detail} [{row.code}]."
    advice = advice_of(row.code)
    yield from _told([TreeSentence(row.at, told, "trouble")], [Step(f"{advice} It is looked at again in every run.")])


def _told(sentences: Sequence[Sentence | TreeSentence], next_steps: Sequence[Step]) -> Iterator[Block]:
    for sentence in sentences:
        when = sentence.at[:19].replace("T", " ") if sentence.at else ""
        yield Line(f"{when:<{_TIME - 2}}  {sentence.text}", _TONES.get(sentence.kind, Tone.PLAIN), hang=_TIME)
    for step in next_steps:
        if step.text:
            yield Line(f"what to do: {step.text}", indent=0, hang=12)
        if step.command:
            yield Command(f"{step.before} ".lstrip(), step.command, indent=12)


def why_fields(tale: Tale) -> dict[str, object]:
    """The same for programs."""
    return {
        "asked": tale.asked,
        "stories": [
            {
                "item": item_fields(story.item),
                "sentences": _sentences(story.sentences),
                "next": [step.sentence for step in story.next_steps],
            }
            for story in tale.stories
        ],
        "more": tale.more,
        "trees": [
            {
                "route": story.route,
                "path": story.path,
                "entity": owner_fields(story.owner),
                "sentences": _sentences(story.sentences),
                "next": [step.sentence for step in story.next_steps],
            }
            for story in tale.trees.stories
        ],
        "unplaced": [{"route": row.route, **case_fields(unplaced_case(row), row.at)} for row in tale.trees.unplaced],
        "more_in_trees": tale.trees.more,
    }


def _sentences(sentences: Sequence[Sentence | TreeSentence]) -> list[dict[str, object]]:
    return [{"at": sentence.at, "kind": sentence.kind, "text": sentence.text} for sentence in sentences]
