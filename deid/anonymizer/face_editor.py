"""The way of one face, top to bottom: measure, choose levels, propose, composite, verify, fall back. Each room is visited once."""

from collections.abc import Iterator

import numpy as np

from deid.anonymizer import between, stand_ins, treatment
from deid.anonymizer.cover import cover
from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.compositing.fitting import fitted, show
from deid.compositing.proposal import Patch
from deid.core import seeds
from deid.core.errors import EditError
from deid.core.types import AlignedFace, Image
from deid.editing.checked import edit
from deid.imaging import geometry
from deid.imaging.alignment import at_photo_scale, warp
from deid.verification import attempts
from deid.verification.attempts import Attempt

#: How much finer than a photo a new face is made at least, in times of 128; and in a video, which moves and is compressed.
_PHOTO_SCALE, VIDEO_SCALE = 0.3, -0.1


class FaceEditor:
    """Edits one face of a photo.

    Args:
        models: the parts it works with.
        scale: how much finer than the photo a new face is made at least, in times of 128; a tracked one is made at the scale of videos.
    """

    def __init__(self, models: Parts, scale: float = _PHOTO_SCALE) -> None:
        self._models, self._options, self._scale = models, models.options, scale

    def prepare(self, image: Image, request: Request, seed: int, index: int) -> Face:
        """Measure a face before anything is edited, and choose its levels. Stand-ins are drawn for all faces of a photo together.

        Args:
            image: (H, W, 3) uint8 RGB, the photo as it was.
            request: the face.
            seed: the photo's.
            index: the face's number in the photo.
        """
        known = None if request.tracked is None else request.tracked.source
        source = self._models.reader.source(image, request.detection, known)
        levels, why = treatment.levels_for(self._models, image, request, source.detection)
        return Face(request, source, seeds.seed_of(seed, index), levels, why)

    def edit(self, face: Face, photo: Image) -> Patch:
        """Edit a face at harder and harder levels until it passes; the last one, a solid cover, always does.

        A new face that passes but is near the one before is tried again as often as the budget says, and the farthest is kept.

        Args:
            face: as it was prepared; it also receives the result.
            photo: (H, W, 3) uint8 RGB, with all edits so far; it is not changed.

        Returns:
            What is to be laid over the photo.

        Raises:
            EditError: an editor failed, or the levels ended without a cover.
        """
        more = self._options.budget.farther if face.stand_ins else 0
        best, failed = attempts.best(self._models.gate, face.source, self._attempts(face, photo), more)
        face.why += failed
        if best is None:
            raise EditError("the fallback levels ended without a cover")
        # In a video, a new face is faded in over the one before it.
        faded = between.faded(self._models, face, photo, best) if face.request.tracked and best.attempt.proposals else None
        return face.keep(best.attempt.level, best.check, faded or best.shown)

    def _attempts(self, face: Face, photo: Image) -> Iterator[Attempt[Level]]:
        """What each level makes of a face, made when it is wanted."""
        aligned: AlignedFace | None = None
        for level in face.levels:
            face.n_tried += 1
            if not level.pastes_face:
                yield self._cover(face, level, photo)
            elif face.request.is_between and (moved := between.moved(self._models, face, level, photo)):
                yield moved
            else:
                drawn = stand_ins.rows_for(self._models, face, level, np.random.default_rng([face.seed, face.n_tried]))
                if len(drawn.rows):
                    aligned = aligned or self.align(face, photo)
                    yield self.attempt(face, level, photo, aligned, drawn)
                elif stand_ins.NO_PORTRAIT not in face.why:
                    face.why.append(stand_ins.NO_PORTRAIT)

    def _cover(self, face: Face, level: Level, photo: Image) -> Attempt[Level]:
        """A filter over the box and its margin."""
        return Attempt(level, lambda _: cover(level, photo, face.detection, self._options.margin))

    def align(self, face: Face, photo: Image) -> AlignedFace:
        """A face with all inputs of editors."""
        # The crop is taken from the result so far: a neighbour that was edited must not come back at its edge.
        tracked = face.request.tracked
        crop, large = warp(photo, face.matrix), at_photo_scale(photo, face.matrix, self._scale if tracked is None else VIDEO_SCALE)
        points = self._models.points.points(crop) if tracked is None else geometry.apply(face.matrix, tracked.shape)
        steady = None if tracked is None else tracked.steady
        return AlignedFace(crop, face.matrix, face.detection, points, large, face.source.attributes, steady)

    def attempt(self, face: Face, level: Level, photo: Image, aligned: AlignedFace, drawn: stand_ins.Drawn) -> Attempt[Level]:
        """A level's new faces, one for each row that was drawn."""
        proposals = fitted(edit(level.editor, aligned, drawn.rows, level.strength), aligned)
        head_seed = face.seed if self._options.reach == "head" else None
        known = None if face.request.tracked is None else face.request.tracked.check
        return Attempt(level, lambda i: show(proposals[i], photo, aligned, head_seed), proposals, drawn.expected, known)
