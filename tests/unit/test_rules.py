"""Which rule takes a study: the first whose conditions all hold, with what it found, and why the others did not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.strategies import dicom
from xnatsync.core.errors import LabelUnusable, NoRule, RuleHolds, TableMiss, TableUnusable
from xnatsync.core.group import Assigned, Routing, Study, Surroundings, studies_of
from xnatsync.core.labels import Template
from xnatsync.core.lookup_table import Table
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.rules import Lookup, Matcher, Rule, Ruling, TableState, first_rule
from xnatsync.disk.table_text import read_table

SUBJECT = Template.parse("{PatientID}")
LABEL = Template.parse("{PatientID}_{StudyDate}")
TABLE = read_table("patient;label;study\n007;A1;NEURO\n8;A2;PILOT\n")
KEY = {"patient": Template.parse("{PatientID}")}


def given_template(text: str) -> Template:
    return Template.parse(text, given=True)


def only(
    *files: ManifestFile,
    rules: tuple[Rule, ...],
    project: str | None = None,
    folder: str = "",
    table: TableState = TABLE,
    assigned: Assigned | None = None,
) -> Study:
    said = {files[0].identity.study_uid: assigned} if assigned is not None and files[0].identity is not None else {}
    around = Surroundings(folder, {"/t.csv": table}, said)
    (study,) = studies_of(files, Routing(project, SUBJECT, LABEL, rules), around)
    return study


# --- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matcher", "takes", "leaves"),
    [
        (Matcher("A*"), ["A", "A*", "Abc"], ["a", "", "BA"]),
        (Matcher("A*", "is"), ["A*"], ["A", "Abc", ""]),
        (Matcher("^A[0-9]+$", "regex"), ["A1", "A77"], ["A", "xA1", ""]),
        (Matcher(""), [""], [" ", "A"]),
        (Matcher("", "is"), [""], ["A"]),
    ],
)
def test_a_value_is_compared_as_the_condition_says(matcher: Matcher, takes: list[str], leaves: list[str]) -> None:
    assert all(matcher.found(value) is not None for value in takes)
    assert all(matcher.found(value) is None for value in leaves)


def test_groups_of_an_expression_stand_in_templates() -> None:
    """What is caught in the header and in the path; a project that is made so is never changed to fit."""
    rule = Rule(
        {"PatientID": Matcher("^(?P<site>[A-Z]+)-(?P<number>[0-9]+)$", "regex")},
        given_template("P_{arm}"),
        subject=given_template("{site}{number}"),
        path=Matcher("^(?P<arm>[a-z ]+)/", "regex"),
    )

    study = only(dicom("exam/1", PatientID="AB-07"), rules=(rule,), folder="control")
    assert (study.project, study.subject, study.session) == ("P_control", "AB07", "AB-07_20260301")

    bad = only(dicom("exam/1", PatientID="AB-07"), rules=(rule,), folder="a b")
    assert isinstance(bad.error, LabelUnusable)
    assert "project" in str(bad.error)


def test_where_the_files_lie_is_a_condition_on_all_of_them() -> None:
    """A study of which a part lies elsewhere would be torn in two."""
    rules = (Rule({}, "A", path=Matcher("site-a/*")), Rule({}, "B", path=Matcher("*")))

    assert only(dicom("x/1"), dicom("2"), rules=rules, folder="site-a").project == "A"
    assert only(dicom("site-a/1"), rules=rules).project == "A"
    assert only(dicom("x/1"), rules=rules, folder="site-b").project == "B"
    torn = only(dicom("site-a/1"), dicom("site-b/2"), rules=rules)
    assert isinstance(torn.error, LabelUnusable)
    assert "path" in str(torn.error)


def test_groups_that_catch_different_things_in_one_study_hold_it() -> None:
    rule = Rule({}, "A", subject=given_template("{who}"), path=Matcher("^(?P<who>[a-z]+)/", "regex"))

    assert isinstance(only(dicom("a/1"), dicom("b/2"), rules=(rule,)).error, LabelUnusable)


# --- what becomes of it ------------------------------------------------------------------------------------------


def test_the_rest_is_what_no_rule_took() -> None:
    """Case 8: the rule for the rest is not asked when another has taken the study, and no data goes to two places."""
    rules = (Rule({"PatientID": "S*"}, "FIRST", name="s"), Rule({"PatientID": "*"}, "REST"))

    study = only(dicom("1"), rules=rules, project="ROUTE")

    assert (study.project, study.ruling.called, study.ruling.passed) == ("FIRST", "rule 1 (s)", ())
    rest = only(dicom("1", PatientID="x"), rules=rules, project="ROUTE")
    assert (rest.project, rest.ruling.number, rest.ruling.passed[0].why) == ("REST", 2, ("PatientID is not like S*",))
    none = only(dicom("1", PatientID="x"), rules=rules[:1], project="ROUTE")
    assert (none.project, none.ruling.number) == ("ROUTE", 0)


def test_what_no_rule_takes_is_held_with_the_nearest() -> None:
    """The rule of which the fewest conditions fail is named, with them, and no value of the header."""
    near = Rule({"PatientID": "S*", "Modality": "CT"}, "A", name="almost")
    far = Rule({"PatientID": "Q*", "Modality": "CT"}, "B")

    error = only(dicom("1", PatientID="Secret"), rules=(far, near)).error

    assert isinstance(error, NoRule)
    assert "rule 2 (almost), but Modality is not like CT" in str(error)
    assert "rule 1" not in str(error)
    assert "Secret" not in str(error)


def test_a_rule_may_hold_or_leave_out() -> None:
    held = only(dicom("1"), rules=(Rule({"Modality": "MR"}, then="hold", why="ask Anna"), Rule({}, "X")), project="P")
    left = only(dicom("1"), rules=(Rule({"Modality": "MR"}, then="ignore"),), project="P")

    assert isinstance(held.error, RuleHolds)
    assert "ask Anna" in str(held.error)
    assert left.error is None
    assert left.is_ignored


def test_a_person_wins_over_every_rule() -> None:
    """Also over one that holds or leaves out; what they do not say the route's templates make."""
    rules = (Rule({"Modality": "MR"}, then="ignore"),)

    said = only(dicom("1"), rules=rules, assigned=Assigned("P", session="S1_a"))
    assert (said.project, said.subject, said.session, said.is_ignored) == ("P", "S1", "S1_a", False)
    nameless = only(dicom("1", PatientID=""), rules=rules, assigned=Assigned("P", "X"))
    assert isinstance(nameless.error, LabelUnusable)


