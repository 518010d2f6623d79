"""A check of two folders: what leaks fails, what hides passes, and what cannot be told is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.check.judges import Judges
from deid.check.limits import Limits
from deid.check.run import check
from deid.core.errors import ConfigError, DataError
from deid.core.protocols import Detector
from deid.core.types import Detection, Image

Write = Callable[[str, dict[str, Image]], Path]


def test_untouched_copies_fail(write: Write, people: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", people), write("after", people), judges)
    assert not report.passed
    assert (report.counts.faces, report.counts.exposed, report.counts.recognised, report.counts.found) == (4, 4, 4, 4)
    assert report.line().startswith("FAILS: 4 photos, 4 faces: 4 exposed, 4 of 4 recognised")


def test_solid_covers_pass(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", people), write("after", solid), judges)
    assert report.passed, report.reasons
    assert (report.counts.exposed, report.counts.recognised, report.counts.found) == (0, 0, 0)
    assert report.to_dict()["totals"]["recall"] == {"one": 0.0, "two": 0.0}


def test_one_face_in_many_fails_and_is_named(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", people), write("after", solid | {"person_c.png": people["person_c.png"]}), judges)
    assert report.reasons[0] == "1 of 4 faces exposed, 25.00% > 0.00%"
    assert [f.name for f in report.files if f.counts.exposed] == ["person_c.png"]
    relaxed = Limits(exposed=0.25, recognised=0.25)
    assert check(write("before", {}).parent / "before", write("after", {}).parent / "after", judges, relaxed).passed


def test_a_mild_blur_is_recognised(write: Write, people: dict[str, Image], judges: Judges) -> None:
    softer = {name: np.clip(image * 0.8 + 20, 0, 255).astype(np.uint8) for name, image in people.items()}
    report = check(write("before", people), write("after", softer), judges)
    assert (report.counts.unchanged, report.counts.recognised, report.counts.exposed) == (0, 4, 4)


def test_recall_can_be_asked_for(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    report = check(write("before", people), write("after", solid), judges, Limits(recall=0.9))
    assert report.reasons == ("recall 0.00% < 90.00%",)


def test_a_cover_of_a_flat_place_counts_as_a_cover(write: Write, fake_detector: Callable[..., Detector]) -> None:
    # What a detector takes for a face in a wall hardly changes under a cover of the wall's colour.
    wall = np.full((110, 108, 3), 120, np.uint8)
    wall[45:65, 44:64] += np.random.default_rng(0).integers(0, 2, (20, 20, 1)).astype(np.uint8)
    flat = np.full((110, 108, 3), 120, np.uint8)
    always = fake_detector([[Detection(np.array([30.0, 25.0, 78.0, 85.0]))]])
    report = check(write("before", {"a.png": wall}), write("after", {"a.png": flat}), Judges((always,), ()))
    assert (report.counts.faces, report.counts.exposed) == (1, 0)


def test_metadata_left_fails(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    before, after = write("before", people), write("after", solid)
    exif = PillowImage.Exif()
    exif[0x010F] = "Camera"
    PillowImage.fromarray(solid["person_b.png"]).save(after / "person_b.png", exif=exif)
    report = check(before, after, judges)
    assert report.reasons == ("metadata left in 1 files, such as person_b.png: EXIF: Make",)
    assert check(before, after, judges, Limits(metadata=True)).passed


def test_files_without_a_partner_are_left_out_and_named(
    write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges
) -> None:
    before, after = (
        write("before", people),
        write("after", {k: v for k, v in solid.items() if k != "person_a.png"} | {"extra.png": solid["person_a.png"]}),
    )
    (after / "notes.bin").write_bytes(b"?")
    report = check(before, after, judges)
    assert report.passed
    assert sorted((p.file, p.kind) for p in report.left_out) == [("extra.png", "extra"), ("notes.bin", "kind"), ("person_a.png", "missing")]


def test_an_unreadable_output_fails(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    before, after = write("before", people), write("after", solid)
    (after / "person_d.png").write_bytes((after / "person_d.png").read_bytes()[:90])
    report = check(before, after, judges)
    assert not report.passed
    assert "person_d.png" in report.reasons[0]


def test_every_frame_of_an_animation_is_looked_at(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    before, after = write("before", {}), write("after", {})
    for folder, frames in ((before, list(people.values())), (after, [*list(solid.values())[:3], people["person_d.png"]])):
        folder.mkdir(exist_ok=True)
        first, *others = (PillowImage.fromarray(f) for f in frames)
        first.save(folder / "a.webp", save_all=True, append_images=others, lossless=True, duration=40)
    report = check(before, after, judges)
    assert [(f.name, f.counts.exposed) for f in report.files] == [("a.webp", 0), ("a.webp#1", 0), ("a.webp#2", 0), ("a.webp#3", 1)]


def test_a_photo_without_a_face_passes(write: Write, judges: Judges) -> None:
    wall = {"wall.png": np.full((60, 60, 3), 90, np.uint8)}
    report = check(write("before", wall), write("after", wall), judges)
    assert report.passed
    assert report.line().startswith("passes: 1 photos, 0 faces")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("before", "nowhere", "nowhere"),
        ("before", "before/person_a.png", "two files or two folders"),
        ("before", "other", "no file of .*other has the name of one in .*before"),
        ("empty", "before", "expected photos"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    before: str, after: str, said: str, write: Write, people: dict[str, Image], judges: Judges, tmp_path: Path
) -> None:
    write("before", people)
    write("other", {"x.png": people["person_a.png"]})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        check(tmp_path / before, tmp_path / after, judges)


def test_two_single_files(write: Write, people: dict[str, Image], solid: dict[str, Image], judges: Judges) -> None:
    before, after = write("before", people), write("after", {"renamed.png": solid["person_b.png"]})
    report = check(before / "person_b.png", after / "renamed.png", judges)
    assert report.passed
    assert report.counts.faces == 1


def test_limits_are_shares() -> None:
    with pytest.raises(ConfigError, match="exposed"):
        Limits(exposed=1.5)


@pytest.mark.parametrize("name", ["nobody", "scrfd:", "scrfd:/nowhere.onnx"])
def test_unknown_judges_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Judges.of([name])
