"""The work that one more object of an import makes: what is the same for all objects is done once.

Work is counted in calls, not in seconds, so that a busy machine changes nothing.
"""

from __future__ import annotations

import sys
from types import FrameType

from sandbox.dicom_study import mr_object
from xnatsync.sandbox.model import anonymise
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.model.importer import Importer
from xnatsync.sandbox.model.site import Site

LONG_BRANCH = "\n".join(f'  (0008,1010) := "station {number}"' for number in range(100))
LONG_SCRIPT = (
    f'{anonymise.DEFAULT_SITE_SCRIPT}\nif ((0008,0080) = "nowhere") {{\n{LONG_BRANCH}\n}}\n(0008,0081) := "here"\n'
)
AT_MOST = 160  # calls for one object with the default script: 146 now, 162 before scripts left a record in the object


def calls_per_object(site: Site, script: str, *, study: int = 1, count: int = 20) -> float:
    """Return how many Python functions were called for one object more, once the first one came."""
    site.settings.update({"sitewideAnonymizationScript": script, "enableSitewideAnonymizationScript": True})
    user = site.accounts.get("admin")
    assert user is not None
    if "P1" not in site.projects:
        create_project(site, "P1", user)
    importer = Importer(site, user, {"PROJECT_ID": "P1", "SUBJECT_ID": "S1", "EXPT_LABEL": f"E{len(script)}"})
    objects = [mr_object(1, instance, study=study) for instance in range(1, count + 2)]
    importer.receive("0.dcm", [objects[0]])
    calls = 0

    def seen(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(seen)
    try:
        for number, content in enumerate(objects[1:], 1):
            importer.receive(f"{number}.dcm", [content])
    finally:
        sys.setprofile(None)
    return calls / count


def test_an_object_more_costs_few_calls(site: Site) -> None:
    assert calls_per_object(site, anonymise.DEFAULT_SITE_SCRIPT) < AT_MOST


def test_the_length_of_a_script_costs_nothing_but_what_it_does(site: Site) -> None:
    """A branch of a hundred lines that no object takes is read once, not for each object."""
    short = calls_per_object(site, anonymise.DEFAULT_SITE_SCRIPT)
    long = calls_per_object(site, LONG_SCRIPT, study=2)
    assert long - short < 100


def test_work_for_each_object_would_be_seen(site: Site) -> None:
    """A script that changes a hundred values makes a hundred values of work: what is counted is real."""
    changes = anonymise.DEFAULT_SITE_SCRIPT + LONG_BRANCH + "\n"
    assert calls_per_object(site, changes, study=3) - calls_per_object(site, anonymise.DEFAULT_SITE_SCRIPT) > 100
