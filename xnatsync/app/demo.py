"""The demonstration: the product's own code on a stand-in XNAT, with much that can be awkward about a drop folder.

Whatever it says happened was looked up; what did not go as told makes the exit code.
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from xnatsync.app import resolve
from xnatsync.app.demo_scene import Scenery, drop_awkward, drop_careful, scenery
from xnatsync.app.story import Tale, tell
from xnatsync.app.sync import ItemReport, SyncReport, sync
from xnatsync.config.model import Config
from xnatsync.core.errors import Exit, LabelUnusable, ObjectsDiffer, SessionCollision, Usage
from xnatsync.core.phases import ItemPhase
from xnatsync.engine.progress import Progress

_PATIENCE_S = 30.0


class Audience(Protocol):
    """Who watches."""

    def chapter(self, text: str) -> None:
        """A part begins."""
        ...

    def say(self, text: str) -> None:
        """A sentence."""
        ...

    def good(self, text: str) -> None:
        """Something went as it should."""
        ...

    def bad(self, text: str) -> None:
        """Something did not."""
        ...

    def at(self, config: Path) -> None:
        """What follows is about this configuration."""
        ...

    def report(self, report: SyncReport) -> None:
        """A run ended."""
        ...

    def tale(self, tale: Tale) -> None:
        """A story is told."""
        ...

    def progress(self) -> AbstractContextManager[Progress]:
        """A run begins."""
        ...


@dataclass(slots=True)
class _Show:
    audience: Audience
    scene: Scenery
    stop: threading.Event
    failed: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def run(self, config: Config) -> SyncReport:
        """Run a route as `xnatsync sync` does.  One worker: the order is the same everywhere."""
        self.audience.at(self.scene.careful_file if config is self.scene.careful else self.scene.config_file)
        with self.audience.progress() as progress:
            report = sync(self.scene.app(config, self.stop), (), progress=progress, workers=1, patience_s=_PATIENCE_S)
        self.audience.report(report)
        return report

    def expect(self, went_well: bool, text: str) -> None:
        """Say whether something is as it was announced."""
        if went_well:
            self.audience.good(text)
        else:
            self.audience.bad(f"not so: {text}")
            self.failed.append(text)


def show(audience: Audience, own: Path | None, *, keep: bool, stop: threading.Event) -> int:
    """Show everything; return the exit code: 0 when all went as told, 1 when not."""
    own = own.absolute() if own is not None else None
    if own is not None and not own.exists():
        raise Usage(f"{own} is not there", advice="Name a folder with DICOM files, or none at all.")
    with scenery(own, keep=keep) as scene:
        stage = _Show(audience, scene, stop)
        audience.chapter(f"A stand-in XNAT runs at {scene.server.url}, with the empty project DEMO.")
        if own is None:
            _awkward(stage)
        else:
            _own(stage, own)
        for act in (_again, _damage):
            if not stop.is_set():
                act(stage)
        if not stop.is_set():
            _ending(stage, keep=keep)
    return Exit.INTERNAL if stage.failed or stop.is_set() else Exit.OK


# --- the acts ----------------------------------------------------------------------------------------------------


def _awkward(stage: _Show) -> None:
    drop_awkward(stage.scene.root / "drop")
    stage.audience.chapter("Five things are in the drop folder:")
    for line in (
        "monday_scan   a study of three series, with notes.txt and a .DS_Store between the pictures",
        "export.zip    another study, zipped",
        "OLD00001      one old DICOM file without the usual preamble",
        "unnamed       a study whose PatientID is empty",
        "repeat        another study of the same patient, modality and day as monday_scan",
    ):
        stage.audience.say(line)
    stage.audience.chapter("xnatsync sync")
    report = stage.run(stage.scene.config)
    items = {part.item.path: part for part in report.items}
    items.update(("OLD00001", part) for part in report.items if part.item.path.startswith("flat/"))  # a file alone
    for name in ("monday_scan", "export.zip", "OLD00001"):
        stage.expect(_is_done(items.get(name)), f"{name} reached the archive, was proven there, and was filed")
    listed = {file.path for part in report.items for file in part.others}
    stage.expect(
        {"notes.txt", ".DS_Store"} <= listed, "files that are not DICOM were listed and filed with the rest, not lost"
    )
    stage.expect(
        _held_by(items.get("unnamed"), LabelUnusable.code), "unnamed is held: there is nothing to make a label of"
    )
    stage.expect(
        _held_by(items.get("repeat"), SessionCollision.code),
        "repeat is held: two studies are never mixed in one session by accident",
    )
    stage.audience.chapter("xnatsync why monday_scan")
    stage.audience.tale(tell(stage.scene.config, "monday_scan"))


def _own(stage: _Show, own: Path) -> None:
    stage.audience.chapter(f"Your data: {own} (only read; it stays where and as it is)")
    report = stage.run(stage.scene.config)
    settled = {"done", "left"}
    stage.expect(
        bool(report.items)
        and not report.errors
        and all(part.item.phase in settled or SyncReport.is_held(part) for part in report.items),
        "everything of it is in the archive and proven by its pixels, or held or listed with a reason",
    )


def _again(stage: _Show) -> None:
    stage.audience.chapter("xnatsync sync, a second time")
    before = stage.scene.writes()
    with stage.audience.progress() as progress:
        sync(stage.scene.app(stage.scene.config, stage.stop), (), progress=progress, workers=1, patience_s=_PATIENCE_S)
    stage.expect(stage.scene.writes() == before, "nothing was sent again: the server got no write request")


def _damage(stage: _Show) -> None:
    scene = stage.scene
    stage.audience.chapter("Now something goes wrong on the server: 16 bytes of one archived picture are turned over.")
    stage.audience.say('The route `careful` has verify = "pixels": every object is fetched back before it counts.')
    drop_careful(scene.root / "careful")
    scene.will_damage()
    report = stage.run(scene.careful)
    held = next((part for part in report.items if _held_by(part, ObjectsDiffer.code)), None)
    named = held is not None and any(scene.damaged in (unit.unit.detail or "") for unit in held.units)
    stage.expect(bool(scene.damaged) and named, f"caught: the damaged object {scene.damaged} is named")
    stage.expect(
        (scene.root / "careful" / "tuesday_scan").is_dir(), "its source is untouched in the drop folder: no receipt"
    )
    if held is None or not scene.damaged:
        return
    stage.audience.chapter(f"The administrator restores the object; then: xnatsync retry {held.item.id}, sync")
    scene.mend()
    resolve.release(scene.careful, (str(held.item.id),))
    mended = stage.run(scene.careful)
    part = next((part for part in mended.items if part.item.id == held.item.id), None)
    proven = part is not None and all(unit.receipt and unit.receipt.level == "pixels" for unit in part.units)
    stage.expect(_is_done(part) and proven, "proven by its pixels, and filed")


def _ending(stage: _Show, *, keep: bool) -> None:
    took_s = time.monotonic() - stage.began
    if stage.failed:
        stage.audience.chapter(f"{len(stage.failed)} things did not go as they should (after {took_s:.0f} s).")
    else:
        stage.audience.chapter(f"Everything went as it should, in {took_s:.0f} s.")
    if keep:
        stage.audience.say(f"All of it was kept in {stage.scene.root}; look around with")
        for command in ("status", "history", "why monday_scan", "config show"):
            stage.audience.say(f"  xnatsync --config {stage.scene.config_file} {command}")
    stage.audience.say("Where to look next:")
    for line in (
        "docs/quickstart.md        from the installation to your own server",
        "docs/commands.md          every command, docs/errors.md every error and what to do",
        "config_examples/          configurations to begin from",
        "xnatsync doctor           checks a configuration, the server and the folders at once",
        "xnatsync plan             says what sync would do, and changes nothing",
        "xnatsync sandbox --help   a stand-in XNAT of your own",
    ):
        stage.audience.say(f"  {line}")


def _is_done(part: ItemReport | None) -> bool:
    return (
        part is not None
        and part.item.phase is ItemPhase.DONE
        and bool(part.units)
        and all(u.receipt for u in part.units)
    )


def _held_by(part: ItemReport | None, code: str) -> bool:
    return part is not None and any(unit.unit.hold == "person" and unit.unit.code == code for unit in part.units)