# --- tables ------------------------------------------------------------------------------------------------------


def by_table(missing: str = "hold") -> tuple[Rule, ...]:
    lookup = Lookup("/t.csv", KEY, missing)  # type: ignore[arg-type]
    project, subject = given_template("{table.study}"), given_template("{table.label}")
    return (Rule({"Modality": "MR"}, project, subject, table=lookup), Rule({"Modality": "MR"}, "REST"))


def test_a_row_gives_what_the_templates_name() -> None:
    """`007` is found as `007`, with the project of its row."""
    study = only(dicom("1", PatientID="007"), rules=by_table())

    assert (study.project, study.subject) == ("NEURO", "A1")


@pytest.mark.parametrize("patient", ["7", "0007", " 7.0", "00-7", "08"])
@pytest.mark.parametrize("missing", ["hold", "next"])
def test_a_near_miss_is_named_and_held(patient: str, missing: str) -> None:
    """Case 9: zeros that a spreadsheet ate match nobody, and never fall through to another rule; the line is told."""
    error = only(dicom("1", PatientID=patient), rules=by_table(missing)).error

    assert isinstance(error, TableMiss)
    assert ("line 3" if "8" in patient else "line 2") in str(error)
    assert "A1" not in str(error)


def test_a_study_without_a_row_is_held_or_goes_on_to_the_next_rule() -> None:
    assert isinstance(only(dicom("1", PatientID="99"), rules=by_table()).error, TableMiss)
    assert only(dicom("1", PatientID="99"), rules=by_table("next")).project == "REST"
    assert isinstance(only(dicom("1"), rules=by_table(), table="it is empty").error, TableUnusable)


VALUES = st.sampled_from(["", "007", "7", "8", "A1", "x y"])
MATCHERS = st.builds(
    Matcher, st.sampled_from(["", "*", "0*", "7", "[", "x y", "(?P<g>.)"]), st.just("like")
) | st.builds(Matcher, st.sampled_from(["^(?P<g>[0-9]+)$", "x", ""]), st.just("regex"))
RULES = st.builds(
    Rule,
    st.dictionaries(st.sampled_from(["PatientID", "Modality"]), MATCHERS, max_size=2),
    st.sampled_from(["P", None]),
    table=st.sampled_from([None, Lookup("/t.csv", KEY), Lookup("/t.csv", KEY, "next"), Lookup("/none", KEY)]),
    then=st.sampled_from(["send", "hold", "ignore"]),
)


@given(st.lists(RULES, max_size=5), st.lists(VALUES, min_size=1, max_size=3), VALUES)
def test_the_decision_is_total_and_the_first_that_takes_it_decides(
    rules: list[Rule], patients: list[str], modality: str
) -> None:
    """No rule behind the one that took the study changes anything; those before it each say why they did not."""
    values = {"PatientID": {*patients}, "Modality": {modality}}
    tags = {"PatientID": min(patients), "Modality": modality}
    tables: dict[str, Table | str] = {"/t.csv": TABLE}

    ruling = first_rule(rules, values, {"a/1"}, tags, tables)

    assert ruling == first_rule(rules[: ruling.number or len(rules)], values, {"a/1"}, tags, tables) or ruling.error
    assert [one.number for one in ruling.passed] == list(range(1, ruling.number or len(rules) + 1))
    assert all(one.why for one in ruling.passed)
    assert (ruling.rule is None) == (ruling.number == 0)
    assert ruling.rule is None or ruling.rule is rules[ruling.number - 1]
    assert isinstance(ruling, Ruling)
