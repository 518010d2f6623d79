"""A photo on its way: searched, edited, corrected, searched again, saved."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deid.anonymizer import known
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.face import Request
from deid.anonymizer.level import Level
from deid.batch import pictures
from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.errors import DetectionError
from deid.core.types import Detection, FaceResult, Image
from deid.imaging import atomic, codec
from deid.imaging.codec import Picture
from deid.serve import corrections as checks
from deid.serve import levels
from deid.serve.corrections import Correction, CorrectionError, Decision
from deid.serve.limits import Limits
from deid.serve.uploads import Upload
from deid.serve.work import Progress, doubts, jpeg, named, same, thumbnail

#: How often the result is searched for faces that are still exposed.
_ROUNDS = 5
#: Longest side of what is shown: of a still, and of each frame of an animation.
_STILL, _FRAME, _MANY = 2560, 1280, 10


@dataclass(slots=True, eq=False)
class Face:
    """One face of one frame.

    Args:
        number: its name in this photo, from 0; it never changes.
        frame: which frame it is in.
        detection: where.
        origin: `detector`, `drawn` by a person, or `last detection`, which looks at the result.
        first: what the program made of it; None for a drawn face until it has been rendered.
        now: what has become of it; None when it is left as it is.
        decision: what a person decided.
        turn: number of requests for another new face.
        levels: the requested new face.
        note: which part of the request was not possible.
    """

    number: int
    frame: int
    detection: Detection
    origin: str
    first: FaceResult | None = None
    now: FaceResult | None = None
    decision: Decision = field(default_factory=Decision)
    turn: int = 0
    levels: list[Level] | None = None
    note: str = ""


class PhotoWork:
    """See `deid.serve.work.Work`.

    Args:
        upload: the photo.
        engine: edits and judges faces.
        limits: of its pixels.

    Examples:
        >>> work = PhotoWork(upload, engine, Limits())
        >>> work.process(print)
        >>> work.correct([Correction("keep", face=0)], print)
        >>> work.save(print)
        >>> work.report()["kept"]
        [{'face': 0, 'frame': 0, 'box_xyxy': [81.2, 40.0, 160.9, 148.3]}]
    """

    kind = "photo"

    def __init__(self, upload: Upload, engine: Anonymizer, limits: Limits) -> None:
        self._upload, self._engine, self._limits = upload, engine, limits
        self._faces: list[Face] = []
        self._seed = 0
        self._notes: tuple[str, ...] = ()
        self._stale = False
        self._sizes: list[tuple[int, int]] = []
        self._candidate = upload.folder / f"candidate{upload.path.suffix}"
        self.view: dict[str, Any] = {"frames": 0}
        self.faces: Sequence[dict[str, Any]] = ()

    def check(self, corrections: Sequence[Correction]) -> None:
        checks.check(corrections, len(self.faces))
        for correction in corrections:
            if correction.action == "again" and self._engine.options.method != "attgan":
                raise CorrectionError("new faces need the method attgan")
            if correction.box_xyxy is not None:
                if not 0 <= correction.frame < len(self._sizes):
                    raise CorrectionError(f"there is no frame {correction.frame}: the photo has {len(self._sizes)}")
                height, width = self._sizes[correction.frame]
                if why := known.why_not(correction.box_xyxy, (width, height)):
                    raise CorrectionError(why)

    def process(self, progress: Progress) -> None:
        progress("reading", 0, 1)
        picture = codec.read(self._upload.path, min(self._limits.pixels, self._engine.options.max_pixels))
        self._notes = picture.notes
        progress("new faces", 0, 1)
        edited, results = pictures.anonymize(picture, self._engine, self._upload.file_seed)
        self._seed = results[0].seed
        self._sizes = [frame.rgb.shape[:2] for frame in picture.frames if frame.look is None]
        for number, result in enumerate(results):
            self._faces += [self._found(number, face, "detector") for face in result.faces]
        for index, face in enumerate(self._faces):
            face.number = index
        self._keep(picture, edited, [r.image for r in results])
        progress("new faces", 1, 1)

    def _found(self, frame: int, result: FaceResult, origin: str) -> Face:
        return Face(len(self._faces), frame, result.detection, origin, result, result)

    def correct(self, corrections: Sequence[Correction], progress: Progress) -> None:
        self._stale = True
        for correction in corrections:
            self._apply(correction)
        self._render(progress)

    def _apply(self, correction: Correction) -> None:
        if correction.action == "draw":
            detection = Detection(np.array(correction.box_xyxy, float), 1.0, None, "user")
            self._faces.append(Face(len(self._faces), correction.frame, detection, "drawn"))
            return
        assert correction.face is not None
        face = self._faces[correction.face]
        face.note = ""
        face.decision = Decision(correction.action, correction.method, correction.strength)
        if correction.action == "again":
            face.turn += 1
            face.levels = None
            # A person has seen that it is a face.
            face.detection = replace(face.detection, score=1.0)

    def _render(self, progress: Progress) -> None:
        """Make the picture again from the upload and the decisions."""
        picture = codec.read(self._upload.path, min(self._limits.pixels, self._engine.options.max_pixels))
        outs: list[Image] = []
        for number, frame in enumerate(picture.frames):
            progress("new faces", number, len(picture.frames))
            outs.append(self._frame(number, frame.rgb))
        self._keep(picture, picture.with_frames(outs), outs)
        self._stale = False
        progress("new faces", len(outs), len(outs))

    def _frame(self, number: int, image: Image) -> Image:
        """One frame as the decisions want it, without any other exposed face."""
        here = [face for face in self._faces if face.frame == number]
        wanted = [face for face in here if not face.decision.leaves]
        for face in wanted:
            if face.origin == "drawn" and face.detection.landmarks is None:
                face.detection = self._with_landmarks(image, face.detection)
        for face in here:
            face.now = None
        requests = [Request(face.detection, self._levels(face, image, wanted)) for face in wanted]
        out, results = self._engine.process_requests(image, requests, self._seed)
        for face, became in zip(wanted, results, strict=True):
            face.now, face.first = became, face.first or became
        for _ in range(_ROUNDS):
            left = self._exposed(number, image, out, tolerance=0)
            if not left:
                return out
            result = self._engine.process(out, left, self._seed)
            self._faces += [
                replace(self._found(number, f, "last detection"), number=len(self._faces) + i) for i, f in enumerate(result.faces)
            ]
            out = result.image
        raise DetectionError(f"faces are still exposed after {_ROUNDS} rounds")

    def _with_landmarks(self, image: Image, detection: Detection) -> Detection:
        """A drawn face with the landmarks that a look at its surroundings finds."""
        return known.with_detected([detection], self._engine.detector.detect(image))[0]

    def _levels(self, face: Face, image: Image, others: Sequence[Face]) -> list[Level]:
        """What is tried on a face."""
        if face.decision.action == "cover":
            return list(levels.chosen_covers(self._engine, face.decision))
        if face.decision.action == "restore" and face.first is not None:
            return levels.again(self._engine, face.first)
        if face.levels is None:
            results = [f.now or f.first for f in others if f is not face]
            seed = levels.face_seed(self._seed, face.number, face.turn)
            face.levels = levels.new_face(self._engine, (image, face.detection), seed, [r for r in results if r is not None])
            if face.levels is None:
                face.note = "" if self._engine.options.method != "attgan" else "no new face fits here: it is covered"
                face.levels = list(levels.covers(self._engine))
        return face.levels

    def _exposed(self, number: int, before: Image, after: Image, tolerance: int) -> list[Detection]:
        """Faces of the result that nobody decided to leave and that nothing was done to."""
        left = [face.detection for face in self._faces if face.frame == number and face.decision.leaves]
        found = known.exposed(self._engine.detector.detect(after), known.changed(before, after, tolerance))
        return [d for d in found if not same(d, left)]

    def save(self, progress: Progress) -> None:
        if self._stale:
            self._render(progress)
        picture = codec.read(self._upload.path, min(self._limits.pixels, self._engine.options.max_pixels))
        for _ in range(_ROUNDS):
            progress("last detection", 0, 1)
            if not self._last_look(picture):
                self._candidate.replace(self._upload.result)
                progress("last detection", 1, 1)
                return
            self._render(progress)
        raise DetectionError(f"faces are still exposed after {_ROUNDS} rounds")

    def _last_look(self, before: Picture) -> bool:
        """Whether the file as it would be saved shows an exposed face; what is found is covered in the next rendering."""
        after = codec.read(self._candidate, self._limits.pixels)
        pairs = [(b.rgb, a.rgb) for b, a in zip(before.frames, after.frames, strict=False) if b.look is None and a.look is None]
        found = False
        for number, (old, new) in enumerate(pairs):
            for detection in self._exposed(number, old, new, tolerance=6) if old.shape == new.shape else ():
                self._faces.append(Face(len(self._faces), number, detection, "last detection"))
                found = True
        return found

    def _keep(self, picture: Picture, edited: Picture, outs: Sequence[Image]) -> None:
        """Put on disk what is shown and what will be saved; no pixels stay in memory."""
        atomic.write(codec.encode(edited), self._candidate, overwrite=True)
        longest = _STILL if len(self._sizes) <= _MANY else _FRAME
        for number in range(len(self._sizes)):
            before, after = picture.frames[number].rgb, outs[number]
            self._write(f"before-{number}.jpg", jpeg(before, longest))
            self._write(f"after-{number}.jpg", jpeg(after, longest))
        for face in self._faces:
            self._write(f"face-{face.number}-before.jpg", thumbnail(picture.frames[face.frame].rgb, face.detection.box_xyxy))
            self._write(f"face-{face.number}-after.jpg", thumbnail(outs[face.frame], face.detection.box_xyxy))
        self.faces = tuple(self._told(face) for face in self._faces)
        self.view = {
            "frames": len(self._sizes),
            "sizes_wh": [[w, h] for h, w in self._sizes],
            "seed": self._upload.seed,
            "notes": list(self._notes),
        }

    def _write(self, name: str, data: bytes) -> None:
        atomic.write(data, self._upload.folder / name, overwrite=True)

    def _told(self, face: Face) -> dict[str, Any]:
        """A face as plain values."""
        became = face.now
        plain = became.to_dict() if became is not None else {}
        method = became.method if became is not None else ""
        return {
            "face": face.number,
            "frame": face.frame,
            "shown": face.frame < len(self._sizes),
            "origin": face.origin,
            "box_xyxy": [round(float(v), 2) for v in face.detection.box_xyxy],
            "score": round((face.first or face).detection.score, 4),
            "decision": face.decision.to_dict(),
            "done": named(face.decision, method, became.strength if became else 1.0),
            "doubts": doubts(face.detection, method != "attgan" and self._engine.options.method == "attgan", face.decision),
            "note": face.note,
            "now": {key: plain[key] for key in _SHOWN if key in plain},
        }

    def boxes(self) -> BoxedFile:
        def here(number: int) -> BoxedFrame:
            faces = [f for f in self._faces if f.frame == number and f.decision.action != "not_a_face"]
            return BoxedFrame(tuple(Box(f.detection, keep=f.decision.action == "keep") for f in faces))

        height, width = self._sizes[0]
        return BoxedFile(self._upload.name, (width, height), tuple(here(i) for i in range(len(self._sizes))))

    def report(self) -> dict[str, Any]:
        def listed(action: str) -> list[dict[str, Any]]:
            found = [face for face in self._faces if face.decision.action == action]
            return [{"face": f.number, "frame": f.frame, "box_xyxy": np.round(f.detection.box_xyxy, 2).tolist()} for f in found]

        return {
            "input": self._upload.name,
            "kind": self.kind,
            "seed": self._upload.seed,
            "faces": [self._told(face) for face in self._faces],
            "kept": listed("keep"),
            "not_faces": listed("not_a_face"),
            "notes": list(self._notes),
        }


_SHOWN = ("method", "status", "strength", "why", "distances", "redetected", "iou", "gender_before", "gender_after", "realism")
