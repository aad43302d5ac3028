"""One step of an owner: look at three trees, bring what is missing, write down what agrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final

from xnatsync.core.errors import SourceUnreadable, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.mirror_decision import Agreement, Trouble, agree
from xnatsync.core.remote import FileListing
from xnatsync.core.sides import BaseFile, ServerFile, Sides
from xnatsync.core.wording import counted
from xnatsync.engine.holds import LOOK_AGAIN_S, still_waits
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.fetch.fetcher import Fetcher
from xnatsync.fetch.listings import Listings
from xnatsync.fetch.store import Staging
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.tree.holds import fail, hold_by, name_of
from xnatsync.routes.tree.landing import Landing, new_version, obstacles, outlived, settle
from xnatsync.routes.tree.mirror_settings import METADATA, MirrorRoute
from xnatsync.routes.tree.mirror_sides import Parts, look
from xnatsync.routes.tree.mirror_survey import Survey
from xnatsync.routes.tree.remembered import write_down
from xnatsync.routes.tree.sidecar import bring_metadata
from xnatsync.routes.tree.world import TreeWorld

BROKEN_ZIPS_MAX: Final = 2  # so often an owner fails before its files are fetched one by one
LOOKS_MAX: Final = 3  # what is still in the way then does not go by itself: a link, a folder where a file has to be


@dataclass(slots=True)
class OwnerStep:
    """Steps the owners of one route in one run."""

    world: TreeWorld
    survey: Survey
    listings: Listings
    removals: dict[int, tuple[BaseFile, ...]] = field(default_factory=dict)  # by owner: done last, under the rail
    ends: dict[int, Callable[[], None]] = field(default_factory=dict)  # what is written down once they are done
    looks: Counter[int] = field(default_factory=Counter)  # by owner: how often something was suddenly in the way

    def step(self, number: int) -> Result:
        """Bring an owner's part of the tree into agreement; never raises an XnatsyncError."""
        row = self.world.ledger.owner(number)
        if (held := still_waits(row, self.world.now())) is not None:
            return held
        try:
            if number in self.survey.owners:
                return self._agree(row, self.survey.owners[number])
            return self._gone(row)
        except XnatsyncError as error:
            return fail(self.world, self.survey.route, row, error)

    # --- the two ways ----------------------------------------------------------------------------------------------

    def _agree(self, row: OwnerRow, owner: Owner) -> Result:
        world = self.world
        world.progress.owner(row.id, name_of(owner), "looked at")
        if (barred := self.survey.barred.get(row.id)) is not None:
            hold_by(world, row, [barred])
            return Rest()
        placed = self.survey.placed.get(row.id, owner)
        troubles = [self.survey.stuck[row.id]] if row.id in self.survey.stuck else []
        parts = look(world, self.survey, row.id, placed, listing_of(world, self.survey, self.listings, row, owner))
        parts.sides = write_down(world, self.survey.route, row.id, parts.sides)
        answer = agree(parts.sides, policy=self.survey.route.policy)
        if answer.probe:
            parts.sides = self._probed(row, owner, parts.sides, answer.probe)
            parts.sides = write_down(world, self.survey.route, row.id, parts.sides)
            answer = agree(parts.sides, policy=self.survey.route.policy)
        refused = self._carry_out(row, owner, parts, answer)
        refused += bring_metadata(world, self.survey.route, row, owner, placed, parts)
        if refused:  # what lies there now was not compared
            self.looks[row.id] += 1
            if self.looks[row.id] < LOOKS_MAX:
                return Due(LOOK_AGAIN_S, "the tree changed meanwhile")
        self._conclude(row, owner, placed, parts, answer, troubles, refused)
        return Rest()

    def _gone(self, row: OwnerRow) -> Result:
        """The server no longer has it: under `replica` it goes to the trash, if the rail allows; else it is told."""
        world, route = self.world, self.survey.route
        owner = Owner(OwnerKind(row.kind), row.project, row.server_id, subject=row.subject, session=row.session)
        parts = look(world, self.survey, row.id, owner, None)
        answer = agree(parts.together, policy=route.policy)
        with world.ledger.write():
            world.ledger.touch_versions({base.version_id: mtime_ns for base, mtime_ns in answer.touched})
            world.ledger.change_versions(
                [], [(base.version_id, "removed") for base in answer.end], world.now(), world.run_id
            )
            hold_by(world, row, answer.troubles)
            if not answer.trash:
                world.ledger.owner_gone(row.id, world.now())
        world.tally(route.name).add("gone", int(row.phase != "gone"))
        if answer.trash:
            self.removals[row.id] = answer.trash
            self.ends[row.id] = lambda: world.ledger.owner_gone(row.id, world.now())
        return Rest()

    # --- what an agreement asks for --------------------------------------------------------------------------------

    def _probed(self, row: OwnerRow, owner: Owner, sides: Sides, probe: Sequence[ServerFile]) -> Sides:
        """Fetch what only its bytes can tell, and go on as if the server had stated them."""
        known: dict[str, ServerFile] = {}
        with closing(self._fetcher(row, owner).fetch_all(probe, sides.server)) as came:
            for staged in came:
                known[staged.file.path] = replace(staged.file, size=staged.content.size, md5=staged.content.md5)
                self.world.disk.clear_staging(self.survey.route.folder, staged.name)
        return replace(sides, server=tuple(known.get(file.path, file) for file in sides.server))

    def _carry_out(self, row: OwnerRow, owner: Owner, parts: Parts, answer: Agreement) -> list[Trouble]:
        """Adopt what is there already, then bring what is missing; say whose places something else had taken."""
        world, route = self.world, self.survey.route
        tally = world.tally(route.name)
        settle(world, route, (step.file.path for step in answer.adopt))
        world.disk.remember(route.folder, ((step.file.path, step.content.sha256) for step in answer.adopt))
        adopted = [new_version(row.id, route.name, step.file, step.content, step.mtime_ns) for step in answer.adopt]
        with world.ledger.write():
            world.ledger.touch_versions({base.version_id: mtime_ns for base, mtime_ns in answer.touched})
            world.ledger.change_versions(
                adopted,
                [(step.base.version_id, "replaced") for step in answer.adopt if step.base is not None]
                + [(base.version_id, "removed") for base in answer.end]
                + outlived(world, route.name, row.id, adopted),
                world.now(),
                world.run_id,
            )
        tally.add("adopted", len(answer.adopt))
        tally.add("ended", len(answer.end))
        blocked = obstacles(world, route, answer.fetch, parts.tree)
        fetch = [step for step in answer.fetch if step.file.path not in blocked]
        if not fetch:
            return list(blocked.values())
        size = sum(step.file.size or 0 for step in fetch)
        world.progress.goal(size)
        world.progress.owner(row.id, name_of(owner), f"fetching {counted(len(fetch), 'file')}")
        landing = Landing(world, route, row.id, parts.tree)
        steps = {(step.file.key, step.file.name): step for step in fetch}
        fetcher = self._fetcher(row, owner)
        try:
            with closing(fetcher.fetch_all([step.file for step in fetch], parts.sides.server)) as staged:
                landing.land((steps[one.file.key, one.file.name], one) for one in staged)
        finally:
            for why, many in landing.done.counts.items():
                tally.add(why, many)
            tally.add("bytes", landing.done.size)
        return [*blocked.values(), *landing.done.troubles]

    def _fetcher(self, row: OwnerRow, owner: Owner) -> Fetcher:
        world, route = self.world, self.survey.route
        return Fetcher(
            world.archive(route.server),
            owner,
            staging(world.disk, route, row),
            f"o{row.id}",
            big_file=route.big_file,
            threads=world.threads,
            piecemeal=row.tries >= BROKEN_ZIPS_MAX,
            stopping=world.stopping,
            moved=world.progress.fetched,
            had=lambda size: world.progress.goal(-size),
        )

    def _conclude(
        self,
        row: OwnerRow,
        owner: Owner,
        placed: Owner,
        parts: Parts,
        answer: Agreement,
        troubles: list[Trouble],
        refused: list[Trouble],
    ) -> None:
        """Write down what agrees, what does not and why."""
        world, route = self.world, self.survey.route
        troubles = [*troubles, *parts.troubles, *answer.troubles, *refused]
        unread = any(trouble.code == SourceUnreadable.code for trouble in troubles)  # it is looked at again
        whole = not answer.unknown and not unread and not refused and parts.sides.complete and parts.sides.tree_complete
        tally = world.tally(route.name)
        tally.add("entities")
        tally.add("incomplete", int(not whole))
        tally.add("unverified", len(answer.unverified))
        shown = replace(owner, subject=placed.subject, session=placed.session)
        resources = self._resources(row.id, parts)

        def end() -> None:
            with world.ledger.write():
                if whole:
                    world.ledger.agree_owner(row.id, shown, resources, world.now())
                hold_by(world, row, troubles)

        if not answer.trash:
            end()
        if answer.trash:
            hold_by(world, row, troubles)  # told also when the rail lets nothing be removed
            self.removals[row.id], self.ends[row.id] = answer.trash, end

    def _resources(self, number: int, parts: Parts) -> dict[ResourceKey, tuple[str, int, int]]:
        files: Counter[ResourceKey] = Counter()
        sizes: Counter[ResourceKey] = Counter()
        for file in parts.sides.server:
            files[file.key] += 1
            sizes[file.key] += file.size or 0
        return {key: (seen.stamp, files[key], sizes[key]) for key, seen in self.survey.wanted[number].items()}


def listing_of(world: TreeWorld, survey: Survey, listings: Listings, row: OwnerRow, owner: Owner) -> FileListing:
    """Ask for nothing where nothing is wanted and nothing lies here: then no absence can be concluded from it."""
    if survey.wanted[row.id] or any(old.label != METADATA for old in world.ledger.living_of(row.id)):
        return listings.take(owner)
    return FileListing(())


def staging(disk: TreeDisk, route: MirrorRoute, row: OwnerRow) -> Staging:
    """Return where an owner's files wait: what an interrupted run left there is found again under the same name."""
    return Staging(disk, route.folder, f"{row.id}-")
