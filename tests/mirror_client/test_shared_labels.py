"""Sessions shared into a project are found under the label they have there, whoever writes it into the rows."""

from __future__ import annotations

import pytest

from sandbox.archive_example import example, served
from xnatsync.core.errors import NotThere
from xnatsync.sandbox.http.faults import Fault
from xnatsync.xnat import sessions
from xnatsync.xnat.client import Retries
from xnatsync.xnat.server import XnatServer


@pytest.fixture
def caller():
    with served(example()) as made:
        yield made


@pytest.fixture
def server(caller):
    retries = Retries(tries=1)
    with XnatServer(caller.server.url, "admin", "admin", server_name="x", retries=retries) as made:
        yield made


def test_a_shared_session_has_its_label_here(server):
    """The rows of imaging sessions tell the owner's (tests/sandbox/test_listing_joins.py)."""
    found = {held.id: (held.label, held.project) for held in sessions.listed(server.client, "P2")}
    assert found == {"XNAT_E00001": ("SHARED", "P1"), "XNAT_E00004": ("X_MR1", "P2")}
    assert {held.label: count for held, count in sessions.scan_counts(server.client, "P2").items()} == {
        "SHARED": 2,
        "X_MR1": 0,
    }
    assert sessions.one(server.client, "SHARED", "P2").id == "XNAT_E00001"
    with pytest.raises(NotThere):
        sessions.one(server.client, "SUB01_MR1", "P2")


def test_a_project_that_nothing_is_shared_into_is_asked_once(server):
    assert {held.label for held in sessions.listed(server.client, "P1")} == {"SUB01_MR1", "SUB02_CT1"}


def test_a_server_that_cannot_join_the_shares_leaves_the_labels_of_the_owners(server, caller):
    caller.server.faults.add(Fault("GET", "sharing/share", "status", times=9, status=500))
    found = {held.id: held.label for held in sessions.listed(server.client, "P2")}
    assert found == {"XNAT_E00001": "SUB01_MR1", "XNAT_E00004": "X_MR1"}
