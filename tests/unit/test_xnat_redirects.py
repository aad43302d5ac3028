"""What a redirect is taken for, whatever its address is: told in one spelling, never as advice in a circle."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from xnatsync.core.errors import ServerMoved
from xnatsync.xnat import wire
from xnatsync.xnat.redirects import moved
from xnatsync.xnat.replies import Reply

ROOT = "http://xnat.example.org/site"
ASKED = wire.auth()


def told(location: str, *, status: int = 302, root: str = ROOT, call: wire.Call = ASKED) -> ServerMoved | None:
    """What is told of an answer with this Location."""
    headers = httpx.Headers([(b"location", location.encode("utf-8", "surrogatepass"))])
    return moved(Reply(call, status, b"", headers), root)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://xnat.example.org/site/data/auth", "https://xnat.example.org/site"),
        ("HTTPS://XNAT.EXAMPLE.ORG:443/site/data/auth", "https://xnat.example.org/site"),
        ("//other.example.org/data/auth", "http://other.example.org"),
        ("https://xnat.example.org:8443/xnat/data/auth?token=SECRET#x", "https://xnat.example.org:8443/xnat"),
        ("/data/auth/", "http://xnat.example.org"),
        ("https://user:SECRET@xnat.example.org/site//data/auth", "https://xnat.example.org/site"),
        ("http://[::1]:8080/data/auth", "http://[::1]:8080"),
        ("http://[::1]:80/data/auth", "http://[::1]"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_address_to_write_is_told_in_one_spelling(location: str, url: str, status: int) -> None:
    """For every status with which a read may be redirected."""
    error = told(location, status=status)
    assert error is not None
    assert f'`url = "{url}"`' in (error.remedy or "")
    assert "SECRET" not in f"{error}{error.remedy}"


@pytest.mark.parametrize("root", [ROOT, "http://XNAT.example.org/site", "http://xnat.example.org:80/site"])
@pytest.mark.parametrize(
    "location",
    ["", "http://xnat.example.org/site/data/auth", "http://xnat.example.org:80/site/data/auth", "/site/data/auth?a=b"],
)
def test_the_address_that_is_configured_is_never_the_advice(root: str, location: str) -> None:
    """However the one or the other is spelt: following it would change nothing."""
    error = told(location, root=root)
    assert error is not None
    assert "circle" in (error.remedy or "")


def test_to_a_write_303_is_an_answer() -> None:
    assert (
        told("https://other.example.org/x", status=303, call=wire.build("/prearchive/projects/P/20240101_1/L")) is None
    )


@examples(300)
@given(st.one_of(st.text(max_size=30), st.text("/:.@[]?#%\\\"'`ahtps0 \x1b\u202e", max_size=30)), st.booleans())
def test_no_location_breaks_the_advice(text: str, ends: bool) -> None:
    """Of any text: an error of ours or none, on one line, and what is to be written can be written as it stands."""
    location = text + "/data/auth" if ends else text
    try:
        location.encode()
        httpx.Headers({"location": location.encode()})
    except (UnicodeEncodeError, ValueError):
        return
    error = told(location)
    if error is None:
        return
    shown = f"{error} {error.remedy}"
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
    for url in re.findall(r'`url = "(.*?)`', error.remedy or ""):
        assert url.endswith('"')
        assert url.count('"') == 1
        assert "\\" not in url
        assert urlsplit(url[:-1]).scheme in {"http", "https"}
        assert url[:-1].startswith(("http://", "https://"))
        assert urljoin(ROOT, url[:-1]) == url[:-1] or urlsplit(url[:-1]).path == ""
