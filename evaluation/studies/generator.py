"""The generator alone: one stand-in and one random attribute set per face, no selection and no gate.

Identity, reconstruction, attributes, detection, realism, diversity, ages and skin, and speed, on people whom it has never seen.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid import weights
from deid.compositing.proposal import Proposal
from deid.core.attributes import ATTRIBUTES
from deid.core.options import Options
from deid.core.types import Crops, Detection
from evaluation import features, methods
from evaluation.detectors import second_detector
from evaluation.features import Features
from evaluation.methods import Method
from evaluation.recognisers import fingerprint
from evaluation.results import Measure, Results, environment
from evaluation.studies import edits, second_opinion
from evaluation.studies.edits import Subjects
from evaluation.studies.judges import Quantity, Seen, changes, distances, lines, middle_faces, paired_iou
from evaluation.studies.lineup import Lineup, groups_of, line_up, portraits
from evaluation.studies.options import StudyOptions
from evaluation.studies.populations import rank_one_lines, realism_lines, search, stranger_line

_PORTRAITS = 300
_ON_SHEET = 64
_CANDIDATES = 16
#: The attributes that the thesis moves with the published AttGAN.
_MOVED = [j for j, a in enumerate(ATTRIBUTES) if a not in ("Bald", "Black_Hair", "Blond_Hair")]
#: What is reported for every age and skin group.
_FAIR = ("over the threshold", "re-detected", "landmark error", "gender kept", "realism score")


def generator(options: StudyOptions) -> Results:
    """Every number that the generator alone is held to, each with its n and its interval over people."""
    rng = np.random.default_rng(options.seed)
    photos, kinds = portraits(_PORTRAITS, rng)
    on_sheet, portrait_rng = rng.spawn(2)
    lineup, exam = line_up(options)
    options.stage("edits", 1)
    first, second = (edits.proposals(lineup.level, lineup.faces, lineup.rows(k)) for k in (0, 1))
    if options.folder is not None:
        write_sheets(options.folder, lineup.faces, (first, second), on_sheet)
    options.tick()
    parts: tuple[Callable[[], list[Measure]], ...] = (
        lambda: second_opinion.accuracy_lines(lineup.opinion, exam, options.seed),
        lambda: _untouched(lineup),
        lambda: _edited(lineup, first),
        lambda: _reconstruction(lineup),
        lambda: _attributes(lineup),
        lambda: _realism(lineup, first),
        lambda: _diversity(lineup, first, second),
        lambda: _speed(lineup),
    )
    options.stage("measurements", len(parts))
    found: list[Measure] = []
    for part in parts:
        found += part()
        options.tick()
    options.stage("UTKFace", len(photos))
    kept, crops = edits.aligned(photos, lineup.judges.detector, options.tick)
    found += _fairness(lineup, crops, [kinds[p.name] for p in kept], [p.gender for p in kept], portrait_rng)
    return Results(
        kind="study",
        title="generator: one stand-in and one random set a face, no selection, no gate",
        settings=_settings(lineup, options),
        environment=environment(),
        measures=tuple(found),
    )


def _untouched(lineup: Lineup) -> list[Measure]:
    """What the untouched photos give: mates, strangers, and how well they are found and read."""
    before, faces, judges = lineup.before, lineup.faces, lineup.judges
    quantities = [
        *(Quantity("distance of mates", distances(before.embeddings[r], rows), "lower", by=r) for r, rows in lineup.shown.items()),
        Quantity("found in the crop", before.found.astype(float), "higher", True, judges.detector.name),
        *_as_they_are(before, lineup.genders),
    ]
    found = lines("untouched", quantities, faces.people, lineup.groups, lineup.seed)
    for by, rows in before.embeddings.items():
        found.append(stranger_line("untouched", "distance of strangers", rows, faces.male, faces.people, by, lineup.seed))
    return found + _ranks(lineup, "untouched", before)


def _as_they_are(before: Seen, genders: Sequence[str]) -> list[Quantity]:
    read = second_opinion.right_gender(before.male, genders)
    return [
        Quantity("gender of the photo read as labelled", read, "higher", True, second_opinion.NAME),
        Quantity("realism score of the photo", before.realism, "higher", by="critic"),
    ]


def _edited(lineup: Lineup, made: Sequence[Proposal]) -> list[Measure]:
    """Identity, detection, landmarks, gender and realism of edits, as they come and blended."""
    reference, _ = middle_faces(second_detector(), lineup.faces.crops)
    found: list[Measure] = []
    for kind, shown in (("crop", edits.crops_of(made)), ("blended", edits.blended(made))):
        after = lineup.judges.look(shown)
        change = iou_change(reference, lineup.before.boxes, after.boxes)
        quantities = [*changes(lineup.before, after, lineup.judges), change]
        found += lines(f"two passes, {kind}", quantities, lineup.faces.people, lineup.groups, lineup.seed)
        found += _ranks(lineup, f"two passes, {kind}", after)
    return found


def _ranks(lineup: Lineup, section: str, seen: Seen) -> list[Measure]:
    """The attacker's search among the people, and among the people and the others."""
    people, own = lineup.shown[lineup.attacker], np.arange(len(lineup.faces.people))
    found: list[Measure] = []
    for gallery in (people, np.concatenate([people, lineup.crowd])):
        trial, control = (search(s.embeddings[lineup.attacker], gallery, own, lineup.faces.people) for s in (seen, lineup.before))
        found += rank_one_lines(section, trial, control, lineup.attacker, lineup.groups, lineup.seed)
    return found


