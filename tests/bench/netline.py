"""A line of so many Mbit/s that the kernel keeps: the whole script runs on in a network of its own.

There the loopback is the only interface, and `tc` shapes it (a token bucket; both directions share it).  That wants
root, or a system that gives its users namespaces; where neither is so, `entered` says why and nothing is shaped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

HERE = "XNATSYNC_BENCH_LINE"  # in the environment of the script that runs on, and of its children
SHAPED = "ip link set lo up && tc qdisc add dev lo root tbf rate {mbit:g}mbit burst 256kb latency 100ms"


def entered(mbit: float) -> str:
    """Starts this script anew behind such a line, unless it is there already; gives the reason why that is impossible.

    "" means that the line is there.  Call it first: what was done before is done twice.
    """
    if os.environ.get(HERE) == f"{mbit:g}":
        return ""
    missing = [name for name in ("unshare", "ip", "tc") if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    env = {**os.environ, "PATH": _path(), HERE: f"{mbit:g}"}
    network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    shaped = SHAPED.format(mbit=mbit)
    tried = subprocess.run([*network, "sh", "-c", shaped], env=env, capture_output=True, text=True)
    if not tried.returncode:
        again = ["sh", "-c", f'{shaped} && exec "$@"', "sh", sys.executable, *sys.argv]
        os.execvpe(network[0], [*network, *again], env)
    return (tried.stderr.strip() or f"exit code {tried.returncode}").splitlines()[-1]


def _path() -> str:
    """Where the administrator's programs are too, and those of a virtual environment are not first.

    pynetdicom installs a `storescu` of its own.
    """
    own = os.path.dirname(sys.executable)
    usual = [place for place in os.environ.get("PATH", "").split(os.pathsep) if place != own]
    return os.pathsep.join([*usual, "/usr/sbin", "/sbin", own])
