"""The Container Service: what can be run, and the containers that ran (docs/xnat/import.md §11).

The plug-in is absent, no command is called so, it is not enabled for the site, it is not enabled for the project: these
are four things to do about it, and four sentences.  An error claims what an answer showed, and no more.
"""

from __future__ import annotations

import builtins
import difflib
import uuid
from collections.abc import Mapping
from typing import Any, Final

from xnatsync.core.errors import (
    AccessDenied,
    JobFailed,
    NotEnabled,
    NotThere,
    OutcomeUnknown,
    ServerBusy,
    ServerUnwell,
    Usage,
)
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.services.base import BaseService
from xnatsync.services.client import WORK_S
from xnatsync.services.models import Fields
from xnatsync.xnat import containers, listing, names
from xnatsync.xnat.containers import Container, Wrapper

_SHOWN: Final = 20
_STREAMS: Final = ("stdout", "stderr")


class ContainerService(BaseService):
    """Looks at commands, wrappers and containers; launches, kills, and reads what was written."""

    def is_installed(self) -> bool:
        """Return whether the server lists the plug-in; where it lists none for us, whether it answers as one."""
        known = containers.plugins(self.client.low)
        if known is not None:
            return containers.PLUGIN in known
        try:
            self._commands()
        except NotThere:
            return False
        return True

    def commands(self) -> builtins.list[Fields]:
        """List the commands: `id`, `name`, `version`, `image`, `type`, `description`, `wrappers` (their names)."""
        return [_command(one) for one in self._commands()]

    def command(self, name: str) -> Fields:
        """Return one command by its number or name, as the server describes it."""
        listed = self._commands()
        found = [one for one in listed if name in {str(one.get("id")), one.get("name")}]
        if not found:
            raise NotThere(f"no command is called {name}; {_there([_of_command(one) for one in listed], name)}")
        if len(found) > 1:
            numbers = ", ".join(f"{one.get('id')} (version {one.get('version')})" for one in found)
            raise Usage(f"{len(found)} commands are called {name}", advice=f"Name one by its number: {numbers}.")
        return Fields(found[0])

    def wrappers(self, project: str | None = None) -> builtins.list[Fields]:
        """List the wrappers; with a project, whether each is enabled for the site and for it, as far as we are told."""
        if project is not None and listing.project(self.client.low, project) is None:
            raise NotThere(f"there is no project {project}, or this account may not see it")
        return [self._wrapper(one, project) for one in containers.wrappers(self._commands())]

    def find(self, name: str) -> Wrapper:
        """Find a wrapper by its number, its name, or the name of a command that has one alone; NotThere names them."""
        listed = self._commands()
        known = containers.wrappers(listed)
        for alike in (
            [one for one in known if str(one.id) == name],
            [one for one in known if one.name == name],
            [one for one in known if one.command == name],
        ):
            if len(alike) > 1:
                lines = ", ".join(f"{one.id} ({one.name}, {_which(one.image, one.version)})" for one in alike)
                raise Usage(f"{len(alike)} wrappers are called {name}", advice=f"Name one by its number: {lines}.")
            if alike:
                return alike[0]
        bare = [_of_command(one) for one in listed if not containers.wrappers((one,))]
        if name in {called for called, _ in bare}:
            told = ", ".join(words for called, words in bare if called == name)
            raise NotEnabled(
                f"command {told} is there, and has no wrapper that this account may see: nothing of it can be run",
                advice="The person who added the command can add a wrapper for that type of session.",
            )
        raise NotThere(
            f"no command or wrapper is called {name}; {_there([_of_wrapper(one) for one in known] + bare, name)}",
            advice=f"`{command_line('wrapper', 'list')}` lists them.",
        )

    def check(self, wrapper: Wrapper, session: SessionHeld, project: str) -> None:
        """Raise NotEnabled where this project cannot run a wrapper on this session."""
        offered = containers.offered(self.client.low, project, session.xsi_type)
        if offered.get(wrapper.id):
            return
        told = containers.enabled(self.client.low, project, wrapper.id)
        name = f"wrapper {wrapper.name}"
        if told.site is False:
            nor = f", nor for project {project}" if told.project is False else ""
            raise NotEnabled(
                f"{name} is not enabled for the site{nor}", advice="An administrator of the site can enable it."
            )
        if told.project is False:
            raise NotEnabled(
                f"{name} is enabled for the site, and not for project {project}",
                advice="An owner of the project can enable it.",
            )
        if wrapper.id in offered:
            raise NotEnabled(
                f"{name} is not enabled: whether for the site or for project {project}, "
                "the server does not say to this account"
            )
        raise NotEnabled(
            f"{name} is not offered for {session.xsi_type}, which session {session.id} is: "
            f"it is for {', '.join(wrapper.contexts) or 'nothing'}",
            advice="Name a session of another type, or another wrapper.",
        )

    def launch(
        self, wrapper: Wrapper, session: SessionHeld, project: str, params: Mapping[str, Any] | None = None
    ) -> str:
        """Launch a wrapper on a session and return its job, "" when the server assigned none.

        Everything is looked at before: XNAT answers success to a wrapper that is unknown or switched off.
        """
        if not wrapper.root:
            raise NotEnabled(f"wrapper {wrapper.name} takes no session: it has no external input")
        self.check(wrapper, session, project)
        given = {key: str(value) for key, value in (params or {}).items()}
        if lacking := _lacking(wrapper, given):
            raise Usage(f"wrapper {wrapper.name} needs {', '.join(lacking)}", advice="Give --param NAME=VALUE.")
        inputs = {**given, wrapper.root: f"/archive/experiments/{session.id}"}
        deed = f"launch wrapper {wrapper.id} on session {session.id}"
        with self._written_down("container.launched", deed, project=project) as told:
            job = containers.launch(
                self.client.low, project, wrapper, inputs, request_id=str(uuid.uuid4()), timeout_s=WORK_S
            )
            told["job"] = job
        return job

    # --- containers --------------------------------------------------------------------------------------------------

    def list(self, project: str | None = None, status: str | None = None) -> builtins.list[Fields]:
        """List containers: `id`, `job_id`, `status`, `wrapper_id`, `project`, `user`, `image`, `inputs`."""
        self._commands()  # says why, where there is no Container Service
        found = containers.containers(self.client.low, project)
        return [_row(one) for one in found if status is None or one.status.lower().startswith(status.lower())]

    def get(self, container_id: str) -> Fields:
        """Return one container: the same, and `raw`, everything that the server tells of it."""
        one, raw = self._container(container_id)
        return Fields(_row(one), raw=dict(raw))

    def logs(self, container_id: str, stream: str = "stdout") -> str:
        """Return what a container wrote to `stdout` or `stderr`."""
        if stream not in _STREAMS:
            raise Usage(f"{stream} is no stream of a container", advice="Give stdout or stderr.")
        one, _ = self._container(container_id)
        return containers.log(self.client.low, one.id or container_id, stream)

    def kill(self, container_id: str) -> Fields:
        """Kill a container and see that it is killed; Usage when it had ended before."""
        one = self._killable(container_id)
        with self._written_down("container.killed", f"kill container {short(one.id)}", project=one.project):
            containers.kill(self.client.low, one.id, request_id=str(uuid.uuid4()), timeout_s=WORK_S)
            after, _ = self._container(one.id)
            if not ended(after.status):
                raise OutcomeUnknown(f"container {short(one.id)} was to be killed, and is {after.status}")
            if "killed" not in after.status.lower():
                raise JobFailed(f"container {short(one.id)} ended by itself before it was killed: {after.status}")
        return _row(after)

    def killable(self, container_id: str) -> Fields:
        """Return the container that kill() would kill; Usage or ServerBusy where it would not."""
        return _row(self._killable(container_id))

    # --- looking -----------------------------------------------------------------------------------------------------

    def _commands(self) -> tuple[Mapping[str, object], ...]:
        """List the commands; NotThere says what is known of a server that has none to list.

        The plug-ins come first: an address that no plug-in has is answered by Tomcat's own 404, as everything is while
        XNAT starts, and that is asked again for some seconds.
        """
        known = containers.plugins(self.client.low)
        if known is not None and containers.PLUGIN not in known:
            raise self._absent(known)
        try:
            return containers.commands(self.client.low)
        except (NotThere, ServerUnwell) as error:
            if error.http != 404:
                raise
            raise self._absent(known) from error

    def _absent(self, known: Mapping[str, Mapping[str, object]] | None) -> NotThere:
        if known is None:
            words = "this server answers 404 where the Container Service is, and does not list its plug-ins"
        elif containers.PLUGIN in known:
            version = known[containers.PLUGIN].get("version")
            words = f"the plug-in of the Container Service is installed (version {version}), and answers 404"
        else:
            words = f"the plug-in of the Container Service is not installed: the server lists {len(known)} plug-ins"
        return NotThere(words, http=404, advice=f"`{command_line('admin', 'plugins')}` lists what is installed.")

    def _wrapper(self, one: Wrapper, project: str | None) -> Fields:
        told = containers.enabled(self.client.low, project, one.id) if project is not None else None
        return Fields(
            id=one.id,
            name=one.name,
            engine="container",
            command=one.command,
            command_id=one.command_id,
            image=one.image,
            version=one.version,
            description=one.description,
            contexts=list(one.contexts),
            enabled_site=told.site if told else None,
            enabled_project=told.project if told else None,
        )

    def _killable(self, container_id: str) -> Container:
        one, _ = self._container(container_id)
        if ended(one.status):
            raise Usage(f"container {short(one.id)} has ended already: {one.status}")
        if not one.id:
            raise ServerBusy("there is no container yet: nothing can be killed", advice="Ask again in a while.")
        return one

    def _container(self, container_id: str) -> tuple[Container, Mapping[str, object]]:
        try:
            return containers.container(self.client.low, container_id)
        except AccessDenied:
            raise
        except NotThere as error:
            self._commands()
            raise NotThere(
                f"there is no container {short(container_id)}, or this account may not see it",
                http=error.http,
                advice=f"`{command_line('container', 'list')}` lists them.",
            ) from error


