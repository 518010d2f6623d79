"""The order of a photo's faces: those that lie apart at the same time, then a second look for faces that are still exposed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import stand_ins
from deid.anonymizer.face import Face
from deid.anonymizer.face_editor import FaceEditor
from deid.anonymizer.identities import Identities
from deid.anonymizer.parts import Parts
from deid.anonymizer.protocols import Selecting
from deid.anonymizer.request import Request
from deid.compositing import blend, head
from deid.core import steps
from deid.core.attributes import CROP_SIZE
from deid.core.errors import DetectionError
from deid.core.options import Options
from deid.core.types import Detection, Image, KeptFace
from deid.detection.checked import detect
from deid.detection.second_search import search_again
from deid.imaging import geometry
from deid.imaging.alignment import warp
from deid.verification.attempts import LEAST_EDITED
from deid.verification.gate import Gate

#: How often the whole photo is searched again for faces that are still exposed.
_ROUNDS = 5


class Scheduler:
    """Edits all faces of one photo.

    Args:
        models: the parts it works with.
        identities: who was seen in earlier pictures.
    """

    def __init__(self, models: Parts, identities: Identities) -> None:
        self._models, self._identities, self._editor = models, identities, FaceEditor(models)

    def edit_all(
        self, image: Image, seed: int, first: Sequence[Detection] | None = None, selection: Selecting | None = None
    ) -> tuple[Image, list[Face], list[KeptFace]]:
        """Edit every face that the detectors find, until they find no other in the result.

        Args:
            image: (H, W, 3) uint8 RGB.
            seed: for reproducible output.
            first: faces that the first detector need not look for.
            selection: which of them are left as they are.

        Raises:
            DetectionError: a detector failed, or faces are exposed after several rounds.
        """
        faces, kept = list[Face](), list[KeptFace]()
        found = detect(self._models.detector, image) if first is None else _inside(first, image)
        # After the detection, which takes most of the memory of a huge photo.
        out, touched = image.copy(), np.zeros(image.shape[:2], bool)
        found = _to_edit(image, found, kept, selection)
        kept += () if selection is None else selection.kept
        for _ in range(_ROUNDS):
            faces += self._edit(image, [Request(d) for d in found], faces, out, touched, seed)
            again = self._search_again(out, faces, whole=first is not None)
            again = [d for d in again if geometry.share_of_middle(d.box_xyxy, touched) < LEAST_EDITED]
            found = _to_edit(image, again, kept, selection)
            if not found:
                return out, faces, kept
        raise DetectionError(f"{len(found)} faces are still detected exposed after {_ROUNDS} rounds")

    def _search_again(self, out: Image, faces: Sequence[Face], whole: bool) -> list[Detection]:
        """Faces in the result. Where nobody searched the photo before, or somebody else's detector did, all of it is searched as closely
        as what was edited; so it is where nothing was found, and for plates."""
        models = self._models
        if whole or not faces or models.plates is not None or models.second_detector is models.detector:
            return detect(models.second_detector, out)
        return search_again(models.second_detector, out, [_reach(face, models.options) for face in faces])

    def edit_given(self, image: Image, requests: Iterable[Request], seed: int) -> tuple[Image, list[Face]]:
        """Edit these faces and no others; one that lies wholly outside the photo is left out."""
        out, touched = image.copy(), np.zeros(image.shape[:2], bool)
        inside = [r for r in requests if geometry.share_inside(r.detection.box_xyxy, image.shape[:2]) > 0]
        return out, self._edit(image, inside, [], out, touched, seed)

    def _edit(
        self, image: Image, requests: Sequence[Request], before: Sequence[Face], out: Image, touched: NDArray[np.bool_], seed: int
    ) -> list[Face]:
        """Edit more faces, the largest first, in a photo and the map of what was touched in it, in place."""
        largest_first = enumerate(sorted(requests, key=lambda r: -r.detection.size), len(before))
        # Each face is prepared, and edited.
        step = steps.counter(2 * len(requests))
        new = self._models.threads.starmap(self._prepare, [(image, r, seed, index, step) for index, r in largest_first])
        drawn = [face for face in new if face.request.levels is None]
        for i, face in enumerate(drawn):
            self._identities.recognise(face, [*before, *drawn[:i]])
        stand_ins.reserve(self._models, image, drawn, [*before, *new])
        everybody = [*before, *new]
        # New faces first: one that was made beside a cover would have its blur on the cheek.
        for some in ([face for face in new if face.is_replaced], [face for face in new if not face.is_replaced]):
            for together in _apart(some, self._models.options):
                self._edit_together(together, everybody, out, touched, step)
        # A later edit may have changed an earlier face, and mending that one a third.
        while changed := [face for face in everybody if not _still_passes(self._models.gate, face, out)]:
            for face in changed:
                self._edit_together([face], everybody, out, touched)
        return new

    def _prepare(self, image: Image, request: Request, seed: int, index: int, step: Callable[[], None]) -> Face:
        face = self._editor.prepare(image, request, seed, index)
        step()
        return face

    def _edit_together(
        self,
        faces: Sequence[Face],
        everybody: Sequence[Face],
        out: Image,
        touched: NDArray[np.bool_],
        step: Callable[[], None] = lambda: None,
    ) -> None:
        """Edit faces that lie apart, at the same time, of a photo with all of these."""

        def edit(face: Face) -> None:
            self._editor.edit(face, out)
            step()

        self._models.threads.starmap(edit, [(face,) for face in faces])
        for face in faces:
            face.patch_beneath(everybody).lay(out, touched)


def _still_passes(gate: Gate, face: Face, photo: Image) -> bool:
    """Whether a face is as it was when the gate let it pass, or passes as it is now that its neighbours were edited."""
    made, crop = face.composite, warp(photo, face.matrix)
    if made is None or made.level.last or np.array_equal(crop, made.crop) or face.detection.label != "face":
        return True
    check = gate.judge(face.source, photo, made.level.accepted) if made.level.pastes_face else gate.cover(face.source, photo)
    face.composite = replace(made, crop=crop, check=check)
    if not check.passed:
        face.why.append(f"{made.edited.method} after its neighbours were edited: {'; '.join(check.reasons)}")
    return check.passed


def _inside(detections: Sequence[Detection], image: Image) -> list[Detection]:
    return [d for d in detections if geometry.share_inside(d.box_xyxy, image.shape[:2]) > 0]


def _to_edit(image: Image, found: list[Detection], kept: list[KeptFace], selection: Selecting | None) -> list[Detection]:
    """The faces that are not left as they are; those that are go to ``kept``."""
    if selection is None:
        return found
    edited, more = selection.split(image, found, kept)
    kept += more
    return edited


def _apart(faces: Sequence[Face], options: Options) -> list[list[Face]]:
    """Groups of faces, those first that come first, in which no edit changes what another one is made from or judged by."""
    groups: list[tuple[list[Face], list[NDArray[np.float64]]]] = []
    for face in faces:
        reach = _reach(face, options)
        free = (group for group in groups if not geometry.box_intersection(np.stack(group[1]), reach).any())
        group = next(free, None)
        if group is None:
            groups.append(group := ([], []))
        group[0].append(face)
        group[1].append(reach)
    return [group for group, _ in groups]


def _reach(face: Face, options: Options) -> NDArray[np.float64]:
    """(4,) box around a face's crop, or around its head where that is changed too, and around what a cover with its margin changes."""
    crop = blend.footprint(face.matrix, np.array([0.0, 0.0, CROP_SIZE, CROP_SIZE]))
    crop = head.reach(face.matrix) if options.reach == "head" else crop
    covered = geometry.expand_box(face.detection.box_xyxy, 1 + 2 * options.margin)
    return np.concatenate([np.minimum(covered[:2], crop[:2]), np.maximum(covered[2:], crop[2:])])
