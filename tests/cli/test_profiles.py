"""Servers of the configuration, changed by commands: what a person wrote around them stays; no password comes in."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_fields import document_faults
from cli_world import REPOSITORY
from front import front
from noun_world import PASSWORD, USER, NounWorld, here
from xnatsync.config.edit import remove_server, set_default, set_server
from xnatsync.config.load import load
from xnatsync.core.errors import ConfigError

HAND = """# mine
[servers.prod]  # the real one
url = "https://xnat.example.org"
user = "me"
# a comment at its end

[servers.staging]
url = "https://staging.example.org"

[defaults]
server = "prod" # ours
project = "NEURO"
"""


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """A server, and a configuration written by hand that knows two others."""
    with here(tmp_path, capsys, monkeypatch) as found:
        monkeypatch.delenv("XNAT_URL")
        place(found).parent.mkdir(parents=True)
        place(found).write_text(HAND)
        yield found


def place(far: NounWorld) -> Path:
    return far.root / "config" / "xnatsync" / "xnatsync.toml"


class Ring:
    """A keyring in memory, as the package `keyring` offers one; `keeps` is false of one that is switched off."""

    def __init__(self, *, keeps: bool = True, breaks: bool = False) -> None:
        self.there: dict[tuple[str, str], str] = {}
        self.keeps, self.breaks = keeps, breaks

    def get_password(self, service: str, user: str) -> str | None:
        return self.there.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        if self.breaks:
            raise KeyringBroken(password)
        if self.keeps:
            self.there[service, user] = password

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        errors = types.ModuleType("keyring.errors")
        errors.KeyringError = KeyringBroken  # type: ignore[attr-defined]
        package = types.ModuleType("keyring")
        package.errors = errors  # type: ignore[attr-defined]
        package.get_password, package.set_password = self.get_password, self.set_password  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "keyring", package)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)


class KeyringBroken(Exception):
    """What a locked keyring raises."""


# --- one server ----------------------------------------------------------------------------------------------------


def test_everything_of_a_server_can_be_given(far: NounWorld) -> None:
    """The spelling of xnatctl; the path of the authority becomes absolute."""
    words = ["--url", "https://dev.example.org/xnat/", "--username", "me", "--project", "P", "--timeout", "21600"]

    ran = far.run("config", "add-profile", "dev", *words, "--no-verify-ssl", "--ca-bundle", "ca.pem")

    assert ran.code == 0, ran.err
    server = load(place(far)).servers["dev"]
    assert (server.base_url, server.user, server.project) == ("https://dev.example.org/xnat", "me", "P")
    assert (server.tls, server.timeout, server.long_timeout) == ("insecure", 600, 21600)
    assert server.ca_file == Path("ca.pem").absolute()
    assert far.run("config", "add-profile", "dev", "--verify-ssl", "--timeout", "5m").code == 0
    server = load(place(far)).servers["dev"]
    assert (server.tls, server.timeout, server.long_timeout) == ("verified", 300, 300)


@pytest.mark.parametrize("words", [["--timeout", "soon"], ["--timeout", "0"], ["--url", "ftp://x"]])
def test_what_would_be_wrong_changes_nothing(words: list[str], far: NounWorld) -> None:
    """The file stays to the byte."""
    assert far.run("config", "add-profile", "prod", *words).code == 2
    assert place(far).read_text() == HAND


def test_the_default_server(far: NounWorld) -> None:
    """`use-context` writes it, `current-context` shows it; the rest of the file stays."""
    shown = far.run("config", "current-context", "-o", "json")
    assert (shown.document["name"], document_faults(shown.document)) == ("prod", [])

    ran = far.run("config", "use-context", "staging", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, [])
    assert place(far).read_text() == HAND.replace('server = "prod"', 'server = "staging"')
    assert far.run("config", "current-context", "-q").out == "staging\n"
    assert far.run("config", "use-context", "nowhere").code == 2
    assert far.run("config", "current-context", "-q").out == "staging\n"


def test_one_server_is_shown(far: NounWorld) -> None:
    """As TOML that can be loaded, without the others."""
    shown = tomllib.loads(far.run("config", "show", "-p", "staging").out)

    assert list(shown["servers"]) == ["staging"]
    assert far.run("config", "show", "-p", "nowhere").code == 2


# --- removing one --------------------------------------------------------------------------------------------------


def test_a_server_is_removed(far: NounWorld) -> None:
    """With the default that named it; everything else stays to the byte."""
    declined = far.run("config", "remove-profile", "prod")
    dry = far.run("config", "remove-profile", "prod", "--dry-run", "-o", "json")
    assert (declined.code, dry.code, document_faults(dry.document)) == (2, 0, [])
    assert (dry.document["removed"], dry.document["default"]) == (False, True)
    assert place(far).read_text() == HAND

    ran = far.run("config", "remove-profile", "prod", "--yes", "-o", "json")

    assert (ran.code, ran.document["removed"]) == (0, True)
    assert place(far).read_text() == HAND.replace(
        '[servers.prod]  # the real one\nurl = "https://xnat.example.org"\nuser = "me"\n', ""
    ).replace('server = "prod" # ours\n', "")


def test_a_server_that_a_route_needs_stays(far: NounWorld) -> None:
    """The routes are named, also in a dry run."""
    text = HAND + '\n[routes.in]\nkind = "drop"\nfolder = "/tmp/in"\nserver = "prod"\nproject = "P"\n'
    place(far).write_text(text)

    for more in ("--yes", "--dry-run"):
        ran = far.run("config", "remove-profile", "prod", more)
        assert (ran.code, "needed by in" in " ".join(ran.err.split())) == (2, True)
    assert place(far).read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        '[servers]\nprod = { url = "https://x.example.org" }\n',
        'servers.prod.url = "https://x.example.org"\n',
        '[servers]\n[servers.other]\nurl = "https://o.example.org"\n[servers."prod"]\nurl = "https://x.example.org"\n',
        '[servers.prod]\nurl = "https://x.example.org"\n[defaults]\nproject = "P"\n',
        'defaults = { server = "prod", project = "P" }\n[servers.prod]\nurl = "https://x.example.org"\n',
    ],
)
def test_whatever_the_form_nothing_else_goes(text: str, tmp_path: Path) -> None:
    """Either exactly this server is gone, or nothing is changed and a person is asked to do it."""
    file = tmp_path / "x.toml"
    file.write_text(text)
    wanted = tomllib.loads(text)
    del wanted["servers"]["prod"]
    if wanted.get("defaults", {}).get("server") == "prod":
        del wanted["defaults"]["server"]

    try:
        remove_server(file, "prod")
    except ConfigError:
        assert file.read_text() == text
    else:
        assert {k: v for k, v in tomllib.loads(file.read_text()).items() if v} == {k: v for k, v in wanted.items() if v}


AROUND = st.lists(
    st.sampled_from(
        ["# words", "", '[defaults]\nproject = "P"', '[servers.b]\nurl = "https://b.example.org" # [servers.a]',
         '[ledger]\npath = "/tmp/l.db"', "\t# [servers.a]"]
    ),
    max_size=5, unique=True,
)  # fmt: skip


@given(AROUND, AROUND, st.sampled_from(["\n", "\r\n"]))
def test_added_and_removed_is_as_before(before: list[str], after: list[str], end: str) -> None:
    """A property: only the server's own lines come and go, whatever stands around it."""
    import tempfile

    rest = [part for part in after if part not in before or not part.startswith("[")]
    around = "".join(f"{part}\n" for part in [*before, *rest]).replace("\n", end)
    server = f'[servers.a]{end}url = "https://a.example.org"{end}'
    text = "".join(f"{part}\n" for part in before).replace("\n", end) + server
    text += "".join(f"{part}\n" for part in rest).replace("\n", end)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.toml"
        file.write_bytes(text.encode())
        remove_server(file, "a")
        left = file.read_bytes().decode()
        set_server(file, "a", {"url": "https://a.example.org"})
        set_default(file, "server", "a")
        assert load(file).defaults.server == "a"

    assert left.split() == around.split()
    assert tomllib.loads(left).get("servers", {}).keys() == tomllib.loads(around).get("servers", {}).keys()