def ended(status: str) -> bool:
    """Return whether a status is the last one: `Waiting (Failed (Oom))` is not (§11.5)."""
    return status.lower().startswith(("complete", "failed", "killed", "error"))


def short(container_id: str) -> str:
    """Return an id as docker shows it."""
    return container_id[:12]


def _lacking(wrapper: Wrapper, given: Mapping[str, str]) -> builtins.list[str]:
    """Name required inputs without a value; only plain ones: what the server finds by itself is not known here."""
    found = []
    for part in wrapper.inputs:
        name = str(part.get("name") or "")
        plain = part.get("type") in {"string", "number", "boolean", None} and name != wrapper.root
        if plain and part.get("required") is True and part.get("default-value") in {None, ""} and name not in given:
            found.append(name)
    return found


def _of_command(one: Mapping[str, object]) -> tuple[str, str]:
    """Return the name of a command, and how it is told apart from others of it."""
    name = names.shown(one.get("name"))
    return name, _told(name, names.shown(one.get("image")), names.shown(one.get("version")))


def _of_wrapper(one: Wrapper) -> tuple[str, str]:
    return one.name, _told(one.name, one.image, one.version)


def _told(name: str, image: str, version: str) -> str:
    return f"{name} ({_which(image, version)})"


def _which(image: str, version: str) -> str:
    return f"{image or 'no image'}, version {version or 'unknown'}"


def _there(known: builtins.list[tuple[str, str]], name: str = "") -> str:
    """Name what there is, what is spelled alike first."""
    if not known:
        return "the server has none that this account may see"
    alike = difflib.get_close_matches(name, [called for called, _ in known], n=3)
    told = sorted(known, key=lambda one: (one[0] not in alike, one))
    more = f", and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"there are: {', '.join(words for _, words in told[:_SHOWN])}{more}"


def _command(one: Mapping[str, object]) -> Fields:
    return Fields(
        id=one.get("id"),
        name=one.get("name") or "",
        version=one.get("version") or "",
        image=one.get("image") or "",
        type=one.get("type") or "",
        description=one.get("description") or "",
        wrappers=[wrapper.name for wrapper in containers.wrappers((one,))],
    )


def _row(one: Container) -> Fields:
    return Fields(
        id=one.id,
        job_id=one.workflow,
        status=one.status,
        wrapper_id=one.wrapper_id,
        project=one.project,
        user=one.user,
        image=one.image,
        inputs=dict(one.inputs),
    )
