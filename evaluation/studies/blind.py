"""A blind test: do readers distinguish new faces from untouched photos, and by which signs?

One run writes numbered sheets, and the key beside the folder; another one scores what a reader wrote. Nothing but the face may tell
the kinds apart: they are of different people, of equal sizes, and are cut, scaled and compressed alike.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import JpegImagePlugin
from scipy.stats import binomtest

from deid import Anonymizer
from deid.core import seeds
from deid.core.errors import DataError
from deid.core.types import Image
from deid.imaging import codec, geometry
from deid.training.data import read_tar
from evaluation import datasets
from evaluation.metrics.bootstrap import CONFIDENCE, Interval
from evaluation.new_faces import NewFace, new_faces, read_report
from evaluation.results import Measure, Results, environment, measure
from evaluation.studies import sheets
from evaluation.studies.options import StudyOptions

KINDS = ("real", "new")
#: How much of the photo is shown: times the size of the face, so that hair, ears, jaw and neck are judged too.
_VIEW = 2.2
#: How far the cover of another face may reach, times its box.
_COVER = 1.5
#: Every crop is saved once more at the end, and so hides what the files before were saved with.
_QUALITY = 90
#: What a file that does not say how strongly it was compressed is matched with.
_OTHER_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One crop of the test.

    Args:
        kind: ``real`` or ``new``.
        name: of the photo.
        identity: whose it is.
        size_px: of the face; of the picture where all of it is shown.
        picture: (256, 256, 3) as a reader sees it.
    """

    kind: str
    name: str
    identity: str
    size_px: float
    picture: Image


def blind(options: StudyOptions) -> Results:
    """Write a test, or score the answers to one.

    Raises:
        DataError: there are too few new faces, or answers that do not fit the key.
    """
    if options.folder is None:
        raise DataError("expected a folder for the sheets of the blind test, or that of the test that was answered")
    return _score(options, options.folder) if options.answers else _make(options, options.folder)


def key_of(folder: Path) -> Path:
    """Where the key of a test lies: beside its folder, so that the folder can be handed to a reader."""
    return folder.with_name(f"{folder.name}.key.csv")


def _make(options: StudyOptions, folder: Path) -> Results:
    """Draw, shuffle and write the crops and the key."""
    drawn = list(_officials(options) if options.before is None else _from_folders(options))
    shown = [drawn[i] for i in np.random.default_rng(options.seed).permutation(len(drawn))]
    sheets.write([s.picture for s in shown], folder)
    with key_of(folder).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "kind", "name", "identity", "size_px"])
        rows.writerows([n, s.kind, s.name, s.identity, round(s.size_px, 1)] for n, s in enumerate(shown, 1))
    lines = [
        Measure(section="crops", name=f"{kind}, median size", value=float(np.median(sizes)), n=len(sizes), unit="px")
        for kind in KINDS
        for sizes in [[s.size_px for s in shown if s.kind == kind]]
    ]
    return _results("a blind test, unanswered", {"crops": len(shown), "seed": options.seed}, lines)


def _results(title: str, settings: dict[str, object], lines: Sequence[Measure]) -> Results:
    return Results(kind="study", title=f"blind: {title}", settings=settings, environment=environment(), measures=tuple(lines))


def _from_folders(options: StudyOptions) -> Iterator[Shown]:
    """Photos in whose middle a tool put a new face, half of them shown as they were."""
    options.stage("new faces", options.crops)
    report = read_report(options.report) if options.report else None
    found = []
    every = new_faces(options.pairs(shuffled=True), report, options.least_px, one_a_person=True)
    for face in islice(filter(is_alone, every), options.crops):
        found.append(face)
        options.tick()
    _enough(len(found), options.crops, f"new faces of {options.least_px:g} px and more, nobody else in view")
    yield from (_shown(face, kind) for face, kind in zip(found, kinds_by_size([f.face.size_px for f in found], options.seed), strict=True))


