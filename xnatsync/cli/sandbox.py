"""`sandbox`: a stand-in XNAT on this machine, to try things on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(sandbox)


def sandbox(
    ctx: typer.Context,
    root: Annotated[Path, typer.Option(metavar="DIR", help="The folder that keeps its state.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 for any that is free.")] = 0,
    user: Annotated[str, typer.Option(metavar="NAME", help="The administrator's login.")] = "admin",
    password: Annotated[
        str, typer.Option(metavar="WORD", envvar="XNATSYNC_SANDBOX_PASSWORD", help="The administrator's password.")
    ] = "admin",  # noqa: S107 - of a stand-in that only this machine can reach
    dicom_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Receive by C-STORE too, on this port, 0 for any that is free; else by HTTP alone."
        ),
    ] = None,
    dicom_aet: Annotated[str, typer.Option(metavar="TITLE", help="The receiver's AE title.")] = "XNAT",
    output: OutputOption = None,
) -> int:
    """Serve a stand-in XNAT on this machine."""
    shell = ctx.ensure_object(Shell)
    shell.begin("sandbox", output)
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.core.ae_title import checked_title
    from xnatsync.core.errors import Usage
    from xnatsync.sandbox.serve import InUse, NotASandbox, Receives, serve

    received: dict[str, object] = {"dicom_port": None, "dicom_aet": None}

    def ready(url: str) -> None:
        if shell.is_json:
            shell.show([], {"url": url, "root": str(root.absolute()), "user": user, **received})
        else:
            shell.screen.document(f"ready {url}")
            if dicom is not None:
                shell.screen.document(f"receives DICOM as {title} on port {received['dicom_port']}")

    def receives(found: int) -> None:
        received.update(dicom_port=found, dicom_aet=title)

    title = checked_title(dicom_aet, "--dicom-aet")
    dicom = Receives(dicom_port, title, receives) if dicom_port is not None else None
    stop = threading.Event()
    with stop_on_signals(stop):
        try:
            serve(root, port, user, password, ready, stop, dicom)
        except InUse as error:
            raise Usage(
                f"{error.strerror}", advice="Stop it, or give this one a folder of its own with `--root`."
            ) from error
        except NotASandbox as error:
            raise Usage(
                f"{error.strerror}; nothing was changed there", advice="Name an empty or a new folder with `--root`."
            ) from error
        except OSError as error:
            raise Usage(
                f"the sandbox cannot serve on port {_ports(port, dicom_port)} from {root}: {error.strerror}",
                advice="Choose a free port (`--port 0` finds one) and a folder that can be written.",
            ) from error
    return Exit.OK


def _ports(port: int, dicom_port: int | None) -> str:
    return f"{port}" if dicom_port is None else f"{port} and {dicom_port} (DICOM)"
