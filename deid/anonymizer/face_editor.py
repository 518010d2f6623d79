"""The way of one face, top to bottom: measure, choose levels, propose, composite, verify, fall back. Each room is visited once."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import between_keyframes, fallback, stand_ins, treatment
from deid.anonymizer.cover import cover
from deid.anonymizer.face import Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.anonymizer.sketches import sketch
from deid.compositing.fitting import fit_to_photo, paste_into_photo
from deid.compositing.proposal import Shown
from deid.core import seeds
from deid.core.errors import EditError
from deid.core.temporal import FieldSmoother, once
from deid.core.types import AlignedFace, Glasses, Image
from deid.editing import checked
from deid.imaging import geometry
from deid.imaging.alignment import at_photo_scale, warp
from deid.landmarks.arms import with_arms
from deid.landmarks.glasses import are_likely, are_whole
from deid.verification import attempts
from deid.verification.attempts import Attempt, Sketched

#: A new face is made on a crop of a multiple of 128 px: of a photo, at least this share of 128 px finer than the photo; of a video, which
#: moves and is compressed, up to this share coarser. See `at_photo_scale`.
_PHOTO_SCALE, VIDEO_SCALE = 0.3, -0.1
#: In a video, somebody without glasses is looked at for some in every so many-th keyframe.
_WITHOUT_GLASSES = 4


class FaceEditor:
    """Edits one face of a photo.

    Args:
        models: the parts it works with, the reader of faces and the gate among them.
        scale: `_PHOTO_SCALE` or `VIDEO_SCALE`; a tracked face is always made at that of videos.
    """

    def __init__(self, models: Parts, scale: float = _PHOTO_SCALE) -> None:
        self._models, self._options, self._scale = models, models.options, scale

    def prepare(self, image: Image, request: Request, seed: int, index: int) -> Face:
        """Measure a face before anything is edited, and choose its levels. The scheduler then draws the stand-ins of all its faces.

        Args:
            image: (H, W, 3) uint8 RGB, the photo as it was.
            request: the face.
            seed: the photo's.
            index: the face's number in the photo.
        """
        measured_before = None if request.tracked is None else request.tracked.source
        source = self._models.reader.source(image, request.detection, measured_before)
        levels, why = treatment.levels_for(self._models, image, request, source.detection)
        return Face(request, source, seeds.seed_of(seed, index), levels, why)

    def edit(self, face: Face, photo: Image) -> None:
        """Edit a face at harder and harder levels until it passes; the last one, a solid cover, always does.

        A new face that passes but is near the one before is tried again as often as the budget says, and the farthest is kept. Sketches
        tell which of them need be made.

        Args:
            face: as it was prepared; it also receives the result.
            photo: (H, W, 3) uint8 RGB, with all edits so far; it is not changed.

        Raises:
            EditError: an editor failed, or the levels ended without a cover.
        """
        further_rounds = self._options.budget.farther if face.stand_ins else 0
        by_level = self._attempts_by_level(face, photo, sketched=further_rounds > 0)
        best, failed = attempts.best(self._models.gate, face.source, by_level, further_rounds)
        face.why += failed
        if best is None:
            raise EditError("the fallback levels ended without a cover")
        faded = None
        if face.request.tracked and best.attempt.proposals:
            faded = between_keyframes.fade_over_last_face(self._models, face, photo, best)
        face.note_composite(best.attempt.level, best.check, faded or best.shown)

    def _attempts_by_level(self, face: Face, photo: Image, sketched: bool) -> Iterator[Attempt[Level] | Sketched[Level]]:
        """What each level makes of a face, made when it is wanted; where it may be, first a sketch of it."""
        aligned: AlignedFace | None = None
        if face.n_levels_tried == 0 and face.stand_ins and (aligned := self.align(face, photo)).wears_glasses:
            face.levels = fallback.glasses_first(face.levels)
        for level in face.levels:
            face.n_levels_tried += 1
            if not level.pastes_face:
                yield self._cover(face, level, photo)
            elif face.request.is_between_keyframes and (moved := between_keyframes.move_last_face(self._models, face, level, photo)):
                yield moved
            else:
                rng = np.random.default_rng([face.seed, face.n_levels_tried])
                candidates = stand_ins.candidates_for(self._models, face, level, rng)
                if len(candidates.sets):
                    aligned = aligned or self.align(face, photo)
                    make = partial(self.new_faces, face, level, photo, aligned, candidates)
                    yield (sketch(self._models.gate, face.source, aligned, level, candidates.sets, make) if sketched else None) or make()
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
        attributes = face.source.attributes
        glasses = self._glasses(large, attributes, steady)
        if glasses is not None:
            whole = with_arms(glasses, large, points)
            # Once in a video: glasses that come and go show more than none. Who must not be known by hair must not be known by them.
            worn = self._options.reach == "face" and once(steady, "glasses", lambda: are_whole(whole, points))
            glasses = replace(whole, whole=worn)
        # In a video an object that is found in some frames only would flicker: nothing is kept there.
        objects = self._models.objects.find(large, points) if tracked is None else None
        return AlignedFace(
            crop, face.matrix, face.detection, points, large, attributes, steady, glasses, objects, self._brows(face, crop, points)
        )

    def _glasses(self, large: Image, attributes: NDArray[np.float32] | None, steady: FieldSmoother | None) -> Glasses | None:
        """Those of the photo's face. In a video somebody without any, who is unlikely to wear some, is looked at anew in some keyframes
        only."""
        without: int = 0 if steady is None else steady.kept("keyframes without glasses") or 0
        if 0 < without < _WITHOUT_GLASSES and not are_likely(attributes):
            found = None
        else:
            found, without = self._models.glasses.find(large, attributes), 0
        if steady is not None:
            steady.keep("keyframes without glasses", without + 1 if found is None else 0)
        return found

    def _brows(self, face: Face, crop: Image, points: NDArray[np.float64]) -> float | None:
        """How dark they are; in a video nothing else was looked at once a person has a new face."""
        if face.looks is not None:
            return face.looks.brows
        return None if self._models.portraits is None else stand_ins.brows_of(self._models, face.source, crop, points)

    def new_faces(self, face: Face, level: Level, photo: Image, aligned: AlignedFace, candidates: stand_ins.Candidates) -> Attempt[Level]:
        """A level's new faces, one for each candidate; each is pasted into the photo when it is wanted."""
        aligned = aligned if level.objects else replace(aligned, objects=None)
        proposals = fit_to_photo(checked.edit(level.editor, aligned, candidates.sets, level.strength), aligned, level.glasses)
        head_seed = face.seed if self._options.reach == "head" else None
        verdict_before = None if face.request.tracked is None else face.request.tracked.check

        def pasted(number: int) -> Shown:
            return paste_into_photo(proposals[number], photo, aligned, head_seed)

        in_glasses = level.glasses and aligned.wears_glasses
        return Attempt(level, pasted, proposals, candidates.expected, verdict_before, in_glasses)
