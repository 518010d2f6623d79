"""A photo on its way: searched, edited, corrected, searched again, saved."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deid.anonymizer import known_boxes
from deid.anonymizer.parts import Engine
from deid.anonymizer.request import Request
from deid.batch import pictures
from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.types import Detection, FaceResult, Image
from deid.imaging import atomic, codec
from deid.imaging.codec import Picture
from deid.serve.corrected import CorrectedWork
from deid.serve.corrections import Correction, Decision
from deid.serve.faces import Face
from deid.serve.limits import Limits
from deid.serve.previews import jpeg, thumbnail, write_preview
from deid.serve.uploads import Upload
from deid.serve.work import Progress, same

#: Longest side of what is shown: of a still, and of each frame of an animation.
_STILL, _FRAME, _MANY = 2560, 1280, 10


class PhotoWork(CorrectedWork):
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

    kind, rounds = "photo", 5

    def __init__(self, upload: Upload, engine: Engine, limits: Limits) -> None:
        super().__init__(upload, engine, limits)
        self._faces: list[Face] = []
        self._sizes: list[tuple[int, int]] = []

    def _size_wh(self, frame: int) -> tuple[int, int]:
        height, width = self._sizes[frame]
        return width, height

    def process(self, progress: Progress) -> None:
        progress("reading", 0, 1)
        picture = self._read()
        self._notes = picture.notes
        progress("new faces", 0, 1)
        edited, results = pictures.anonymize(picture, self._engine, self._upload.file_seed)
        self._seed = results[0].seed
        self._sizes = [frame.rgb.shape[:2] for frame in picture.frames if frame.look is None]
        for number, result in enumerate(results):
            self._add(number, result.faces, "detector")
        self._keep(picture, edited, [r.image for r in results])
        progress("new faces", 1, 1)

    def _read(self) -> Picture:
        return codec.read(self._upload.path, min(self._limits.pixels, self._engine.options.max_pixels))

    def _add(self, frame: int, results: Sequence[FaceResult], origin: str) -> None:
        for result in results:
            self._faces.append(Face(len(self._faces), frame, result.detection, origin, result, result))

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
        picture = self._read()
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
                # A look at its surroundings finds the landmarks of a drawn face.
                face.detection = known_boxes.with_detected([face.detection], self._engine.detector.detect(image))[0]
        for face in here:
            face.now = None
        requests = [Request(f.detection, f.tried(self._engine, self._seed, image, [o for o in wanted if o is not f])) for f in wanted]
        edited = self._engine.process_requests(image, requests, self._seed)
        out = edited.image
        for face, became in zip(wanted, edited.results, strict=True):
            face.now, face.first = became, face.first or became
        for _ in range(self.rounds):
            left = self._exposed(number, image, out, tolerance=0)
            if not left:
                return out
            result = self._engine.process(out, left, self._seed)
            self._add(number, result.faces, "last detection")
            out = result.image
        raise self._still_exposed()

    def _exposed(self, number: int, before: Image, after: Image, tolerance: int) -> list[Detection]:
        """Faces of the result that nobody decided to leave and that nothing was done to."""
        left = [face.detection for face in self._faces if face.frame == number and face.decision.leaves]
        found = known_boxes.exposed(self._engine.detector.detect(after), known_boxes.changed(before, after, tolerance))
        return [d for d in found if not same(d, left)]

    def _last_look(self, progress: Progress) -> bool:
        progress("last detection", 0, 1)
        before, after = self._read(), codec.read(self._candidate, self._limits.pixels)
        pairs = [(b.rgb, a.rgb) for b, a in zip(before.frames, after.frames, strict=False) if b.look is None and a.look is None]
        n_faces = len(self._faces)
        for number, (old, new) in enumerate(pairs):
            for detection in self._exposed(number, old, new, tolerance=6) if old.shape == new.shape else ():
                self._faces.append(Face(len(self._faces), number, detection, "last detection"))
        progress("last detection", 1, 1)
        return len(self._faces) > n_faces

    def _keep(self, picture: Picture, edited: Picture, outs: Sequence[Image]) -> None:
        """Put on disk what is shown and what will be saved; no pixels stay in memory."""
        atomic.write(codec.encode(edited), self._candidate, overwrite=True)
        longest = _STILL if len(self._sizes) <= _MANY else _FRAME
        put = functools.partial(write_preview, self._upload.folder)
        for number in range(len(self._sizes)):
            before, after = picture.frames[number].rgb, outs[number]
            put(f"before-{number}.jpg", jpeg(before, longest))
            put(f"after-{number}.jpg", jpeg(after, longest))
        for face in self._faces:
            put(f"face-{face.number}-before.jpg", thumbnail(picture.frames[face.frame].rgb, face.detection.box_xyxy))
            put(f"face-{face.number}-after.jpg", thumbnail(outs[face.frame], face.detection.box_xyxy))
        self.faces = self._as_plain()
        self.view = {
            "frames": len(self._sizes),
            "sizes_wh": [[w, h] for h, w in self._sizes],
            "seed": self._upload.seed,
            "notes": list(self._notes),
        }

    def _as_plain(self) -> tuple[dict[str, Any], ...]:
        return tuple(face.as_plain(face.frame < len(self._sizes), self._engine.options.method) for face in self._faces)

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
            "faces": list(self._as_plain()),
            "kept": listed("keep"),
            "not_faces": listed("not_a_face"),
            "notes": list(self._notes),
        }
