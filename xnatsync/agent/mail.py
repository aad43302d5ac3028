"""What commands ask of the running agent: each request is served once, while nothing that it is about is at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from xnatsync.agent.jobs import Jobs
from xnatsync.agent.looks import Looks
from xnatsync.app import accept, assign, dismiss, resolve
from xnatsync.app.app import App
from xnatsync.app.lookup import look_up
from xnatsync.app.mailbox import refusal, reply
from xnatsync.app.pausing import pause_in, resume_in
from xnatsync.core.errors import Bug, Declined, Exit, RouteUnknown, Usage, XnatsyncError
from xnatsync.core.group import Assigned
from xnatsync.core.moment import later
from xnatsync.engine.dispatcher import Dispatcher, Key
from xnatsync.engine.holds import OF_THE_SERVER
from xnatsync.ledger.agents import RequestRow
from xnatsync.routes.drop.world import World

ANSWERS_KEPT_S = 86_400.0
SOON_S = 120.0  # what is due later than that, nobody who asked for a sync waits for

Args = Mapping[str, Any]
Answer = dict[str, object] | None  # None: not yet


@dataclass(frozen=True, slots=True)
class Handler:
    """How one verb is served."""

    act: Callable[[Args], Answer]
    about: Callable[[Args], Collection[Key]] = lambda args: ()


class Mail:
    """Serves the requests of one ledger; `handlers` may be added to."""

    def __init__(self, app: App, world: World, drops: Dispatcher, side: Dispatcher, looks: Looks, jobs: Jobs) -> None:
        self.app, self.world = app, world
        self.drops, self.side = drops, side
        self.looks, self.jobs = looks, jobs
        self.on_bug: Callable[[BaseException], None] = lambda error: None
        self.handlers: dict[str, Handler] = {
            "retry": Handler(self._retry, self._held),
            "accept": Handler(self._accept, self._all_items),
            "assign": Handler(self._assign, self._named),
            "dismiss": Handler(self._dismiss, lambda args: self._item_keys(args["item"])),
            "pause": Handler(self._pause),
            "resume": Handler(self._resume),
            "sync": Handler(self._sync),
        }
        self._served: set[int] = set()
        self._second: set[int] = set()  # syncs whose drop routes have come to rest: their trees run
        self._begun: set[int] = set()  # syncs that were begun, and are answered when they have come to rest

    def begin(self) -> None:
        """Pause what a person paused before this agent began."""
        paused = self.world.ledger.standby()
        _each(self._leave_alone, [name for name in self._there() if name in paused or "" in paused])

    def poll(self) -> None:
        """Take the requests that have come, the oldest first."""
        rows = self.world.ledger.open_requests()
        self._served &= {row.id for row in rows}
        self._begun &= {row.id for row in rows}
        for row in rows:
            if row.id not in self._served:
                self._served.add(row.id)
                self.drops.call(lambda row=row: self._serve(row), lambda row=row: self._about(row))  # type: ignore[misc]
        self.world.ledger.forget_answers(later(self.world.now(), -ANSWERS_KEPT_S))

    # --- one request -----------------------------------------------------------------------------------------------

    def _about(self, row: RequestRow) -> Collection[Key]:
        try:
            handler = self.handlers.get(row.verb)
            return handler.about(json.loads(row.args)) if handler is not None else ()
        except (XnatsyncError, ValueError, LookupError, TypeError):  # told when it is served
            return ()

    def _serve(self, row: RequestRow) -> None:
        """Serve a request, and answer it; whatever goes wrong is an answer, too."""
        ledger = self.world.ledger
        try:
            if row.id not in self._begun and not ledger.take_request(row.id, self.world.now()):
                return
            with ledger.write() if row.verb != "dismiss" else nullcontext():
                answer = self._answer(row)
                if answer is not None:
                    ledger.answer(row.id, reply(answer), self.world.now())
        except XnatsyncError as error:
            self._refuse(row, error)
        except Exception as error:  # a mistake of ours in one request must not end the agent
            self.on_bug(error)
            self._refuse(row, Bug(f"{type(error).__name__} while `{row.verb}` was served"))

    def _answer(self, row: RequestRow) -> Answer:
        handler = self.handlers.get(row.verb)
        if handler is None:
            raise Usage(f"the running agent does not know `{row.verb}`: it may be an older version")
        args = json.loads(row.args)
        if row.verb == "sync":
            return self._sync_of(row, args)
        return handler.act(args)

    def _refuse(self, row: RequestRow, error: XnatsyncError) -> None:
        try:
            self.world.ledger.answer(row.id, refusal(error), self.world.now())
        except XnatsyncError:  # the ledger is unwell: it stays, and is served when that is over
            self._served.discard(row.id)

    # --- verbs -----------------------------------------------------------------------------------------------------

    def _held(self, args: Args) -> Collection[Key]:
        """Return what must not be at work while a hold ends."""
        ledger = self.world.ledger
        keys = resolve.held_keys(self.app.config, ledger, args["names"], everything=args["all"])
        items = {ledger.unit(number).item_id if kind == "unit" else number for kind, number in keys if kind != "owner"}
        return {key for item in items for key in self._item_keys(item)}

    def _item_keys(self, item_id: int) -> Collection[Key]:
        return {("item", item_id), *(("unit", unit.id) for unit in self.world.ledger.units(item_id=item_id))}

    def _all_items(self, args: Args) -> Collection[Key]:
        found = accept.named(self.app.config, self.world.ledger, args["names"])
        return {key for item in found for key in self._item_keys(item.id)}

    def _retry(self, args: Args) -> Answer:
        ledger = self.world.ledger
        keys = resolve.held_keys(self.app.config, ledger, args["names"], everything=args["all"])
        done = resolve.release_in(ledger, keys)
        ledger.after_commit(lambda: self._go_on({part.item.id for part in done.released}))
        ledger.after_commit(lambda: self.jobs.ask(self._trees({part.owner.route for part in done.reminded})))
        return resolve.as_answer(done)

    def _accept(self, args: Args) -> Answer:
        found = accept.accept_in(self.app.config, self.world.ledger, args["names"])
        items = {part.item.id for part in found}
        self.world.ledger.after_commit(lambda: self._go_on(items))
        return {"items": sorted(items)}

    def _named(self, args: Args) -> Collection[Key]:
        found = look_up(self.app.config, self.world.ledger, args["name"])
        return {key for item in found.items for key in self._item_keys(item.id)}

    def _assign(self, args: Args) -> Answer:
        to = Assigned(args["project"], args["subject"], args["session"])
        done = assign.assign_in(self.app.config, self.world.ledger, args["name"], to)
        self.world.ledger.after_commit(lambda: self._go_on({done.item.id}))
        return {"item": done.item.id}

    def _dismiss(self, args: Args) -> Answer:
        done = dismiss.dismiss_in(self.app, self.world.ledger, args["item"], prearchive=args["prearchive"])
        self._go_on({args["item"]})
        return dismiss.as_answer(done)

    def _go_on(self, items: Collection[int]) -> None:
        """Step items again, and ask servers that were left alone for good: a person may have mended what was wrong."""
        for what, pause in list(self.drops.pauses.items()):
            if pause.for_good and isinstance(pause.error, OF_THE_SERVER):
                self.drops.take_up(what, by_person=False)
        for item in items:
            self.drops.wake(("item", item))

    def _trees(self, names: Collection[str]) -> list[str]:
        return [job.name for job in self.jobs.jobs if job.name in names]

    def _there(self) -> list[str]:
        """Return the routes and jobs of the configuration in force."""
        return [*self.world.routes, *(job.name for job in self.jobs.jobs)]

    def _known(self, names: Sequence[str]) -> Sequence[str]:
        there = self._there()
        if unknown := [name for name in names if name not in there]:
            raise RouteUnknown(f"the running agent has no route or job called {', '.join(unknown)}")
        return names

    def _pause(self, args: Args) -> Answer:
        found = pause_in(self.world.ledger, self._there(), self._known(args["names"]), self.world.diary)
        self.world.ledger.after_commit(lambda: _each(self._leave_alone, found))
        return {"names": list(found)}

    def _leave_alone(self, name: str) -> None:
        error = Declined("a person paused it", advice=f"`xnatsync resume {name}`.")
        self.drops.leave_alone(f"route {name}", error)
        self.side.call(lambda: self.side.leave_alone(f"route {name}", error))

    def _resume(self, args: Args) -> Answer:
        found = resume_in(self.world.ledger, self._there(), self._known(args["names"]), self.world.diary)
        self.world.ledger.after_commit(lambda: _each(self._take_up, found))
        return {"names": list(found)}

    def _take_up(self, name: str) -> None:
        self.drops.take_up(f"route {name}", by_person=True)
        self.side.call(lambda: self.side.take_up(f"route {name}", by_person=True))
        self.looks.whole([name] if name in self.world.routes else [])

    # --- sync ------------------------------------------------------------------------------------------------------

    def _sync(self, args: Args) -> Answer:
        raise Bug("a sync is served by its row")

    def _sync_of(self, row: RequestRow, args: Args) -> Answer:
        """Begin it, or see whether it has come to rest: no answer before that."""
        found = [*self._known(args["names"])] or [name for name in self._there() if name in self.app.config.routes]
        paused = self.world.ledger.standby()
        if args["names"] and (stopped := [name for name in found if name in paused or "" in paused]):
            raise Usage(
                f"{', '.join(stopped)}: paused by a person", advice=f"`xnatsync resume {stopped[0]}` comes first."
            )
        drops = [name for name in found if name in self.world.routes]
        if row.id not in self._begun:
            self._begun.add(row.id)
            self.world.ledger.after_commit(lambda: self._begin_sync(drops))
        elif self._is_at_rest(drops):
            trees = [name for name in found if name not in drops]
            if row.id not in self._second:  # what was just delivered, a mirror then finds
                self._second.add(row.id)
                self.jobs.ask(trees)
            elif not any(map(self.jobs.is_under_way, trees)):
                return {"names": found, "exit_code": Exit.OK}
        self._served.discard(row.id)  # looked at again with the next poll
        return None

    def _begin_sync(self, drops: Collection[str]) -> None:
        self._go_on(())
        self.looks.whole(drops)

    def _is_at_rest(self, drops: Collection[str]) -> bool:
        """Tell whether nothing of these drop routes is at work or due soon."""
        aims, soon = {f"route {name}" for name in drops}, self.world.clock.elapsed_s() + SOON_S
        if any(kind == "look" for kind, _ in self.drops.busy) or any(self.looks.is_to_come(name) for name in drops):
            return False
        keys = [key for key, moment in list(self.drops.due.items()) if moment < soon and key[0] != "look"]
        at_work = [key for key in [*self.drops.busy, *keys] if key[0] != "look"]
        return not any(aims & set(self.drops.kinds[kind].aims(number)) for kind, number in at_work)


def _each(act: Callable[[str], None], names: Collection[str]) -> None:
    for name in names:
        act(name)
