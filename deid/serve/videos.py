"""A video on its way: searched once, edited after every correction, searched again, saved."""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from deid.anonymizer import known_boxes
from deid.anonymizer.parts import Engine
from deid.boxes.types import BoxedFile
from deid.core.errors import VideoReadError
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.imaging import geometry
from deid.serve.cards import Cards
from deid.serve.corrected import CorrectedWork
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.limits import Limits
from deid.serve.previews import VideoPreviews
from deid.serve.record import SAME_TRACK, Record, frames_of
from deid.serve.uploads import Upload
from deid.serve.work import Progress, same
from deid.video.decode import Frame, Reader, VideoInfo
from deid.video.edit import VideoEditor
from deid.video.encode import Writer
from deid.video.follow import follow
from deid.video.frames import EditedFrame, FoundFrame
from deid.video.looks import build_search
from deid.video.pipeline import edited, edited_slowly
from deid.video.results import TrackSummary
from deid.video.search import Search
from deid.video.stages import ahead

#: Seconds between two frames of the result that are searched for faces that are still exposed.
_LOOK_S = 0.4
#: Frames that wait between two stages.
_DEPTH = 3


class RecordingEditor(VideoEditor[Frame]):
    """A `VideoEditor` that takes down what was found in each frame."""

    record: Record
    time_base: float

    def edit(self, found: FoundFrame[Frame]) -> EditedFrame[Frame]:
        """See `VideoEditor.edit`."""
        self.record.note(found, found.frame.pts * self.time_base)
        return super().edit(found)


