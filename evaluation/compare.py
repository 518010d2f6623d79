"""`compare`: two folders in, every line of the report out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import crops_of
from deid.check.folders import pair_folders, read_pairs
from deid.check.recognition import Embedded, embed
from deid.check.states import states
from deid.core.attributes import MALE
from deid.core.errors import DataError, WeightsError
from deid.core.protocols import Embedder
from deid.core.types import Crops
from evaluation import datasets, detectors, recognisers
from evaluation.coverage import coverage
from evaluation.faces import Face, Observer, PhotoResult, with_genders
from evaluation.features import load as load_features
from evaluation.privacy import privacy
from evaluation.realism import close_lines, realism_lines
from evaluation.results import Curve, Measure, Results, environment
from evaluation.utility import detection_lines, expression_lines, gender_lines, outside_lines


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How two folders are compared.

    Args:
        onnx: further recognisers; none means the attacker's own, when it is in the data folder.
        genders: table with the columns `image` and `gender`; None means LFW's, when it is in the data folder.
        seed: of all resampling.
    """

    onnx: tuple[Path, ...] = ()
    genders: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of `compare`.

    Args:
        stage: called with a name and the number of steps when a stage begins.
        tick: called after each step.
    """

    stage: Callable[[str, int], None] = field(default=lambda name, total: None)
    tick: Callable[[], None] = field(default=lambda: None)


def compare(originals: Path, outputs: Path, options: CompareOptions | None = None, progress: Progress | None = None) -> Results:
    """Everything that is measured of two folders with the same file names.

    Args:
        originals: folder of untouched photos.
        outputs: folder of the same photos after any tool.
        options: see `CompareOptions`.
        progress: see `Progress`.

    Raises:
        DataError: a folder cannot be used, or no face is found in the untouched photos.
    """
    options, progress = options or CompareOptions(), progress or Progress()
    from deid.landmarks.face_points import FacePoints

    pairs, problems = pair_folders(originals, outputs)
    progress.stage("faces", len(pairs))
    observer = Observer(detectors.both_detectors(), FacePoints(), close=True)
    photos = observer.observe(read_pairs(pairs, problems), progress.tick)
    if not any(p.faces for p in photos):
        raise DataError(f"expected faces in the photos of {originals}, found none")
    attackers = recognisers.load(options.onnx)
    seen = _measure(photos, attackers, options, progress)
    settings = {"photos": len(photos), "faces": len(seen.rows), "people": len({p.identity for p in photos}), "seed": options.seed}
    return Results(
        kind="compare",
        title=f"{outputs.name} against {originals.name}",
        settings={**settings, "detectors": {d.name: detectors.fingerprint(d) for d in observer.detectors}, **seen.settings},
        environment=environment(),
        measures=tuple(seen.lines),
        curves=tuple(seen.curves),
        problems=tuple(problems),
        faces=tuple(seen.rows),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    lines: list[Measure]
    curves: list[Curve]
    rows: list[dict[str, Any]]
    settings: dict[str, Any]


def _measure(photos: Sequence[PhotoResult], attackers: Sequence[Embedder], options: CompareOptions, progress: Progress) -> _Measured:
    """All lines, curves and rows of observed photos."""
    faces = [f for p in photos for f in p.faces]
    progress.stage("recognisers", len(attackers))
    male = male_probabilities(crops_of(faces, "before")), male_probabilities(crops_of(faces, "after"))
    faces = with_genders(faces, datasets.genders(options.genders or datasets.data_folder() / "lfw-gender.csv"), male[0])
    embedded = []
    for attacker in attackers:
        embedded.append(embed(attacker, faces))
        progress.tick()
    progress.stage("scores", len(embedded) + 1)
    lines, curves = _privacy(faces, embedded, options.seed, progress)
    found, features = states(faces, embedded), load_features()
    lines += coverage(faces, found, options.seed) + _utility(photos, faces, male, options.seed)
    lines += realism_lines(faces, features, options.seed) + close_lines(faces, options.seed)
    progress.tick()
    settings = {
        "recognisers": {a.name: _facts(a, e) for a, e in zip(attackers, embedded, strict=True)},
        "features": features.name,
        "not measured": _absent(embedded, male[0]),
    }
    return _Measured(lines, curves, _rows(faces, found, embedded), settings)


def _facts(attacker: Embedder, found: Embedded) -> dict[str, Any]:
    return {"sha256": recognisers.fingerprint(attacker), "threshold": round(found.threshold, 4), "from": found.note}


def _privacy(faces: Sequence[Face], embedded: Sequence[Embedded], seed: int, progress: Progress) -> tuple[list[Measure], list[Curve]]:
    lines: list[Measure] = []
    curves: list[Curve] = []
    for found in embedded:
        more_lines, more_curves = privacy(faces, found, seed)
        lines, curves = lines + more_lines, curves + more_curves
        progress.tick()
    return lines, curves


def _utility(photos: Sequence[PhotoResult], faces: Sequence[Face], male: tuple[Any, Any], seed: int) -> list[Measure]:
    lines = detection_lines(photos, seed) + expression_lines(faces, seed)
    if male[0] is not None:
        lines += gender_lines(faces, male[0], male[1], seed)
    return lines + outside_lines(photos, seed)


def male_probabilities(crops: Crops) -> NDArray[np.float64] | None:
    """Probability of `Male` (N,) by the attribute classifier; None when its weights are absent."""
    from deid.recognition.attributes import AttributeReader

    try:
        return AttributeReader().probabilities(crops)[:, MALE].astype(np.float64)
    except WeightsError:
        return None


def _absent(embedded: Sequence[Embedded], male: NDArray[np.float64] | None) -> list[str]:
    names = {e.recogniser for e in embedded}
    absent = [] if "facenet" in names else ["FaceNet: its weights were not fetched"]
    if names <= {"dlib_resnet", "facenet"}:
        absent.append("ArcFace-style recogniser: no ONNX file was given or found")
    return absent + (["gender agreement: the attribute classifier's weights are absent"] if male is None else [])


def _rows(faces: Sequence[Face], found: NDArray[np.str_], embedded: Sequence[Embedded]) -> list[dict[str, Any]]:
    """One plain row a face, without pixels."""
    return [
        {
            "file": face.file,
            "box_xyxy": [round(float(v), 1) for v in face.box_xyxy],
            "state": str(state),
            "gender": face.gender,
            "change": round(face.change, 2),
            "distances": {e.recogniser: round(float(e.distances[i]), 4) for e in embedded},
        }
        for i, (face, state) in enumerate(zip(faces, found, strict=True))
    ]
