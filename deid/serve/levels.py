"""How a decision becomes fallback levels: what is tried on a face, and what follows when the gate refuses it."""

from collections.abc import Iterable
from dataclasses import replace

from deid.anonymizer import fallback
from deid.anonymizer.parts import Engine
from deid.anonymizer.request import Level
from deid.core import seeds
from deid.core.protocols import CoarseEditor, Editor
from deid.core.types import Detection, FaceResult, Image
from deid.serve.corrections import Decision

#: What follows a chosen strength when the gate refuses it.
_HARDER = (1.0, 1.5, 2.25)


def chosen_covers(engine: Engine, decision: Decision) -> tuple[Level, ...]:
    """The cover that a person chose, stronger ones of its kind, and the solid one."""
    solid = fallback.solid_cover(engine.models)
    if decision.method == "solid":
        return (replace(solid, fades=False),)
    editor = engine.models.filter(decision.method)
    return (*(Level(editor, decision.strength * times, False) for times in _HARDER), solid)


def again(engine: Engine, result: FaceResult) -> list[Level]:
    """The same that a face has now."""
    if result.row is not None:
        level = Level(_editor(engine), result.strength, True, sets=result.row[None], glasses=result.glasses, objects=result.objects)
        return list(fallback.levels_after(level, engine.models, engine.editor))
    levels = list(fallback.covers(engine.models))
    first = next((i for i, each in enumerate(levels) if (each.editor.name, each.strength) == (result.method, result.strength)), None)
    if first is not None:
        return levels[first:]
    return list(chosen_covers(engine, Decision("cover", result.method, result.strength)))


def new_face(engine: Engine, view: tuple[Image, Detection], seed: int, others: Iterable[FaceResult]) -> list[Level] | None:
    """Another new face, which shares no portrait with those of other people; None where none passes."""
    if engine.options.method != "attgan":
        return None
    taken = [Level(engine.editor, r.strength, True, sets=r.row[None]) for r in others if r.row is not None]
    level = engine.choose([view], seed, taken)
    return None if level is None else list(fallback.levels_after(level, engine.models, engine.editor))


def covers(engine: Engine) -> list[Level]:
    """Covers for a face that gets no new one."""
    return list(fallback.covers(engine.models))


def _editor(engine: Engine) -> Editor:
    """Editor of the first level."""
    editor = engine.editor
    return editor.coarse(engine.options.input_cells) if isinstance(editor, CoarseEditor) else editor


def face_seed(seed: int, number: int, turn: int) -> int:
    """Seed of a face's new face; each ``turn`` draws another one."""
    return seeds.seed_of(seed, number, turn)