class VideoWork(CorrectedWork):
    """See `deid.serve.work.Work`.

    Args:
        upload: the video.
        engine: edits and judges faces.
        limits: of its size and length.
    """

    kind, rounds = "film", 3

    def __init__(self, upload: Upload, engine: Engine, limits: Limits) -> None:
        super().__init__(upload, engine, limits)
        self._record, self._previews, self._cards = Record(), VideoPreviews(upload.folder), Cards()
        self._problem = ""
        self._messages: list[str] = []
        self._info: VideoInfo | None = None

    def _size_wh(self, frame: int) -> tuple[int, int]:
        width, height = self.view["size_wh"]
        return width, height

    def check(self, corrections: Sequence[Correction]) -> None:
        for face in (c.face for c in corrections if c.face is not None):
            if face < len(self.faces) and not self.faces[face]["shown"]:
                raise CorrectionError(f"there is no track {face}")
        super().check(corrections)

    def process(self, progress: Progress) -> None:
        progress("reading", 0, 0)
        with Reader(self._upload.path) as video:
            self._info = info = video.info
            self._check_size(info)
            self._seed = self._upload.file_seed
            editor = RecordingEditor(self._engine, self._seed)
            editor.record, editor.time_base = self._record, float(info.time_base)
            frames = edited(video, self._engine, editor, info.size_hw, float(info.rate))
            self._write(video, frames, progress)
            self._problem = video.problem
        self._cards.name_people(editor.tracks)
        self._show(editor.tracks)

    def _check_size(self, info: VideoInfo) -> None:
        height, width = info.size_hw
        if height * width > self._limits.film_pixels:
            raise VideoReadError(f"{self._upload.name}: {width} x {height} is more than {self._limits.film_pixels} pixels, the limit")
        seconds = info.n_frames / float(info.rate)
        if seconds > self._limits.duration_s:
            raise VideoReadError(f"{self._upload.name}: {seconds:.0f} s is longer than {self._limits.duration_s:.0f} s, the limit")

    def _write(self, video: Reader, frames: Generator[EditedFrame[Frame], None, None], progress: Progress) -> None:
        """Write the video as it would be saved, and keep what is shown of it."""
        info, most = video.info, self._limits.duration_s * float(video.info.rate)
        sound = self._upload.path if info.audio else None
        done, again = 0, bool(self.view["frames"])
        with Writer(self._candidate, info, sound, True, video.origin_s, video.end_s) as writer, contextlib.closing(frames):
            for frame in frames:
                writer.put(frame.frame, frame.image, frame.touched)
                self._previews.keep(frame, self._cards.best_in(frame.frame.index, self._record), again)
                done += 1
                progress("new faces", done, max(done, info.n_frames) if info.n_frames else 0)
                if done > most + 1:
                    raise VideoReadError(f"{self._upload.name} is longer than {self._limits.duration_s:.0f} s, the limit")
        if not done:
            raise VideoReadError(f"cannot read {self._upload.name}: expected at least one frame of video, got none")
        self._notes = (*video.notes(), *writer.notes)

    def correct(self, corrections: Sequence[Correction], progress: Progress) -> None:
        self._messages, self._stale = [], True
        for correction in corrections:
            if correction.action == "draw":
                assert correction.box_xyxy is not None
                self._draw(correction.frame, np.array(correction.box_xyxy), "drawn", progress)
            else:
                for track in self._cards.decide(correction):
                    self._record.confirm(track)
        self._render(progress)

    def _draw(self, index: int, box: Any, origin: str, progress: Progress) -> None:
        """Follow a face that was missed, both ways."""
        for face in self._record.faces[index]:
            if face.track not in self._cards.left and geometry.box_iou(face.detection.box_xyxy, box)[0, 0] > SAME_TRACK:
                self._messages.append(f"the face that was drawn in frame {index} is track {face.track}: decide on its card")
                return
        progress("following the drawn face", 0, 0)
        track = max(self._record.n_tracks, len(self._cards))
        refiner = FaceRefiner(device=self._engine.options.device)
        with Reader(self._upload.path) as video, contextlib.closing(ahead(video, _DEPTH, "read")) as frames:
            drawn = follow(_watched(frames, progress, self.view["frames"]), index, box, track, float(video.info.rate), refiner)
        if self._record.add(drawn, self._cards.left):
            self._cards.add(track, origin)

    def _render(self, progress: Progress) -> None:
        """Edit the video again, without searching it."""
        with Reader(self._upload.path) as video:
            choices = self._cards.choices(self._engine, self._seed)
            rate = float(video.info.rate)
            editor: VideoEditor[Frame] = VideoEditor(self._engine, self._seed, choices, rate)
            found = ahead(self._record.replay(ahead(video, _DEPTH, "read")), _DEPTH, "replay")
            self._write(video, ahead(edited_slowly(found, editor, rate), _DEPTH, "edit"), progress)
        self._show(editor.tracks)
        self._stale = False

    def _last_look(self, progress: Progress) -> bool:
        assert self._info is not None
        looks, step = build_search(self._engine.options), max(1, round(_LOOK_S * float(self._info.rate)))
        exposed: list[tuple[int, Detection]] = []
        with Reader(self._candidate) as video:
            for frame in video:
                if frame.index % step or frame.index >= len(self._record.faces):
                    continue
                progress("last detection", frame.index, self.view["frames"])
                exposed += [(frame.index, d) for d in self._exposed(frame.index, frame.rgb(), looks)]
        for index, detection in exposed:
            # The track drawn for one detection may include the next ones.
            faces = frames_of(self._record.faces[index], ())[0]
            if not same(detection, faces):
                self._draw(index, detection.box_xyxy, "last detection", progress)
        return bool(exposed)

    def _exposed(self, index: int, image: Image, looks: Search) -> list[Detection]:
        edited_here, left = frames_of(self._record.faces[index], self._cards.left)
        touched, reach = np.zeros(image.shape[:2], bool), 1 + 2 * self._engine.options.margin
        for detection in edited_here:
            rows, columns = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, reach), (image.shape[0], image.shape[1]))
            touched[rows, columns] = True
        sure = [d for d in looks.all(image) if d.score >= self._engine.options.track_score]
        return [d for d in known_boxes.exposed(sure, touched) if not same(d, left)]

    def _show(self, tracks: Sequence[TrackSummary]) -> None:
        """Update what the page shows."""
        assert self._info is not None
        self._cards.summarize(tracks)
        height, width = self._info.size_hw
        stills = self._previews.indices
        self.view = {
            "frames": len(self._record.faces),
            "rate": float(self._info.rate),
            "size_wh": [width, height],
            "seed": self._upload.seed,
            "stills": [[i, round(self._record.times_s[i] - self._record.times_s[0], 3)] for i in stills],
            "boxes": {str(i): [_box(face) for face in self._record.faces[i]] for i in stills if self._record.faces[i]},
            "notes": [*self._notes, *([self._problem] if self._problem else [])],
            "messages": list(self._messages),
        }
        self.faces = self._cards.as_plain(self._record.times_s, float(self._info.rate), self._engine.options.method)

    def boxes(self) -> BoxedFile:
        gone, kept = self._cards.decided("not_a_face"), self._cards.decided("keep")
        return self._record.boxed(self._upload.name, self._size_wh(0), gone, kept)

    def report(self) -> dict[str, Any]:
        visible = [face for face in self.faces if face["shown"]]
        return {
            "input": self._upload.name,
            "kind": self.kind,
            "seed": self._upload.seed,
            "frames": self.view["frames"],
            "tracks": visible,
            "kept": [_brief(face) for face in visible if face["decision"]["action"] == "keep"],
            "not_faces": [_brief(face) for face in visible if face["decision"]["action"] == "not_a_face"],
            "problem": self._problem or None,
            "notes": list(self._notes),
        }


def _brief(face: dict[str, Any]) -> dict[str, Any]:
    return {"face": face["face"], "seconds": face["seconds"]}


def _box(face: Any) -> list[Any]:
    return [face.track, *(round(float(v), 1) for v in face.detection.box_xyxy), face.state]


def _watched(frames: Iterable[Frame], progress: Progress, total: int) -> Iterator[Frame]:
    for frame in frames:
        progress("following the drawn face", frame.index, total)
        yield frame