# --- passwords -----------------------------------------------------------------------------------------------------


def test_a_password_goes_to_the_keyring_and_works(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """For address and user; it is in no output, and not in the file."""
    import io

    ring = Ring()
    ring.install(monkeypatch)
    for name in ("XNAT_USER", "XNAT_PASS"):
        monkeypatch.delenv(name)
    far.run("config", "add-profile", "box", "--url", far.server.url, "--user", USER)
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))

    ran = far.run("config", "set-password", "box", "--password-stdin", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, []), ran.err
    assert ring.there == {(f"xnatsync:{far.server.url}", USER): PASSWORD}
    assert PASSWORD not in ran.out + ran.err + place(far).read_text()
    assert far.run("whoami", "-p", "box", "-o", "json").document["auth_mode"] == "keyring"


@pytest.mark.parametrize("ring", [Ring(keeps=False), Ring(breaks=True), None])
def test_a_keyring_that_keeps_nothing_is_no_success(
    ring: Ring | None, far: NounWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read back; the password is in no error."""
    import io

    if ring is None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        monkeypatch.setitem(sys.modules, "keyring.errors", None)
    else:
        ring.install(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))

    ran = far.run("config", "set-password", "prod", "--password-stdin")

    assert (ran.code, PASSWORD in ran.out + ran.err) == (6, False)
    assert "password_file" in ran.err


# --- xnatctl -------------------------------------------------------------------------------------------------------

XNATCTL = """version: 1
default_profile: box
output_format: json
profiles:
  box:
    url: {url}/
    username: reader
    password: {password}
    default_project: NEUROIMAGING
    timeout: 21600
    workers: 8
  prod:
    url: https://elsewhere.example.org
  staging:
    url: https://staging.example.org/
  old one:
    url: https://old.example.org
    verify_ssl: false
    ca_bundle: /etc/ca.pem
  bad:
    url: not an address
  odd:
    url: https://odd.example.org
    verify_ssl: maybe
  list: [1, 2]
"""


@pytest.fixture
def theirs(far: NounWorld, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = far.root / "config.yaml"
    file.write_text(XNATCTL.format(url=far.server.url, password=PASSWORD))
    for name in ("XNAT_USER", "XNAT_PASS"):
        monkeypatch.delenv(name)
    return file


def test_servers_of_xnatctl_are_taken_over(far: NounWorld, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be taken is, ours stays, no password is copied, and what was left is said."""
    ring = Ring()
    ring.install(monkeypatch)
    dry = far.run("config", "import-xnatctl", str(theirs), "--dry-run", "-o", "json")
    assert (dry.code, dry.document["written"], place(far).read_text()) == (3, False, HAND)
    people = far.run("config", "import-xnatctl", str(theirs), "--dry-run")

    ran = far.run("config", "import-xnatctl", str(theirs), "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (3, []), ran.err
    states = {one["profile"]: one["state"] for one in ran.document["servers"]}
    assert states == {"box": "new", "prod": "refused", "staging": "present", "old one": "new", "bad": "refused",
                      "odd": "refused", "list": "refused"}  # fmt: skip
    config = load(place(far))
    assert config.servers["prod"].base_url == "https://xnat.example.org"
    assert (config.servers["box"].user, config.servers["box"].project) == ("reader", "NEUROIMAGING")
    assert (config.servers["box"].timeout, config.servers["box"].long_timeout) == (600, 21600)
    assert (config.servers["old-one"].tls, config.servers["old-one"].ca_file) == ("insecure", Path("/etc/ca.pem"))
    assert (config.defaults.server, ran.document["default"]) == ("prod", None)  # ours was set already
    assert "not taken: workers" in people.out
    assert "config set-password box" in people.out
    for text in (people.out, people.err, ran.out, ran.err, place(far).read_text()):
        assert PASSWORD not in text
    assert ring.there == {}


def test_passwords_of_xnatctl_go_to_the_keyring_when_asked_for(
    far: NounWorld, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the server can be asked at once; without a configuration of ours the default is theirs."""
    Ring().install(monkeypatch)
    place(far).unlink()

    ran = far.run("config", "import-xnatctl", str(theirs), "--keyring", "-o", "json")

    assert {one["name"]: one["password"] for one in ran.document["servers"]}["box"] == "stored"
    assert load(place(far)).defaults.server == "box"
    assert far.run("whoami", "-o", "json").document["profile"] == "box"
    assert place(far).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"just text", b"profiles: 5", b"profiles: {}", b"[1, 2]", b"a: b: password: hunter2", b"\xff\xfe\x00",
     b"!!python/object/apply:os.system ['true']", b"x: &a [*a]", b"[" * 3000],
)  # fmt: skip
def test_what_is_no_configuration_of_xnatctl_is_refused(content: bytes, far: NounWorld) -> None:
    """Nothing is written, nothing is run, and nothing of it is repeated."""
    file = far.root / "config.yaml"
    file.write_bytes(content)

    ran = far.run("config", "import-xnatctl", str(file))

    assert (ran.code, "hunter2" in ran.err) == (2, False), ran.err
    assert place(far).read_text() == HAND


# --- health, completion, -p ----------------------------------------------------------------------------------------


def test_ping_needs_no_login(far: NounWorld) -> None:
    """Version and time; no password leaves, and nobody is logged in."""
    far.run("config", "add-profile", "box", "--url", far.server.url)

    ran = far.run("health", "ping", "-p", "box", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, []), ran.err
    assert ran.document["version"]
    assert [entry["path"] for entry in far.server.log] == ["/xapi/siteConfig/buildInfo"]


@pytest.mark.parametrize(("there", "asked"), [("/xnat", ""), ("", "/xnat"), ("/a/b", "/a/b/app")])
def test_ping_says_where_the_xnat_is(there: str, asked: str, far: NounWorld) -> None:
    """Below a path, or not below one; no secret is sent to either."""
    with front(far.server.port, there) as served:
        root = served.url.removesuffix(there)
        far.run("config", "add-profile", "box", "--url", root + asked, "--user", USER)
        ran = far.run("health", "ping", "-p", "box")
        assert [line for _, _, *line in served.seen if any(line)] == []

    assert (ran.code, "[XS-REPLY-STRANGE]" in ran.err) == (5, True)
    assert f"An XNAT answers at {root}{there}:" in " ".join(ran.err.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_of_completion(shell: str, far: NounWorld) -> None:
    """The script alone on stdout, as `eval` takes it; a shell that is not known is refused."""
    ran = far.run("completion", shell)

    assert (ran.code, "_XNATSYNC_COMPLETE" in ran.out) == (0, True)
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=ran.out, text=True, capture_output=True, timeout=30)
        assert (checked.returncode, checked.stderr) == (0, "")
    assert far.run("completion", "tcsh").code == 2


def test_a_profile_before_and_after_the_command(far: NounWorld) -> None:
    """It means the same; after it wins."""
    assert far.run("-p", "staging", "config", "current-context", "-q").out == "staging\n"
    assert far.run("config", "current-context", "-q", "-p", "staging").out == "staging\n"
    assert far.run("-p", "prod", "config", "current-context", "-q", "--profile", "staging").out == "staging\n"


@pytest.mark.parametrize("words", [["status"], ["ledger", "list"], ["sync"], ["config", "check"]])
def test_a_profile_that_would_have_no_effect_is_refused(words: list[str], far: NounWorld) -> None:
    """`sync` takes its servers from its routes: a script that thinks otherwise is told."""
    before, after = far.run("-p", "staging", *words), far.run(*words, "-p", "staging")

    assert (before.code, after.code) == (2, 2)
    assert "takes no profile" in " ".join(before.err.split())


def test_a_warning_of_a_kept_session_is_for_people() -> None:
    """The program prints it as a warning of its own."""
    from xnatsync.app.kept_sessions import SessionIgnored
    from xnatsync.cli import program

    assert SessionIgnored.__name__ in program._FOR_PEOPLE


def test_a_yaml_parser_is_loaded_by_the_import_alone() -> None:
    """No other command pays for it."""
    words = "import sys; import xnatsync.cli.profiles, xnatsync.app.from_xnatctl; print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, cwd=REPOSITORY)

    assert done.stdout == "False\n", done.stderr
