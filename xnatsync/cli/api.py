"""`api get|post|put|delete PATH`: any request to the server, with the login and the errors of the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xnatsync.cli.options import ProfileOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, SourceUnreadable, Usage

PathArgument = Annotated[str, typer.Argument(metavar="PATH", show_default=False, help="Such as /data/projects.")]
QueryOption = Annotated[
    list[str] | None, typer.Option("--query", "--params", metavar="KEY=VALUE", help="A parameter. Repeatable.")
]
JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="A JSON document as the body; - is stdin.")
]
DataOption = Annotated[str | None, typer.Option("--data", "-d", metavar="TEXT", help="This text as the body.")]
FileOption = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A file as the body, streamed.")]
TypeOption = Annotated[
    str | None, typer.Option("--content-type", "-t", metavar="TYPE", help="The type of --data or --file.")
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="Any request to the server; the answer is printed as it is.", rich_markup_mode=None, no_args_is_help=True
    )
    group.command(name="get")(get)
    group.command(name="post")(post)
    group.command(name="put")(put)
    group.command(name="delete")(delete)
    program.add_typer(group, name="api")


def get(ctx: typer.Context, path: PathArgument, query: QueryOption = None, profile: ProfileOption = None) -> int:
    """Read from a path.  The read is repeated where that is safe, and an error is one of the program's."""
    shell = _begun(ctx, "api-get")
    path, pairs = _address(path, query)
    with serving(shell, profile) as client:
        shell.screen.raw(client.stream(path, pairs))
    return Exit.OK


def post(
    ctx: typer.Context,
    path: PathArgument,
    query: QueryOption = None,
    json_: JsonOption = None,
    data: DataOption = None,
    file: FileOption = None,
    content_type: TypeOption = None,
    yes: YesOption = False,
    profile: ProfileOption = None,
) -> int:
    """Send a POST once, after a question or with --yes."""
    return _change(ctx, "POST", path, query, _given(json_, data, file, content_type), yes, profile)


def put(
    ctx: typer.Context,
    path: PathArgument,
    query: QueryOption = None,
    json_: JsonOption = None,
    data: DataOption = None,
    file: FileOption = None,
    content_type: TypeOption = None,
    yes: YesOption = False,
    profile: ProfileOption = None,
) -> int:
    """Send a PUT once, after a question or with --yes."""
    return _change(ctx, "PUT", path, query, _given(json_, data, file, content_type), yes, profile)


def delete(
    ctx: typer.Context,
    path: PathArgument,
    query: QueryOption = None,
    yes: YesOption = False,
    profile: ProfileOption = None,
) -> int:
    """Send a DELETE once, after a question or with --yes."""
    return _change(ctx, "DELETE", path, query, {}, yes, profile)


def _change(
    ctx: typer.Context,
    method: str,
    path: str,
    query: list[str] | None,
    body: dict[str, Any],
    yes: bool,
    profile: str | None,
) -> int:
    from xnatsync.app.written_down import written_down
    from xnatsync.cli.asking import sure

    shell = _begun(ctx, f"api-{method.lower()}")
    path, pairs = _address(path, query)
    with serving(shell, profile) as client:
        server = client.base_url
        sure(shell, yes=yes, question=f"Send {method} {path} to {server}?", would=f"{method} {path} would be sent")
        with written_down(client.profile, "api.sent", f"send {method} to {_harmless(path)}"):
            answer = client.delete(path, pairs) if method == "DELETE" else client.send(method, path, pairs, **body)
        shell.screen.raw([answer.content])
    return Exit.OK


def _begun(ctx: typer.Context, command: str) -> Shell:
    shell = ctx.ensure_object(Shell)
    shell.begin(command, None)
    return shell


def _address(path: str, query: list[str] | None) -> tuple[str, dict[str, object]]:
    """Read path and parameters; those behind a `?` count as well."""
    from urllib.parse import parse_qsl

    place, _, behind = path.partition("?")
    pairs: dict[str, Any] = {}
    given = parse_qsl(behind, keep_blank_values=True)
    for one in query or ():
        key, sign, value = one.partition("=")
        if not sign or not key:
            raise Usage(f"--query {one} is no KEY=VALUE", advice="Write it as in --query format=json.")
        given.append((key, value))
    for key, value in given:
        pairs.setdefault(key, []).append(value)
    return place, pairs


def _given(json_: str | None, data: str | None, file: Path | None, content_type: str | None) -> dict[str, Any]:
    """Return the body of a request as `XNATClient.send` takes it."""
    if sum(one is not None for one in (json_, data, file)) > 1:
        raise Usage("more than one body was given", advice="Give one of --json, --data and --file.")
    if json_ is not None:
        text = sys.stdin.read() if json_ == "-" else _read(Path(json_)).decode("utf-8", "replace")
        try:
            return {"json": json.loads(text)}
        except ValueError as error:
            raise Usage(f"--json {json_} is no JSON document: {error}", advice="Mend it, or use --data.") from None
    if data is not None:
        return {"content": data.encode(), "content_type": content_type or "text/plain"}
    if file is not None:
        return {"content": file, "content_type": content_type or "application/octet-stream"}
    return {}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read", advice="Check the path.") from error


def _harmless(path: str) -> str:
    """Return an address without labels, which are made of patients' names: its nouns and accession IDs alone (S8)."""
    parts = path.split("/")
    kept = {"data", "xapi", "REST", "archive", "projects", "subjects", "experiments", "scans", "resources", "files"}
    return "/".join(part if part in kept or part.startswith("XNAT_") or not part else "…" for part in parts)
