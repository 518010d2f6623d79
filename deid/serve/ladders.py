"""How a decision becomes a ladder: what is tried on a face, and what follows when the gate refuses it."""

import secrets
from collections.abc import Iterable, Sequence

import numpy as np

from deid import ladder
from deid.edit.attgan import AttganEditor
from deid.edit.filters import FilterEditor
from deid.ladder import Rung
from deid.pipeline import Anonymizer
from deid.protocols import Editor
from deid.serve.corrections import Decision
from deid.structures import Detection, FaceResult, Image

#: What follows a chosen strength when the gate refuses it.
_HARDER = (1.0, 1.5, 2.25)


def chosen_covers(engine: Anonymizer, decision: Decision) -> tuple[Rung, ...]:
    """The cover that a person chose, harder ones of its kind, and the solid one."""
    solid = Rung(FilterEditor("solid", engine.options), 1.0, False, last=True)
    if decision.method == "solid":
        return (solid,)
    editor = FilterEditor(decision.method, engine.options)
    return (*(Rung(editor, decision.strength * times, False) for times in _HARDER), solid)


def again(engine: Anonymizer, result: FaceResult) -> list[Rung]:
    """The same that a face has now."""
    if result.row is not None:
        rung = Rung(_editor(engine), result.strength, True, sets=result.row[None])
        return list(ladder.kept(rung, engine.options, engine.editor))
    rungs = list(ladder.covers(engine.options))
    first = next((i for i, r in enumerate(rungs) if (ladder.name_of(r.editor), r.strength) == (result.method, result.strength)), None)
    if first is not None:
        return rungs[first:]
    return list(chosen_covers(engine, Decision("cover", result.method, result.strength)))


def new_face(engine: Anonymizer, view: tuple[Image, Detection], seed: int, others: Iterable[FaceResult]) -> list[Rung] | None:
    """Another new face, which shares no portrait with those of other people; None where none passes."""
    if engine.options.method != "attgan":
        return None
    taken = [Rung(engine.editor, r.strength, True, sets=r.row[None]) for r in others if r.row is not None]
    rung = engine.choose([view], seed, taken)
    return None if rung is None else list(ladder.kept(rung, engine.options, engine.editor))


def covers(engine: Anonymizer) -> Sequence[Rung]:
    """What covers a face that gets no new one."""
    return list(ladder.covers(engine.options))


def _editor(engine: Anonymizer) -> Editor:
    """Who made the new faces of the first rung."""
    editor = engine.editor
    if isinstance(editor, AttganEditor) and editor.on_face:
        return editor.coarse(engine.options.input_cells)
    return editor


def face_seed(seed: int, number: int, turn: int) -> int:
    """What the new face of a face is drawn from, the so-and-so-many-th time."""
    return int(np.random.SeedSequence([seed, number, turn]).generate_state(1, np.uint64)[0])


def fresh_seed(engine: Anonymizer) -> int:
    """The engine's own seed, or a fresh one."""
    own = engine.options.seed
    return secrets.randbits(63) if own is None else own
