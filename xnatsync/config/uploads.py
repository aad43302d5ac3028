"""The routes that commands make: as the configuration of a drop route, so that everything that reads one reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from xnatsync.config.model import DropConfig
from xnatsync.core.given import GivenRoute, Transport, Unparsable

STREAMS_MAX = 32


class UploadConfig(DropConfig):
    """A drop route with one source and one destination; it stands in no file."""

    kind: Literal["drop"] = "drop"
    source: str = ""  # absolute
    files: tuple[str, ...] = ()
    transport: Transport = "zip"
    adds: bool = True
    unparsable: Unparsable = "hold"
    after: Literal["move", "keep", "delete"] = "keep"
    other: Literal["keep", "attach", "ignore"] = "ignore"  # what is no object is left and named, and holds nothing
    streams: Annotated[StrictInt, Field(ge=1, le=STREAMS_MAX)] = 2


def known_upload(route: GivenRoute) -> UploadConfig:
    """Return what is known of a route that a command made in a former run, by its name alone."""
    return UploadConfig(folder=Path("/"), server=route.server, project=route.project, destination=route.place)
