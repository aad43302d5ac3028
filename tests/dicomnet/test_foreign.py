"""Receivers that others wrote: dcmtk's storescp and Orthanc, where they are installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicomnet.conftest import Send
from dicomnet.objects import IMPLICIT, JPEG_2000, JPEG_LOSSLESS, dicom_file, sent_part
from xnatsync.core.store_status import Outcome

ORTHANC = shutil.which("Orthanc") or shutil.which("orthanc")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(port: int, *command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.02)
            yield
        finally:
            process.terminate()


def files(source: Path) -> dict[str, bytes]:
    made = {
        f"{number}": dicom_file(number, syntax=syntax, pixels=bytes([number]) * 4096)
        for number, syntax in enumerate([IMPLICIT, JPEG_LOSSLESS, JPEG_2000, *(["1.2.840.10008.1.2.1"] * 9)], 1)
    }
    for name, content in made.items():
        (source / name).write_bytes(content)
    return made


@pytest.mark.skipif(shutil.which("storescp") is None, reason="dcmtk is not here")
def test_storescp_holds_what_was_sent(source: Path, send: Send, tmp_path: Path) -> None:
    """Every data set, byte for byte; plain, it takes uncompressed ones only, and these alone are told as sent."""
    made, held = files(source), tmp_path / "held"
    held.mkdir()
    port = free_port()
    with running(port, "storescp", "--fork", "+B", "+xa", "-od", str(held), str(port)):
        assert send(port, "STORESCP", patience={"answer_s": 20.0}).exit_code == 0
    assert sorted(sent_part(path.read_bytes()) for path in held.iterdir()) == sorted(map(sent_part, made.values()))

    port = free_port()
    with running(port, "storescp", "--fork", "+B", "-od", str(held), str(port)):
        report = send(port, "STORESCP", patience={"answer_s": 20.0})
    assert (report.exit_code, report.stored) == (3, 10)
    assert [sent.outcome for sent in report.failed] == [Outcome.NOT_ACCEPTED] * 2


@pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not here")
def test_orthanc_holds_what_was_sent(source: Path, send: Send, tmp_path: Path) -> None:
    """Asked over its own REST, file by file."""
    made, port, web = files(source), free_port(), free_port()
    settings = {
        "DicomPort": port, "HttpPort": web, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "StorageDirectory": str(tmp_path / "d"), "IndexDirectory": str(tmp_path / "d"),
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True, "StorageCompression": False, "Plugins": [],
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    assert ORTHANC is not None
    with running(port, ORTHANC, str(tmp_path / "orthanc.json")):
        report = send(port, "ORTHANC", patience={"answer_s": 20.0})
        assert (report.exit_code, report.stored, report.failed) == (0, len(made), [])
        base = f"http://127.0.0.1:{web}/instances"
        with urllib.request.urlopen(base, timeout=20) as answer:
            found = json.load(answer)
        held = []
        for one in found:
            with urllib.request.urlopen(f"{base}/{one}/file", timeout=20) as answer:
                held.append(sent_part(answer.read()))
    assert sorted(held) == sorted(map(sent_part, made.values()))
