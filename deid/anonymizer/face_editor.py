"""The way of one face: prepare, propose, composite, verify, fall back."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import between, doubt, fallback, stand_ins
from deid.anonymizer.cover import cover
from deid.anonymizer.face import Composite, Face
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.compositing import blend, head
from deid.compositing.proposal import Patch, Proposal
from deid.core import seeds
from deid.core.errors import EditError
from deid.core.protocols import Editor
from deid.core.types import AlignedFace, Detection, EditedFace, FaceResult, Image, Verification
from deid.editing.checked import edit
from deid.editing.looks import Looks
from deid.editing.sampler import named, portraits_of
from deid.imaging import geometry
from deid.imaging.alignment import align, at_photo_scale, warp, with_own_landmarks
from deid.verification.ranking import is_far, margin, promising
from deid.verification.source_face import SourceFace

#: A detection counts as edited when this share of its middle was.
LEAST_EDITED = 0.6
#: A stand-in that fits less is distorted, hidden, or meets the photo in a visible border (see `deid.compositing.seam`).
LEAST_FIT = 0.38
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

    # Prepare.

    def prepare(self, image: Image, request: Request, seed: int, index: int) -> Face:
        """Measure a face before anything is edited, and choose its levels.

        Args:
            image: (H, W, 3) uint8 RGB, the photo as it was.
            request: the face.
            seed: the photo's.
            index: the face's number in the photo.
        """
        detection = with_own_landmarks(request.detection)
        aligned = align(image, detection)
        known = None if request.tracked is None else request.tracked.source
        source = self._models.gate.source(aligned.crop, detection) if known is None else replace(known, detection=detection)
        face = Face(request, source, aligned.matrix, seeds.seed_of(seed, index), iter(request.levels or ()))
        if request.levels is not None:
            return face
        if detection.label != "face":
            face.levels = iter(fallback.plate_covers(self._models))
            return face
        doubt = self.why_cover(image, detection) if self._options.method == "attgan" else ""
        if doubt:
            face.levels, face.why = fallback.covers(self._models), [doubt]
        else:
            face.levels, face.looks = fallback.levels(self._models, self._models.editor), self._looks(source, aligned.crop)
        return face

    def why_cover(self, image: Image, detection: Detection) -> str:
        """Why a face should be covered and not replaced, or nothing."""
        return doubt.why_cover(image, detection, self._options, self._models.gate)

    def _looks(self, source: SourceFace, crop: Image) -> Looks | None:
        """Features that a portrait for a face must have; None where none is needed."""
        if self._models.portraits is None or source.attributes is None:
            return None
        embedding = self._embedding(source, crop)
        child = float(self._models.ages.child(embedding[None])[0])
        return Looks.of(crop, self._models.points.points(crop), source.attributes, embedding, source.male, child)

    def _embedding(self, source: SourceFace, crop: Image) -> NDArray[np.float32]:
        """(D,) by the recogniser that the portraits are compared with; the gate may have it already."""
        embedder, gate = self._models.bank_embedder, self._models.gate
        rows = next((r for e, r in zip(gate.embedders, source.embeddings, strict=True) if e.name == embedder.name), None)
        return np.asarray((embedder.embed(crop[None]) if rows is None else rows)[0])

    # Edit, level by level.

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
        best: tuple[Composite, Patch] | None = None
        more = self._options.budget.farther
        for level in face.levels:
            if best is not None and not level.pastes_face:
                break
            if stand_ins.lacks_one(self._models, face, level):
                face.why += [stand_ins.NO_PORTRAIT] if stand_ins.NO_PORTRAIT not in face.why else []
                continue
            face.n_tried += 1
            made = self.replaced(face, level, photo) if level.pastes_face else self._covered(face, level, photo)
            if made[0].check.passed or level.last:
                best = made if best is None or margin(made[0].check) > margin(best[0].check) else best
            else:
                face.why.append(f"{made[0].edited.method} x{level.strength:g}: {'; '.join(made[0].check.reasons)}")
            if best is not None and (more == 0 or not _may_be_farther(face, best[0])):
                break
            more -= best is not None
        if best is None:
            raise EditError("the fallback levels ended without a cover")
        face.composite, patch = best
        return patch

    def replaced(self, face: Face, level: Level, photo: Image) -> tuple[Composite, Patch]:
        """The best of a level's proposals that passes, or the best of those that do not."""
        if (moved := between.moved(self._models, face, level, photo)) is not None:
            return self._shown(face, level, *moved)
        sets, expected = stand_ins.rows_for(self._models, level, face, np.random.default_rng([face.seed, face.n_tried]))
        aligned, proposals = self.propose(face, level, photo, sets)
        best: tuple[Composite, Patch] | None = None
        for i in promising(self._models.gate, face.source, proposals, expected, level.accepted):
            made = self.composite(face, level, photo, aligned, proposals[i])
            best = best or made
            if made[0].check.passed:
                faded = between.faded(self._models, face, level, photo, proposals[i], made[0].check)
                return made if faded is None else self._shown(face, level, *faded)
        assert best is not None  # a level without proposals has raised
        return best

    # Propose.

    def propose(self, face: Face, level: Level, photo: Image, sets: NDArray[np.float32]) -> tuple[AlignedFace, list[Proposal]]:
        """The face with all inputs of editors, and a new face for each attribute set (N, D)."""
        # The crop is taken from the result so far: a neighbour that was edited must not come back at its edge.
        crop, tracked = warp(photo, face.matrix), face.request.tracked
        points = self._models.points.points(crop) if tracked is None else geometry.apply(face.matrix, tracked.shape)
        steady = None if tracked is None else tracked.steady
        large = at_photo_scale(photo, face.matrix, self._scale if tracked is None else VIDEO_SCALE)
        aligned = AlignedFace(crop, face.matrix, face.detection, points, large, face.source.attributes, steady)
        mask = blend.face_mask(points, crop=crop)
        return aligned, propose(level.editor, aligned, sets, level.strength, mask)

    # Composite and verify.

    def composite(self, face: Face, level: Level, photo: Image, aligned: AlignedFace, proposal: Proposal) -> tuple[Composite, Patch]:
        """A proposal in the photo, with the gate's verdict on it there."""
        image, touched = proposal.paste(photo, face.matrix)
        if self._options.reach == "head":
            assert aligned.points is not None
            shape = head.Shape.draw(np.random.default_rng(face.seed))
            image, touched = head.reshape(image, touched, face.matrix, aligned.points, shape)
        known = None if face.request.tracked is None else face.request.tracked.check
        check = self._models.gate.judge(face.source, image, level.accepted) if known is None else known
        # In a video, one poor frame is no reason to cover a face.
        if known is None and level.sets is None and proposal.fit < LEAST_FIT:
            check = replace(check, reasons=(*check.reasons, f"the stand-in does not fit the photo: {proposal.fit:.2f} < {LEAST_FIT}"))
        return self._shown(face, level, proposal.edited, image, touched, check)

    def _shown(
        self, face: Face, level: Level, edited: EditedFace, image: Image, touched: NDArray[np.bool_], check: Verification
    ) -> tuple[Composite, Patch]:
        """A new face in a photo, with the gate's verdict, and whether enough of the detection was touched (H, W)."""
        if (share := geometry.share_of_middle(face.detection.box_xyxy, touched)) < LEAST_EDITED:
            check = replace(check, reasons=(*check.reasons, f"only {share:.0%} of the middle of the box is edited"))
        return Composite(warp(image, face.matrix), edited, check, level), Patch.of(image, touched)

    # Fall back.

    def _covered(self, face: Face, level: Level, photo: Image) -> tuple[Composite, Patch]:
        """A filter over the box and its margin."""
        image, touched, edited = cover(level, photo, face.detection, self._options.margin)
        check = self._models.gate.cover(face.source, image)
        # Under one colour there is nothing left to recognise, whatever an embedder makes of it.
        # Embedders of faces say nothing about a licence plate.
        check = replace(check, reasons=()) if level.editor.name == "solid" or face.detection.label != "face" else check
        return Composite(warp(image, face.matrix), edited, check, level), Patch.of(image, touched)

    # After its neighbours were edited.

    def still_passes(self, face: Face, photo: Image) -> bool:
        """Whether a face is as it was when the gate let it pass, or passes as it is now."""
        made, crop = face.composite, warp(photo, face.matrix)
        if made is None or made.level.last or np.array_equal(crop, made.crop) or face.detection.label != "face":
            return True
        gate = self._models.gate
        check = gate.judge(face.source, photo, made.level.accepted) if made.level.pastes_face else gate.cover(face.source, photo)
        face.composite = replace(made, crop=crop, check=check)
        if not check.passed:
            face.why.append(f"{made.edited.method} after its neighbours were edited: {'; '.join(check.reasons)}")
        return check.passed

    def result(self, face: Face) -> FaceResult:
        """The result for a face.

        Raises:
            EditError: nothing that the gate lets pass.
        """
        made = face.composite
        if made is None or not made.check.passed:
            raise EditError("a face came through without an edit that passed")
        asked = made.level.pastes_face if self._options.method == "attgan" else made.level.editor.name == self._options.method
        asked = asked or face.detection.label != "face"
        row = made.edited.attributes
        return FaceResult(
            detection=face.detection,
            method=made.edited.method,
            status="passed" if asked else "fallback",
            verification=made.check,
            attributes={} if row is None else named(row),
            strength=made.edited.strength,
            seed=face.seed,
            why=tuple(face.why),
            portraits=() if row is None or self._models.portraits is None else tuple(portraits_of(row)[0]),
            row=row,
        )


def _may_be_farther(face: Face, made: Composite) -> bool:
    """Whether another stand-in may give a face a new one that is farther from it, where the one that it has is near."""
    return bool(face.stand_ins) and made.level.pastes_face and made.level.sets is None and not is_far(made.check)


def propose(editor: Editor, face: AlignedFace, sets: NDArray[np.float32], strength: float, mask: NDArray[np.float32]) -> list[Proposal]:
    """New faces that fit into the photo, one for each row of ``sets`` (N, D); ``mask`` (128, 128) says how much of a small crop shows."""
    return [Proposal.of(edited, face, mask) for edited in edit(editor, face, sets, strength)]