def iou_change(reference: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64]) -> Quantity:
    """How much less MTCNN's boxes overlap with another detector's boxes of the untouched faces; all (N, 4), NaN where none.

    Formula: ``(IoU(after, reference) - IoU(before, reference)) / mean IoU(before, reference)``: its mean is the change of the mean.
    """
    first, second = paired_iou(reference, before), paired_iou(reference, after)
    found = (first > 0) & (second > 0)
    base = float(first[found].mean()) if found.any() else 1.0
    note = f"against a mean of {base:.3f} before; another detector's boxes of the untouched faces stand in for labels"
    return Quantity("change of mean IoU", np.where(found, (second - first) / base, np.nan), "higher", by="mtcnn", unit="%", note=note)


def _reconstruction(lineup: Lineup) -> list[Measure]:
    """What one pass and two leave of a face with an empty set."""
    faces, quantities, shown = lineup.faces, [], lineup.faces.crops
    for passes in ("one pass", "two passes"):
        shown = edits.one_pass(lineup.network, shown, edits.request(faces.labels))
        note = "told to change nothing; 128 px"
        quantities.append(Quantity(f"PSNR, {passes}", edits.psnr(shown, faces.crops), "higher", unit="dB", note=note))
    return lines("reconstruction", quantities, faces.people, lineup.groups, lineup.seed)


def _attributes(lineup: Lineup) -> list[Measure]:
    """For each attribute, one pass with that one on its other side: does the second opinion see it there?"""
    faces, opinion = lineup.faces, lineup.opinion
    before, wanted = opinion.sees(faces.crops)[:, _MOVED], faces.labels[:, _MOVED] < 0
    moved = (edits.one_pass(lineup.network, faces.crops, edits.request(faces.labels, j)) for j in _MOVED)
    after = np.column_stack([opinion.sees(crops)[:, j] for j, crops in zip(_MOVED, moved, strict=True)])
    everybody = groups_of([[]] * len(faces.people))
    found = lines("attributes", flips([ATTRIBUTES[j] for j in _MOVED], before, after, wanted), faces.people, everybody, lineup.seed)
    changed = [m for m in found if m.name.endswith(": changed")]
    if not changed:
        return found
    name = f"mean of {len(changed)} attributes: changed"
    mean, n = float(np.mean([m.value for m in changed])), sum(m.n for m in changed)
    return [*found, Measure(section="attributes", name=name, value=mean, n=n, better="higher", unit="%", recogniser=second_opinion.NAME)]


