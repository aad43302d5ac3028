"""Grouping loses nothing, mixes nothing, and does not depend on the order in which files are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from property.strategies import dicom
from xnatsync.core.group import Collision, Routing, Rule, group
from xnatsync.core.labels import Template, is_valid_label
from xnatsync.core.manifest import ManifestFile

ROUTING = Routing(
    "P",
    Template.parse("{PatientID}"),
    Template.parse("{PatientID}"),
    (Rule({"StudyDescription": "a*"}, "A"), Rule({"StudyDescription": "?b", "Modality": "MR"}, "B")),
)

FILES = st.lists(
    st.builds(
        lambda folder, study, patient, said, modality: (folder, study, patient, said, modality),
        st.sampled_from(["", "x/", "x/y/"]),
        st.sampled_from(["1.1", "1.2", "1.3", "1.4"]),
        st.sampled_from(["S", "S_2", "S_3", "***", ""]),
        st.sampled_from(["", "a", "ab", "bb", "c"]),
        st.sampled_from(["MR", "CT", "SR"]),
    ),
    max_size=8,
).map(
    lambda facts: [
        dicom(f"{folder}{number}", study=study, PatientID=patient, StudyDescription=said, Modality=modality)
        for number, (folder, study, patient, said, modality) in enumerate(facts)
    ]
)


@given(FILES, st.sampled_from(["hold", "suffix"]), st.randoms(use_true_random=False))
def test_the_order_of_files_decides_nothing(files: list[ManifestFile], collision: Collision, random) -> None:  # type: ignore[no-untyped-def]
    """The same studies, labels and reasons, word for word."""
    shuffled = random.sample(files, len(files))

    def facts(order: list[ManifestFile]) -> list[tuple[object, ...]]:
        return [
            (s.study_uid, s.project, s.subject, s.session, str(s.error), {file.path for file in s.files})
            for s in group(order, ROUTING, collision)
        ]

    assert facts(files) == facts(shuffled)


@given(FILES, st.sampled_from(["hold", "suffix"]))
def test_every_object_is_in_exactly_one_study_and_labels_are_used_once(
    files: list[ManifestFile], collision: Collision
) -> None:
    """What goes has a valid label that no other study of the item bears; what does not go has a reason."""
    studies = group(files, ROUTING, collision)

    assert sorted(file.path for study in studies for file in study.files) == sorted(file.path for file in files)
    going = [study for study in studies if study.error is None]
    assert len({(study.project, study.session) for study in going}) == len(going)
    for study in going:
        assert study.project in {"P", "A", "B"}
        assert is_valid_label(study.session)
        assert is_valid_label(study.subject)
    for study in studies:
        assert {file.identity.study_uid for file in study.files if file.identity} == {study.study_uid}


@given(FILES)
def test_one_patient_and_one_project_for_one_study(files: list[ManifestFile]) -> None:
    """A study goes only when each of its objects alone would go to the same place, or says nothing."""
    for study in group(files, ROUTING, "suffix"):
        if study.error is None:
            alone = [group([file], ROUTING, "suffix")[0] for file in study.files]
            assert {one.subject for one in alone if one.error is None} <= {study.subject}
