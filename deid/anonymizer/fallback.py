"""Fallback levels: from the requested method to a solid cover, and when a face is covered at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from deid.anonymizer.protocols import Covering
from deid.anonymizer.request import Level
from deid.core.options import Options
from deid.core.protocols import CoarseEditor, Editor

#: Strengths of the attribute sets, mildest first.
STRENGTHS = (1.0, 1.5)
#: So many tries, the last ones, are painted over what stands before the face.
_OVER_OBJECTS = 2
#: Where the face itself is edited: cells across of the coarser inputs that follow.
_CELLS = (22, 16)
#: Strengths of a plain filter, until it passes.
_FILTER_STRENGTHS = (1.0, 1.5, 2.25)


def levels(models: Covering, editor: Editor) -> Iterator[Level]:
    """The levels of the method that the options name, mildest first."""
    if models.options.method == "attgan":
        yield from new_faces(models.options, editor)
    yield from covers(models)


def new_faces(options: Options, editor: Editor) -> Iterator[Level]:
    """The levels that paste a new face, mildest first."""
    budget = options.budget
    # A generator that sees less of a face can keep less of it.
    first = editor.coarse(options.input_cells) if isinstance(editor, CoarseEditor) else editor
    ways: list[tuple[Editor, float]] = [(first, STRENGTHS[0])] * budget.rounds + [(first, STRENGTHS[1])]
    if isinstance(editor, CoarseEditor):
        ways += [(editor.coarse(cells), STRENGTHS[-1]) for cells in _CELLS]
    for number, way in enumerate(ways):
        objects = number < max(1, len(ways) - _OVER_OBJECTS)
        yield Level(*way, True, budget.generated, budget.proposals, round=number, objects=objects)


def glasses_first(levels: Iterable[Level]) -> Iterator[Level]:
    """The levels of a face that wears glasses: all that draw a new one in the photo's glasses, then all as they are."""
    bare = list(levels)
    yield from (replace(level, glasses=True) for level in bare if level.draws)
    yield from bare


def levels_after(chosen: Level, models: Covering, editor: Editor) -> Iterator[Level]:
    """The levels of a face whose new face was chosen before: the same one, with glasses or without as it was, then what sees less of the
    face, then covers."""
    yield chosen
    if isinstance(editor, CoarseEditor):
        for cells in _CELLS:
            yield replace(chosen, editor=editor.coarse(cells))
    yield from covers(models)


def covers(models: Covering) -> Iterator[Level]:
    """The requested filter, at growing strength where it has one, and at last the solid cover.

    A cover in place of a new face is the strongest blur at once. The gate's recognisers see least in faces that are too small or too
    doubtful to be replaced, and other recognisers may see more.
    """
    yield from softer_covers(models)
    yield solid_cover(models)


def softer_covers(models: Covering) -> Sequence[Level]:
    """The covers before the solid one."""
    options = models.options
    if options.method == "attgan":
        return [Level(models.filter("blur"), _FILTER_STRENGTHS[-1], False, fades=True)]
    strengths = _FILTER_STRENGTHS if options.method in {"blur", "pixelate"} else (1.0,)
    return [Level(models.filter(options.method), strength, False) for strength in strengths]


def solid_cover(models: Covering) -> Level:
    """One colour over the face, faded at its border where nobody asked for it: nothing is left to recognise."""
    options = models.options
    return Level(models.filter("solid"), 1.0, False, last=True, fades=options.method != "solid" and options.solid_rgb is None)


def plate_covers(models: Covering) -> Sequence[Level]:
    """How a licence plate is covered: as hard as the method can, for no gate reads plates; at last by one colour."""
    return [softer_covers(models)[-1], solid_cover(models)]