def flips(names: Sequence[str], before: NDArray[np.bool_], after: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> list[Quantity]:
    """Whether K attributes are seen on the wanted side, all (N, K); and whether they changed where they were not before."""
    hit, already = after == wanted, before == wanted
    found: list[Quantity] = []
    for k, name in enumerate(names):
        note = f"{100 * already[:, k].mean():.1f} % of the untouched faces count as that side"
        found.append(Quantity(f"{name}: wanted side seen", hit[:, k].astype(float), "higher", True, second_opinion.NAME, note=note))
        changed = np.where(already[:, k], np.nan, hit[:, k])
        found.append(Quantity(f"{name}: changed", changed, "higher", True, second_opinion.NAME, note="of the other faces"))
    for name, table in (("wanted side seen", hit), ("wanted side seen before", already)):
        mean = Quantity(f"mean of {len(names)} attributes: {name}", table.mean(axis=1), "higher", by=second_opinion.NAME, unit="%")
        found.append(mean)
    return found


def _realism(lineup: Lineup, made: Sequence[Proposal]) -> list[Measure]:
    """How far edits, mosaics and blurs lie from photos of other people."""
    faces, options = lineup.faces, Options()
    mosaic = f"pixelated to {options.pixelate_cells} cells"
    sets = {
        "untouched": faces.crops,
        "two passes, crop": edits.crops_of(made),
        "two passes, blended": edits.blended(made),
        mosaic: _covered(lineup, methods.pixelate(options.pixelate_cells)),
        f"blurred, sigma {options.blur_radius:g} of the face": _covered(lineup, methods.blur(options.blur_radius)),
    }
    found: list[Measure] = []
    # The generator was trained to please deid's classifier, whose features `load` may give: others stand beside them.
    for look in (features.load(), Features("MobileFaceNet before its embedding, pooled, 112 px", lineup.maps.pooled)):
        seen = {name: look.compute(some) for name, some in sets.items()}
        found += realism_lines(look.compute(lineup.others), seen, mosaic, look.name, lineup.seed)
    return found


def _covered(lineup: Lineup, method: Method) -> Crops:
    """The untouched crops with a filter over each face's box, or over a mean face's where it was not found."""
    boxes = np.where(lineup.before.found[:, None], lineup.before.boxes, edits.FACE.box_xyxy)
    return np.stack([method(crop, [Detection(box)]) for crop, box in zip(lineup.faces.crops, boxes, strict=True)])


def _diversity(lineup: Lineup, first: Sequence[Proposal], second: Sequence[Proposal]) -> list[Measure]:
    """How far two edits of one face lie apart, and the edits of two people."""
    faces, seed = lineup.faces, lineup.seed
    found: list[Measure] = []
    for kind, shown in (("crop", edits.crops_of), ("blended", edits.blended)):
        a, b = (lineup.judges.embed(shown(made)) for made in (first, second))
        gaps = [Quantity(f"two edits of one face, {kind}", distances(rows, b[by]), "higher", by=by) for by, rows in a.items()]
        found += lines("diversity", gaps, faces.people, lineup.groups, seed)
        name = f"edits of different people, {kind}"
        found += [stranger_line("diversity", name, rows, faces.male, faces.people, by, seed) for by, rows in a.items()]
    return found


def _speed(lineup: Lineup) -> list[Measure]:
    """Stand-ins and both passes of all candidates of one face."""
    rows = np.concatenate([lineup.rows(k)[:1] for k in range(_CANDIDATES)])
    times = edits.seconds(lineup.level, lineup.faces, rows)
    note = f"median of {len(times)}, {min(times):.3f} to {max(times):.3f} s; {torch.get_num_threads()} threads"
    name = f"stand-ins and two passes of {_CANDIDATES} candidates"
    return [Measure(section="speed", name=name, value=median(times), n=len(times), better="lower", unit="s", note=note)]


def _fairness(
    lineup: Lineup, crops: Crops, kinds: Sequence[Sequence[str]], labelled: Sequence[str], rng: np.random.Generator
) -> list[Measure]:
    """Results for UTKFace's faces (N, 128, 128, 3), blended, by group."""
    faces = edits.subjects(crops, [str(i) for i in range(len(crops))], lineup.judges.points)
    before = lineup.judges.look(crops)
    made = edits.proposals(lineup.level, faces, edits.draw_rows(faces, lineup.bank, rng))
    after = lineup.judges.look(edits.blended(made))
    quantities = [q for q in changes(before, after, lineup.judges) if q.name.startswith(_FAIR)]
    quantities += _as_they_are(before, labelled)
    return lines("UTKFace, two passes, blended", quantities, faces.people, groups_of(kinds), lineup.seed)


def write_sheets(folder: Path, faces: Subjects, pair: Sequence[Sequence[Proposal]], rng: np.random.Generator) -> None:
    """Contact sheets of random faces: the photo, an edit, and one with another set; blended, and as the generator gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    pick = np.sort(rng.permutation(len(faces.people))[:_ON_SHEET])
    for name, shown in (("sheet.png", edits.blended), ("sheet-crops.png", edits.crops_of)):
        picture = edits.sheet([c[pick] for c in (faces.crops, *map(shown, pair))])
        PillowImage.fromarray(picture).save(folder / name)


def _settings(lineup: Lineup, options: StudyOptions) -> dict[str, Any]:
    path = options.weights or weights.path_of(weights.entry("attgan"))
    first = lineup.judges.recognisers[0]
    return {
        "data": f"LFW test people, two photos each, and {len(lineup.others)} others; UTKFace, ages and skin groups drawn evenly",
        "people": len(lineup.faces.people),
        "seed": options.seed,
        "generator": f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}",
        "width and shortcuts": f"{lineup.network.width} and {lineup.network.shortcuts}",
        "input": "two passes: a stand-in of portraits; reconstruction and attributes: the face itself",
        "threshold": f"{first.name} {first.threshold:g}",
        "recognisers": {r.name: fingerprint(r) for r in lineup.judges.recognisers},
        "differs": "dlib and an ArcFace network in place of FaceNet, LFW in place of VGGFace2, and neither a selected set nor a gate",
        "second opinion": "ridge on the maps of the attacker's network, CelebA's test people and the genders of the others",
    }
