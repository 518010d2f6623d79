"""Fallback levels: from the requested method to a solid cover, and when a face is covered at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.options import Options
from deid.core.protocols import CoarseEditor, Editor
from deid.core.types import Detection, Image
from deid.editing.filters import FilterEditor
from deid.imaging import geometry
from deid.imaging.alignment import is_profile
from deid.verification.gate import Gate

#: Strengths of the attribute sets, mildest first.
STRENGTHS = (1.0, 1.5)
#: Where the face itself is edited: cells across of the coarser inputs that follow.
_CELLS = (22, 16)
#: Strengths of a plain filter, until it passes.
_FILTER_STRENGTHS = (1.0, 1.5, 2.25)
#: A face of which less lies inside the photo is covered.
_LEAST_INSIDE = 0.75
#: From this score a face is one without a second look. On 1190 LFW photos that takes nine looks in ten away; of the seven detections
#: that a second look did not confirm, among 1332, the surest had 0.998.
_CERTAIN = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One way to edit a face.

    Args:
        editor: who edits.
        strength: how hard.
        pastes_face: whether a new face is pasted; otherwise the box is covered.
        n_sets: attribute sets to generate.
        n_proposals: sets that the selector ranks for each of them.
        last: whether no harder level follows.
        sets: (1, D) attribute set that was chosen for this face before; None to draw `n_sets` new ones.
        accepted: whether that set was accepted in several frames of the person; this relaxes the gender check.
        round: which of the levels of this kind it is.
    """

    editor: Editor
    strength: float
    pastes_face: bool
    n_sets: int = 1
    n_proposals: int = 1
    last: bool = False
    sets: NDArray[np.float32] | None = None
    accepted: bool = False
    round: int = 0


def levels(options: Options, editor: Editor) -> Iterator[Level]:
    """The levels of the method that the options name, mildest first."""
    if options.method != "attgan":
        yield from covers(options)
        return
    budget = options.budget
    # A generator that sees less of a face can keep less of it.
    first = editor.coarse(options.input_cells) if isinstance(editor, CoarseEditor) else editor
    ways: list[tuple[Editor, float]] = [(first, STRENGTHS[0])] * budget.rounds + [(first, STRENGTHS[1])]
    if isinstance(editor, CoarseEditor):
        ways += [(editor.coarse(cells), STRENGTHS[-1]) for cells in _CELLS]
    for number, way in enumerate(ways):
        yield Level(*way, True, budget.generated, budget.proposals, round=number)
    yield from covers(options)


def levels_after(chosen: Level, options: Options, editor: Editor) -> Iterator[Level]:
    """The levels of a face whose new face was chosen before: the same one, then what sees less of the face, then covers."""
    yield chosen
    if isinstance(editor, CoarseEditor):
        for cells in _CELLS:
            yield Level(editor.coarse(cells), chosen.strength, True, sets=chosen.sets, accepted=chosen.accepted)
    yield from covers(options)


def covers(options: Options) -> Iterator[Level]:
    """The requested filter, at growing strength where it has one, and at last the solid cover.

    A cover in place of a new face is the strongest blur at once. The gate's recognisers see least in faces that are too small or too
    doubtful to be replaced, and other recognisers may see more.
    """
    yield from softer_covers(options)
    yield solid_cover(options)


def softer_covers(options: Options) -> Sequence[Level]:
    """The covers before the solid one."""
    if options.method == "attgan":
        return [Level(FilterEditor("blur", options), _FILTER_STRENGTHS[-1], False)]
    strengths = _FILTER_STRENGTHS if options.method in {"blur", "pixelate"} else (1.0,)
    return [Level(FilterEditor(options.method, options), strength, False) for strength in strengths]


def solid_cover(options: Options) -> Level:
    """One colour over the face: nothing is left to recognise."""
    return Level(FilterEditor("solid", options), 1.0, False, last=True)


def plate_covers(options: Options) -> Sequence[Level]:
    """How a licence plate is covered: as hard as the method can, for no gate reads plates; at last by one colour."""
    return [softer_covers(options)[-1], solid_cover(options)]


def why_cover(image: Image, detection: Detection, options: Options, gate: Gate) -> str:
    """Why a face should be covered and not replaced, or nothing."""
    inside = geometry.share_inside(detection.box_xyxy, image.shape[:2])
    if detection.score < options.edit_score:
        return f"score {detection.score:.2f} < {options.edit_score:.2f}"
    if detection.size < options.min_edit_size:
        return f"size {detection.size:.0f} px < {options.min_edit_size:.0f} px"
    if is_profile(detection):
        return "the face is seen from the side"
    if inside < _LEAST_INSIDE:
        return f"only {inside:.0%} of the face lies inside the picture"
    if detection.score < _CERTAIN and (iou := gate.find_again(image, detection)[0]) < options.min_iou:
        return f"a second look finds no face there: IoU {iou:.2f} < {options.min_iou:.2f}"
    return ""
