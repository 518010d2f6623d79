"""Who is left as they are: those whom the reference photos show, for sure, and nobody on a doubt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer import known_people
from deid.anonymizer.known_people import LOOSE, STRICT, KnownPeople
from deid.anonymizer.selection import Selection, best_pairs
from deid.anonymizer.strangers import Strangers
from deid.anonymizer.zones import Zones
from deid.core.errors import ConfigError
from deid.core.options import Options
from deid.core.protocols import Detector, Embedder
from deid.core.types import Crops, Detection, Embeddings, Image, KeptFace
from deid.detection.merge import is_among

SIDE, POINTS = 60, np.array([[18.0, 24], [42, 24], [30, 38], [21, 47], [39, 47]])


class ByColour:
    """A recogniser of people who differ in the colour of their faces."""

    name, threshold = "colour", 0.4

    def embed(self, crops: Crops) -> Embeddings:
        means = crops[:, 50:80, 50:80].reshape(len(crops), -1, 3).mean(axis=1) - 128.0
        return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6), np.float32)


RED, GREEN, BLUE, PINK = (230, 90, 90), (90, 230, 90), (90, 90, 230), (230, 100, 100)
#: Strangers all around: nearness 1 is about the distance of red to orange.
STRANGERS = np.array([[1, y, z] for y in (-0.6, 0.6) for z in (-0.6, 0.6)] * 2 + [[-1, 1, z] for z in (-1, 1)] * 3, np.float32)
AROUND = Strangers(STRANGERS / np.linalg.norm(STRANGERS, axis=1, keepdims=True))


def _photo(*colours: tuple[int, int, int]) -> Image:
    """People side by side, a face every 100 pixels."""
    image = np.full((100, 100 * len(colours), 3), 128, np.uint8)
    for i, colour in enumerate(colours):
        image[20:80, 100 * i + 20 : 100 * i + 80] = colour
    return image


def _faces(n: int, score: float = 0.999) -> list[Detection]:
    first = Detection(np.array([20.0, 20, 80, 80]), score, np.add(POINTS, 20), "fake")
    return [first.moved(np.ones(2), np.array([100.0 * i, 0])) for i in range(n)]


def _people(**colours: tuple[int, int, int]) -> KnownPeople:
    crops = {name: np.full((2, 128, 128, 3), colour, np.uint8) for name, colour in colours.items()}
    return KnownPeople.of(crops, [ByColour()], AROUND)


def _kept(selection: Selection, image: Image, faces: Sequence[Detection]) -> list[int]:
    edited, kept = selection.split(image, faces)
    places = [float(face.detection.box_xyxy[0]) for face in kept]
    assert len(edited) + len(kept) == len(faces)
    return [i for i, d in enumerate(faces) if float(d.box_xyxy[0]) in places]


def test_a_person_to_keep_is_kept_and_nobody_else() -> None:
    selection = Selection(Options(), keep=_people(ada=RED))
    assert _kept(selection, _photo(GREEN, RED, BLUE), _faces(3)) == [1]
    _, kept = selection.split(_photo(RED), _faces(1))
    assert kept[0].why.startswith("kept as ada (nearness ")
    assert kept[0].to_dict()["status"] == "kept"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"score": 0.5}, "a face that the detector is not sure of"),
        ({"box_xyxy": np.array([20.0, 20, 50, 50])}, "a small face"),
        ({"landmarks": POINTS * [0.2, 1] + [40, 20]}, "a face from the side"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_is_not_seen_well_is_not_kept(change: dict[str, object], why: str) -> None:
    face = replace(_faces(1)[0], **change)
    assert _kept(Selection(Options(), keep=_people(ada=RED)), _photo(RED), [face]) == [], why


def test_of_two_who_look_alike_the_nearer_one_is_kept() -> None:
    assert _kept(Selection(Options(), keep=_people(ada=RED)), _photo(PINK, RED), _faces(2)) == [1]


def test_each_person_is_one_face_and_each_face_one_person() -> None:
    near = np.array([[0.1, 0.2], [0.3, 0.05], [0.2, 0.9], [STRICT, 0.9]])
    assert best_pairs(near) == [(1, 1), (0, 0)]


def test_only_some_people_go_and_whoever_may_be_one() -> None:
    selection = Selection(Options(), only=_people(ada=RED))
    assert _kept(selection, _photo(RED, BLUE, PINK), _faces(3)) == [1]
    assert _kept(selection, _photo(BLUE), _faces(1, score=0.6)) == []


def test_a_second_recogniser_must_agree() -> None:
    @dataclass
    class Says:
        same: bool
        name: str = "second"
        threshold: float = 0.5

        def embed(self, crops: Crops) -> Embeddings:
            rows = np.zeros((len(crops), 2), np.float32)
            rows[:, 0 if self.same or len(crops) == 2 else 1] = 1
            return rows

    def selection(same: bool, what: str) -> Selection:
        crops = {"ada": np.full((2, 128, 128, 3), RED, np.uint8)}
        return Selection(Options(), **{what: KnownPeople.of(crops, [ByColour(), Says(same)], AROUND)})

    assert _kept(selection(True, "keep"), _photo(RED), _faces(1)) == [0]
    assert _kept(selection(False, "keep"), _photo(RED), _faces(1)) == []
    # Who may be the person, for one of them, is not left as they are.
    assert _kept(selection(True, "only"), _photo(BLUE), _faces(1)) == []
    assert _kept(selection(False, "only"), _photo(BLUE), _faces(1)) == [0]


def test_zones_and_faces_that_are_kept_already() -> None:
    selection = Selection(Options(), zones=Zones.parse(["100,0,200,100"]))
    assert _kept(selection, _photo(RED, RED), _faces(2)) == [1]
    known = [KeptFace(_faces(2)[1], "before")]
    edited, kept = selection.split(_photo(RED, RED), _faces(2), known)
    assert ([float(d.box_xyxy[0]) for d in edited], kept) == ([20.0], [])


def test_among() -> None:
    face = _faces(1)[0]
    assert is_among(face, [face.moved(np.ones(2), np.array([15.0, 0]))])
    assert not is_among(face, [face.moved(np.ones(2), np.array([45.0, 0]))])
    assert not is_among(face, [])


def _crops(*colours: tuple[int, int, int]) -> list[Image]:
    return [np.full((128, 128, 3), colour, np.uint8) for colour in colours]


def test_a_track_is_decided_by_all_of_its_views() -> None:
    selection = Selection(Options(), keep=_people(ada=RED))
    assert selection.of_track(_crops(RED, RED, PINK, RED)).startswith("kept as ada")
    assert selection.of_track(_crops(RED, RED)) == "", "too few views"
    assert selection.of_track(_crops(RED, RED, RED, BLUE)) == "", "a view of somebody else"
    assert Selection(Options(), only=_people(ada=RED)).of_track(_crops(BLUE, BLUE, BLUE)) != ""
    assert Selection(Options(), only=_people(ada=RED)).of_track(_crops(BLUE, BLUE, RED)) == ""


@dataclass
class Parts:
    """What reference photos are read with."""

    detector: Detector
    options: Options
    embedders: Sequence[Embedder] = field(default_factory=list)
    bank_embedder: Embedder = field(default_factory=ByColour)


@pytest.fixture
def parts(fake_detector: Callable[..., Detector], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Parts]:
    monkeypatch.setattr(known_people, "shipped_strangers", lambda: AROUND)
    return lambda answers, **options: Parts(fake_detector(answers), Options(**options))


def _save(path: Path, *colours: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(_photo(*colours)).save(path)


def test_people_by_folder_and_by_name(parts: Callable[..., Parts], tmp_path: Path) -> None:
    for name in ("ada/1.png", "ada/2.png", "bob_1.png", "bob_2.png", "Cy.png"):
        _save(tmp_path / name, RED)
    selection = Selection.of(parts([_faces(1)], keep=str(tmp_path)))
    assert selection.keep is not None
    assert selection.keep.names == ("Cy", "ada", "bob")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "expected one face, it shows no clear face"),
        (_faces(2), "expected one face, it shows 2 faces; crop it to one"),
        ([Detection(np.array([20.0, 20, 50, 50]), 0.999)], "on 30 px, too little"),
    ],
)
def test_reference_photos_that_show_nobody_or_two(found: list[Detection], said: str, parts: Callable[..., Parts], tmp_path: Path) -> None:
    _save(tmp_path / "ada.png", RED, RED)
    with pytest.raises(ConfigError, match=r"ada\.png") as error:
        Selection.of(parts([found], keep=str(tmp_path)))
    assert said in str(error.value)


def test_reference_folders_that_hold_none(parts: Callable[..., Parts], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match="found none"):
        Selection.of(parts([_faces(1)], keep=str(tmp_path / "empty")))
    with pytest.raises(ConfigError, match="expected a folder"):
        Selection.of(parts([_faces(1)], only=str(tmp_path / "nowhere")))
    (tmp_path / "empty" / "ada.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"ada\.png"):
        Selection.of(parts([_faces(1)], keep=str(tmp_path / "empty")))


def test_limits_stand_in_order() -> None:
    assert 0 < STRICT < known_people.SINGLE < LOOSE
