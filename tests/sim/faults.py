"""What goes wrong, and when: each kind of fault has a rate drawn for the seed and a counter of its own.

The n-th draw of a kind depends on seed, kind and n alone.  So one fault can be masked while all others stay as they
were, which is what makes a failing history shrinkable; one generator for everything would shift them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from struct import Struct
from typing import TypeVar

from sim import places

One = TypeVar("One")

# Swarm: in most histories many kinds are absent, in some a few are everywhere.
RATES = (0.0, 0.0, 0.02, 0.1, 0.3)

# In most histories one kind also has a spot, a method of a port at which it happens again and again.
SPOT_RATE = 0.5

# What is drawn at every boundary must be rarer than what is drawn for each call: SHARE of the drawn rate counts.
BOUNDARY = ("crash", "power cut", "clock jump", "act", "worker", "clock ahead", "observer")
SHARE = {
    "crash": 0.08, "power cut": 0.04, "clock jump": 0.03, "act": 0.15, "worker": 0.7, "ledger busy": 0.12,
    "ledger full": 0.04, "ledger io": 0.04, "refused": 0.1, "exdev": 0.5, "stuck": 0.5, "unreadable": 0.1,
    "eio": 0.5, "503": 0.15, "500": 0.15, "401": 0.15, "login page": 0.2, "cut": 0.3, "slow": 0.5, "short": 2.0,
    "truncated": 0.6, "long delayed": 0.5, "doubled": 0.5, "elsewhere": 0.2,
    "turned away": 0.2, "unwilling": 1.0, "clock ahead": 1.0, "observer": 2.0,
}  # fmt: skip
KINDS = tuple(dict.fromkeys((*(fault for _, _, faults, _ in places.TABLES for fault in faults), *BOUNDARY)))
# What few histories come to at all is met in more of them, and with less in its way.
RARE = ("xnat.resource_files", "xnat.prearchive_log", "xnat.fetch_scans", "xnat.put_file", "xnat.commit", "disk.move",
        "disk.remove", "disk.prune", "disk.exists")  # fmt: skip
TIMES = {
    **dict.fromkeys(RARE, 3), "xnat.put_file": 8, "xnat.resource_files": 5, "xnat.prearchive_log": 5, "ledger.write": 0,
    "run": 0, "xnat.site_setting": 0,
}  # fmt: skip
# Objects that go one by one are met in the histories of commands alone, which are another draw.
SPOTS = tuple(
    cell for cell in places.possible() for _ in range(TIMES.get(cell[1], 1)) if cell[1] != "xnat.import_object"
)

_EIGHT = Struct(">8Q")
Fired = tuple[str, int, str]  # kind, number of its draw, where


class Chance:
    """Draws from a text: the same ones in every version of Python, and made far faster than a `random.Random`."""

    __slots__ = ("left", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = blake2b(text.encode()).digest()

    def bits(self) -> int:
        """The next 64 bits."""
        if not self.left:
            self.text += "+"
            self.left = blake2b(self.text.encode()).digest()
        taken, self.left = self.left[:8], self.left[8:]
        return int.from_bytes(taken)

    def random(self) -> float:
        """From 0 to, and without, 1."""
        return self.bits() / 2**64

    def uniform(self, low: float, high: float) -> float:
        """A number between two."""
        return low + (high - low) * self.random()

    def randrange(self, low: int, high: int | None = None) -> int:
        """A whole number from `low` to, and without, `high`; with one argument, from 0."""
        low, high = (0, low) if high is None else (low, high)
        return low + self.bits() % (high - low)

    def choice(self, several: Sequence[One]) -> One:
        """One of several."""
        return several[self.bits() % len(several)]


class Faults:
    """The faults of one history.

    `masked` are (kind, n) that do not fire; `only` restricts the kinds; `forced` are faults that a story needs: (kind,
    where) → the how-manieth call there fails; `spot` is where something happens again and again.
    """

    def __init__(
        self,
        seed: int,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        forced: Mapping[places.Cell, int] | None = None,
        spot: places.Cell | None = None,
    ) -> None:
        self.seed = seed
        self.masked = masked
        self.only = only
        self.forced = dict(forced or {})
        self.on = True
        self.counts: Counter[str] = Counter()
        self.fired: list[Fired] = []
        self.blocks: dict[str, tuple[int, ...]] = {}  # eight draws of a kind are made at once; last, which eight
        self.rates = {
            kind: self.random("rate " + kind, 0).choice(RATES) * SHARE.get(kind, 1.0)
            if only is None or kind in only
            else 0.0
            for kind in KINDS
        }
        self.spot = spot or self._spot()
        if self.spot[1] in {*RARE, "xnat.site_setting"}:
            self.rates = {kind: rate * 0.2 for kind, rate in self.rates.items()}
        if self.spot[1] == "xnat.prearchive_log":  # it is read where archiving failed
            self.rates["conflict"] = 0.7
        self.live = {kind for kind, rate in self.rates.items() if rate or kind == self.spot[0] or self.forced}

    def _spot(self) -> tuple[str, str]:
        chance = self.random("spot", 0)
        spot = chance.choice(SPOTS) if chance.random() < 0.6 else ("", "")
        return spot if spot[0] in self.rates and self.only is None else ("", "")

    def random(self, kind: str, number: int) -> Chance:
        """Draws that depend on nothing but seed, kind and number."""
        return Chance(f"{self.seed}/{kind}/{number}")

    def next(self, kind: str) -> Chance:
        """The next draw of a kind that always happens: choices of people, orders, names."""
        self.counts[kind] += 1
        return self.random(kind, self.counts[kind])

    def fires(self, kind: str, where: str, more: float = 1.0) -> Chance | None:
        """Draws once; gives further draws for the details when the fault happens here, else None."""
        if kind not in self.live or not self.on:
            return None
        rate = self.rates[kind]
        if self.forced:  # a story: nothing else happens in it
            left = self.forced.get((kind, where), 0) - 1
            self.forced[kind, where] = left
            rate = float(left == 0)
        elif kind == self.spot[0] and where == self.spot[1]:
            rate = max(rate, SPOT_RATE)
        if not rate:
            return None
        number = self.counts[kind] + 1
        self.counts[kind] = number
        block, place = divmod(number, 8)
        drawn = self.blocks.get(kind)
        if drawn is None or drawn[8] != block:
            digest = blake2b(f"{self.seed}/{kind}/draws {block}".encode()).digest()
            drawn = self.blocks[kind] = (*_EIGHT.unpack(digest), block)
        if drawn[place] >= rate * more * 2**64 or (kind, number) in self.masked:
            return None
        self.fired.append((kind, number, where))
        return self.random(kind, number)


class Crash(BaseException):
    """The process is gone.  No handler of the product may swallow it."""
