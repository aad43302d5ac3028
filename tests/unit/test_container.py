"""The image of the agent: no root, nothing writable but its state, no secret in it, commands that are understood."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from cli.test_advice import parser as _parser

ROOT = Path(__file__).parents[2]
FILE = ROOT / "container" / "Containerfile"
KNOWN = {
    *("ARG", "FROM", "COPY", "RUN", "ENV", "VOLUME", "WORKDIR", "USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"),
    "CMD",
}
STATE = "/var/lib/xnatsync"


def statements(text: str) -> list[tuple[str, str]]:
    """Each statement with what it says, continued lines joined."""
    plain = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.strip().partition(" ") for line in plain.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in found]


def faults(text: str) -> list[str]:
    """What is wrong with a definition of the image."""
    made = statements(text)
    last = made[max(number for number, (word, _) in enumerate(made) if word == "FROM") :]
    told = dict(last)
    found = [f"{word} is not known" for word, _ in made if word not in KNOWN]
    base = dict(rest.split("=", 1) for word, rest in made if word == "ARG").get("BASE", "")
    if not re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", base):
        found.append("its base has no version")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", told.get("USER", "")):
        found.append("it runs as root, or as a name that the host does not know")
    if STATE not in told.get("VOLUME", "") or told.get("WORKDIR") != STATE:
        found.append("its state is in no volume")
    if re.search(r"PASSWORD|TOKEN|SECRET", " ".join(rest for word, rest in made if word in {"ENV", "ARG", "COPY"})):
        found.append("a secret is in the image")
    for source in [word for key, rest in made if key == "COPY" and "--from" not in rest for word in rest.split()[:-1]]:
        if not (ROOT / source).exists():
            found.append(f"{source} is not there")
    return found + command_faults(told)


def command_faults(told: dict[str, str]) -> list[str]:
    """Whether the program understands what the image starts, and what asks for its health."""
    check = re.search(r"CMD (\[.*\])", told.get("HEALTHCHECK", ""))
    if check is None:
        return ["there is no health check"]
    started = [*json.loads(told["ENTRYPOINT"]), *json.loads(told["CMD"])]
    asked = shlex.split(json.loads(check[1])[-1].partition("||")[0])
    found, program = [], _parser()
    for words in (started, asked):
        try:
            program(args=words[1:], prog_name="xnatsync", standalone_mode=False)
        except Exception as error:
            found.append(f"{words}: {error!r}")
    if "--healthy" not in asked or not json.loads(check[1])[-1].endswith("|| exit 1"):
        found.append("the health check says something else than 0 or 1")
    return found


def test_the_image_is_as_the_manual_says() -> None:
    """Statement by statement."""
    assert faults(FILE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("USER 10001:10001", "USER root"), ("USER 10001:10001", ""), (":3.11-slim-bookworm", ":latest"),
     ('VOLUME ["/var/lib/xnatsync"]', ""), ("--healthy", "--health"), ("|| exit 1", ""), ('"--log"', '"--logs"'),
     ("XDG_DATA_HOME=", "XNATSYNC_PROD_PASSWORD=x XDG_DATA_HOME="), ("README.md LICENSE", "READYOU.md LICENSE"),
     ("STOPSIGNAL", "STOPSIGNALS"), ("HEALTHCHECK", "ENV X=")],
)  # fmt: skip
def test_an_image_that_is_not_is_found(old: str, new: str) -> None:
    text = FILE.read_text("utf-8")
    assert old in text
    assert faults(text.replace(old, new))


def test_what_the_wheel_is_made_of_is_copied() -> None:
    """Else the image would be built of another package, or of none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    copied = {
        source for word, rest in statements(FILE.read_text("utf-8")) if word == "COPY" for source in rest.split()[:-1]
    }
    assert needed | {"LICENSE"} <= copied


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not here")
def test_the_linter_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint")
    assert linter is not None
    done = subprocess.run([linter, str(FILE)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
