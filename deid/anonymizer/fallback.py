"""The ladder: the ways to edit a face, from the one that was asked for to a solid cover."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing.compose import compose
from deid.core.errors import DeidError, EditError
from deid.core.options import Options
from deid.core.protocols import Editor
from deid.core.types import AlignedFace, Detection, EditedFace, Image
from deid.editing.attgan import AttganEditor
from deid.editing.filters import FilterEditor
from deid.editing.sampler import SET_SIZE
from deid.imaging import geometry
from deid.imaging.alignment import SIZE

#: Strengths of the attribute sets, mildest first.
STRENGTHS = (1.0, 1.5)
#: Where the face itself is edited: cells across of the coarser inputs that follow.
_CELLS = (22, 16)
#: Strengths of a plain filter, until it passes.
_FILTER_STRENGTHS = (1.0, 1.5, 2.25)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A new face on its way into the photo.

    Args:
        edited: as the editor gave it.
        crop: (n, n, 3) with the colours and the sharpness of the photo, as it is pasted.
        mask: (n, n) in [0, 1]: how much of it shows.
        blended: (128, 128, 3) as it will look in the photo, as the gate sees it.
        fit: how well it fits the photo, in [0, 1]; 1 where nothing is known.
    """

    edited: EditedFace
    crop: Image
    mask: NDArray[np.float32]
    blended: Image
    fit: float = 1.0

    @classmethod
    def of(cls, edited: EditedFace, face: AlignedFace, mask: NDArray[np.float32]) -> "Proposal":
        """Fit what an editor made to the photo: a stand-in at the photo's scale, or a small crop inside ``mask`` (128, 128)."""
        if edited.stand_in is None or face.large is None:
            crop = blend.match(edited.crop, face.crop, mask)
            return cls(edited, crop, mask, blend.blend_crop(crop, face.crop, mask))
        crop, shown, fit = compose(edited.stand_in, face)
        return cls(edited, crop, shown, blend.shrunk(blend.blend_crop(crop, face.large, shown)), fit)

    def paste(self, image: Image, matrix: NDArray[np.float64]) -> tuple[Image, NDArray[np.bool_]]:
        """The photo (H, W, 3) with the new face, and where (H, W) it was touched; ``matrix`` leads to the small crop."""
        return blend.paste(image, self.crop, geometry.enlarged(matrix, self.crop.shape[0] / SIZE), self.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """One way to edit a face.

    Args:
        editor: who edits.
        strength: how hard.
        pastes_face: whether a new face is pasted; otherwise the box is covered.
        n_sets: attribute sets to try.
        n_proposals: sets that the selector sees for each of them.
        last: whether no harder way follows.
        sets: (1, D) attribute set that was chosen for this face before; None to draw `n_sets` new ones.
        round: which of the face's stand-ins are tried.
        settled: whether it was accepted in several frames of the person; relaxes the gender check.
    """

    editor: Editor
    strength: float
    pastes_face: bool
    n_sets: int = 1
    n_proposals: int = 1
    last: bool = False
    sets: NDArray[np.float32] | None = None
    settled: bool = False
    round: int = 0

    def edit(self, face: AlignedFace, sets: NDArray[np.float32]) -> list[EditedFace]:
        """The editor's proposals, checked: the editor may be anyone's.

        Raises:
            EditError: it failed, or what it gave are no crops of the face's size.
        """
        name = name_of(self.editor)
        try:
            proposals = list(self.editor.edit(face, sets, self.strength))
        except DeidError:
            raise
        except Exception as error:
            raise EditError(f"{name} failed: {error}") from error
        for p in proposals:
            crop = p.crop if isinstance(p, EditedFace) else None
            if not isinstance(crop, np.ndarray) or crop.shape != face.crop.shape or crop.dtype != np.uint8:
                got = f"{crop.dtype} {crop.shape}" if isinstance(crop, np.ndarray) else type(p).__name__
                raise EditError(f"expected crops of uint8 {face.crop.shape} from {name}, got {got}")
        if not proposals:
            raise EditError(f"{name} proposed no face")
        return proposals

    def propose(self, face: AlignedFace, sets: NDArray[np.float32], mask: NDArray[np.float32]) -> list[Proposal]:
        """New faces that fit into the photo, one for each row (N, D); ``mask`` (128, 128) says how much of a small crop will show."""
        return [Proposal.of(edited, face, mask) for edited in self.edit(face, sets)]


def rungs(options: Options, editor: Editor) -> Iterator[Rung]:
    """The ladder of the method that the options name."""
    if options.method != "attgan":
        yield from covers(options)
        return
    budget, on_face = options.budget, isinstance(editor, AttganEditor) and editor.on_face
    # A generator that sees less of a face can give less of it away, whoever looks.
    first = editor.coarse(options.input_cells) if isinstance(editor, AttganEditor) and on_face else editor
    ways: list[tuple[Editor, float]] = [(first, STRENGTHS[0])] * budget.rounds + [(first, STRENGTHS[1])]
    if isinstance(editor, AttganEditor) and on_face:
        ways += [(editor.coarse(cells), STRENGTHS[-1]) for cells in _CELLS]
    for number, way in enumerate(ways):
        yield Rung(*way, True, budget.generated, budget.proposals, round=number)
    yield from covers(options)


def kept(rung: Rung, options: Options, editor: Editor) -> Iterator[Rung]:
    """The ladder of a face whose new face was chosen before: the same one, then what sees less of the face, then covers."""
    yield rung
    if isinstance(editor, AttganEditor) and editor.on_face:
        for cells in _CELLS:
            yield Rung(editor.coarse(cells), rung.strength, True, sets=rung.sets, settled=rung.settled)
    yield from covers(options)


def covers(options: Options) -> Iterator[Rung]:
    """The filter that was asked for, harder and harder where it has a strength, and at last the solid cover.

    Whoever gets a cover in place of a new face gets the hardest blur at once: the faces that are too small or too doubtful to be
    replaced are those that the gate's recognisers see least well, and others may see more.
    """
    if options.method == "attgan":
        yield Rung(FilterEditor("blur", options), _FILTER_STRENGTHS[-1], False)
    else:
        for strength in _FILTER_STRENGTHS if options.method in {"blur", "pixelate"} else (1.0,):
            yield Rung(FilterEditor(options.method, options), strength, False)
    yield Rung(FilterEditor("solid", options), 1.0, False, last=True)


def cover(rung: Rung, image: Image, detection: Detection, margin: float) -> tuple[Image, NDArray[np.bool_], EditedFace]:
    """A filter over a face's box and its margin.

    Args:
        rung: of a filter.
        image: (H, W, 3) uint8 RGB.
        detection: the face.
        margin: share of the box that is added on each side.

    Returns:
        A new image, the (H, W) map of what was touched, and the filtered crop.
    """
    height, width = image.shape[:2]
    box = geometry.expand_box(detection.box_xyxy, 1 + 2 * margin)
    # A user's box may be far larger than the picture.
    box = np.clip(box, np.tile([-width, -height], 2), np.tile([2 * width, 2 * height], 2))
    x, y = np.floor(box[:2]).astype(int)
    w, h = np.ceil(box[2:]).astype(int) - (x, y)
    matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
    rows, columns = geometry.box_to_slices(box, image.shape[:2])
    # What the filter reads lies inside the photo; what it would write outside falls away.
    inside = np.pad(
        image[rows, columns],
        ((rows.start - y, y + h - rows.stop), (columns.start - x, x + w - columns.stop), (0, 0)),
        mode="edge",
    )
    edited = rung.edit(AlignedFace(inside, matrix, detection), np.zeros((1, SET_SIZE), np.float32))[0]
    covered, touched = blend.paste(image, edited.crop, matrix, blend.box_mask((int(h), int(w)), margin))
    return covered, touched, edited


def name_of(part: object) -> str:
    """What to call a part in a message."""
    return str(getattr(part, "name", type(part).__name__))