def is_alone(new: NewFace) -> bool:
    """Whether nobody else is in view: another face that was covered would tell at once which picture was touched."""
    view_xyxy = geometry.expand_box(new.face.box_xyxy, _VIEW)
    return not any(geometry.box_intersection(geometry.expand_box(box, _COVER), view_xyxy)[0, 0] > 0 for box in new.others)


def _enough(n: int, wanted: int, what: str) -> None:
    if n < wanted:
        raise DataError(f"expected {wanted} {what}, of as many people, got {n}: ask for fewer --crops")


def kinds_by_size(sizes: Sequence[float], seed: int) -> list[str]:
    """A kind for each face: of every two that are next to each other in size one is shown untouched, by lot."""
    lots = np.random.default_rng(seed).integers(0, 2, (len(sizes) + 1) // 2)
    kinds = [""] * len(sizes)
    for rank, i in enumerate(np.argsort(sizes, kind="stable")):
        kinds[i] = KINDS[(rank + int(lots[rank // 2])) % 2]
    return kinds


def _shown(new: NewFace, kind: str) -> Shown:
    assert new.pair.after is not None
    source = codec.read(new.pair.after if kind == "new" else new.pair.before).frames[0].rgb
    picture = source if kind == "new" else saved_like(source, new.pair.after)
    return Shown(kind, new.pair.name, new.pair.identity, new.face.size_px, view(picture, new.face.box_xyxy))


def saved_like(image: Image, file: Path) -> Image:
    """An untouched picture after the compression of an output: with its tables where it is a JPEG, so that both were saved alike."""
    with PillowImage.open(file) as output:
        if output.format == "JPEG":
            how = {"qtables": output.quantization, "subsampling": JpegImagePlugin.get_sampling(output)}  # type: ignore[attr-defined]
        elif output.format in ("WEBP", "AVIF"):
            how = {"quality": _OTHER_QUALITY}
        else:
            return image
        return _saved(image, str(output.format), **how)


def _saved(image: Image, form: str, **how: object) -> Image:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, form, **how)
    return np.asarray(PillowImage.open(buffer).convert("RGB"))


def view(image: Image, box_xyxy: NDArray[np.float64]) -> Image:
    """The square around a face as a reader sees it: (256, 256, 3), as much of it as lies within the picture, compressed once more."""
    h, w = image.shape[:2]
    side = min(round(_VIEW * float(np.sqrt(np.prod(box_xyxy[2:] - box_xyxy[:2])))), h, w)
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2
    x, y = (int(np.clip(round(c - side / 2), 0, most - side)) for c, most in zip(middle, (w, h), strict=True))
    how = cv2.INTER_AREA if side > sheets.SIDE else cv2.INTER_CUBIC
    scaled = cv2.resize(image[y : y + side, x : x + side], (sheets.SIDE, sheets.SIDE), interpolation=how)
    return _saved(np.asarray(scaled, np.uint8), "JPEG", quality=_QUALITY, subsampling=0)


def _officials(options: StudyOptions) -> Iterator[Shown]:
    """Official portraits, each of another person: half untouched, half given a new face here and now."""
    files_read = list(read_tar(datasets.data_file("officials.tar")))
    order = np.random.default_rng(options.seed).permutation(len(files_read))
    photos = ((i, *files_read[i]) for i in order)
    engine, n_real = Anonymizer(), options.crops // 2
    options.stage("official portraits", options.crops)
    made = 0
    for number, name, read in photos:
        before = np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB"))
        kind = KINDS[made >= n_real]
        picture = before if kind == "real" else _with_new_face(engine, before, seeds.seed_of(options.seed, int(number)))
        if picture is not None:
            yield Shown(kind, name, name, float(len(before)), view(picture, _WHOLE * len(picture)))
            made += 1
            options.tick()
        if made == options.crops:
            return
    _enough(made, options.crops, "official portraits")


#: A box for which the whole picture is shown.
_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])


def _with_new_face(engine: Anonymizer, image: Image, seed: int | None) -> Image | None:
    """The picture with a new face in its middle; None where the face was covered, which is no new face to judge."""
    result = engine.process(image, seed=seed)
    h, w = image.shape[:2]
    new = [f for f in result.faces if f.status == "passed" and f.attributes]
    middle = geometry.expand_box(np.array([0.0, 0.0, w, h]), 0.5)
    return result.image if any(geometry.box_intersection(f.detection.box_xyxy, middle)[0, 0] > 0 for f in new) else None


def _score(options: StudyOptions, folder: Path) -> Results:
    key = {int(row["number"]): row["kind"] for row in _rows(key_of(folder), ("number", "kind"))}
    lines = [line for path in options.answers for line in score_lines(path.stem, key, read_answers(path, key))]
    return _results("answers to a blind test", {"crops": len(key), "answers": [p.name for p in options.answers]}, lines)


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a table with the columns {', '.join(columns)} in {path}: {error}") from error
    absent = [c for c in columns if not rows or rows[0].get(c) is None]
    if absent:
        raise DataError(f"expected a table with the columns {', '.join(columns)} in {path}, got none of {', '.join(absent)}")
    return rows


def read_answers(path: Path, key: dict[int, str]) -> dict[int, tuple[str, str]]:
    """Answer and reason by number.

    Raises:
        DataError: a number is not in the key, is answered twice or not at all, or an answer is neither real nor new.
    """
    found: dict[int, tuple[str, str]] = {}
    for row in _rows(path, ("number", "answer")):
        number, said = row["number"].strip(), row["answer"].strip().lower()
        if not number.isdigit() or int(number) not in key or int(number) in found:
            raise DataError(f"expected each number of the test once in {path}, got {number!r}")
        if said not in KINDS:
            raise DataError(f"expected real or new for number {number} in {path}, got {said!r}")
        found[int(number)] = (said, row.get("reason") or "")
    if len(found) < len(key):
        raise DataError(f"expected {len(key)} answers in {path}, got {len(found)}: {sorted(set(key) - set(found))} are missing")
    return found


def score_lines(section: str, key: dict[int, str], answers: dict[int, tuple[str, str]]) -> list[Measure]:
    """Right answers with their exact binomial interval, and how often each reason was given for ``new``.

    Args:
        section: the reader, or the size at which the crops were shown.
        key: kind by number.
        answers: answer and reason by number; several reasons are parted by semicolons.
    """
    numbers = {kind: [n for n, k in key.items() if k == kind] for kind in KINDS}
    right = [answers[n][0] == kind for n, kind in key.items()]
    taken = {kind: [answers[n][0] == "new" for n in own] for kind, own in numbers.items()}
    lines = [
        measure(section, "right answers", _binomial(right), better="lower", unit="%", chance=0.5),
        measure(section, "new faces taken for new", _binomial(taken["new"]), better="lower", unit="%"),
        measure(section, "untouched photos taken for new", _binomial(taken["real"]), unit="%"),
    ]
    reasons = {kind: _reasons([answers[n] for n in own]) for kind, own in numbers.items()}
    for reason, times in (reasons["new"] + Counter(dict.fromkeys(reasons["real"], 0))).most_common():
        share, control = (n / max(1, len(numbers[kind])) for n, kind in ((times, "new"), (reasons["real"][reason], "real")))
        note = "share of the new faces of which it was said, and of the untouched photos"
        line = Measure(
            section=f"{section}, reasons", name=reason, value=share, n=times, better="lower", unit="%", control=control, note=note
        )
        lines.append(line)
    return lines


def _binomial(hits: Sequence[bool]) -> Interval:
    if not hits:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    ci = binomtest(sum(hits), len(hits)).proportion_ci(CONFIDENCE, "exact")
    return Interval(sum(hits) / len(hits), float(ci.low), float(ci.high), len(hits), len(hits))


def _reasons(answers: Sequence[tuple[str, str]]) -> Counter[str]:
    """Number of crops for each reason, of those that were called new."""
    given = [{part.strip().lower() for part in reason.split(";") if part.strip()} for said, reason in answers if said == "new"]
    return Counter(reason for parts in given for reason in parts)
