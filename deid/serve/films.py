"""A film on its way: searched once, edited after every correction, searched again, saved."""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deid.anonymizer import known
from deid.anonymizer.engine import Anonymizer
from deid.boxes.types import BoxedFile
from deid.core import seeds
from deid.core.errors import DetectionError, VideoReadError
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.imaging import atomic, geometry
from deid.serve import corrections as checks
from deid.serve import levels
from deid.serve.corrections import Correction, CorrectionError, Decision
from deid.serve.limits import Limits
from deid.serve.record import SAME_TRACK, Record, RecordingEditor, Stills, frames_of, still
from deid.serve.uploads import Upload
from deid.serve.work import Progress, named, same, thumbnail
from deid.video import search
from deid.video.decode import Frame, Reader, VideoInfo
from deid.video.edit import LEFT, FilmEditor
from deid.video.encode import Writer
from deid.video.enrolment import Choice
from deid.video.follow import follow
from deid.video.frames import EditedFrame, FoundFrame
from deid.video.pipeline import edited
from deid.video.roles import TrackSummary
from deid.video.stages import ahead
from deid.video.steady import clarity

#: How often the result is searched for faces that are still exposed, and seconds between two frames that are searched.
_ROUNDS, _LOOK_S = 3, 0.4
#: A detection in the result is of an edited face when so much of its middle lies where something was edited.
_LEAST_COVERED = 0.6
#: Below these a track is worth a person's look: the best score, seconds, share of the frames in which it was seen.
_UNSURE, _SHORT_S, _SEEN = 0.95, 0.5, 0.6
#: Frames that wait between two stages.
_DEPTH = 3


@dataclass(slots=True, eq=False)
class TrackCard:
    """One track, as a person sees it.

    Args:
        track: its number; it never changes.
        origin: `detector`, `drawn`, or `last detection`.
        summary: its result.
        decision: what a person decided.
        turn: number of requests for another new face.
        portrait: the frame that shows it best, where, and how well.
        note: which part of the request was not possible.
    """

    track: int
    origin: str
    summary: TrackSummary | None = None
    decision: Decision = field(default_factory=Decision)
    turn: int = 0
    portrait: tuple[int, Detection, float] | None = None
    note: str = ""


class FilmWork:
    """See `deid.serve.work.Work`.

    Args:
        upload: the film.
        engine: edits and judges faces.
        limits: of its size and length.
    """

    kind = "film"

    def __init__(self, upload: Upload, engine: Anonymizer, limits: Limits) -> None:
        self._upload, self._engine, self._limits = upload, engine, limits
        self._record, self._stills = Record(), Stills()
        self._cards: dict[int, TrackCard] = {}
        self._seed, self._problem, self._notes = 0, "", tuple[str, ...]()
        self._people: dict[int, int] = {}
        self._messages: list[str] = []
        self._stale = False
        self._info: VideoInfo | None = None
        self._candidate = upload.folder / f"candidate{upload.path.suffix}"
        self.view: dict[str, Any] = {"frames": 0}
        self.faces: Sequence[dict[str, Any]] = ()

    def check(self, corrections: Sequence[Correction]) -> None:
        checks.check(corrections, len(self.faces))
        for correction in corrections:
            if correction.face is not None and not self.faces[correction.face]["shown"]:
                raise CorrectionError(f"there is no track {correction.face}")
            if correction.action == "again" and self._engine.options.method != "attgan":
                raise CorrectionError("new faces need the method attgan")
            if correction.box_xyxy is not None:
                if correction.frame >= self.view["frames"]:
                    raise CorrectionError(f"there is no frame {correction.frame}: the film has {self.view['frames']}")
                width, height = self.view["size_wh"]
                if why := known.why_not(correction.box_xyxy, (width, height)):
                    raise CorrectionError(why)

    def process(self, progress: Progress) -> None:
        progress("reading", 0, 0)
        with Reader(self._upload.path) as film:
            self._info = info = film.info
            self._check_size(info)
            self._seed = self._upload.file_seed
            editor = RecordingEditor(self._engine, self._seed)
            editor.record, editor.time_base = self._record, float(info.time_base)
            frames = edited(film, self._engine, editor, info.size_hw, float(info.rate))
            self._write(film, frames, progress)
            self._problem = film.problem
        self._people = {t.track: t.person for t in editor.tracks}
        self._show(editor.tracks)

    def _check_size(self, info: VideoInfo) -> None:
        height, width = info.size_hw
        if height * width > self._limits.film_pixels:
            raise VideoReadError(f"{self._upload.name}: {width} x {height} is more than {self._limits.film_pixels} pixels, the limit")
        seconds = info.n_frames / float(info.rate)
        if seconds > self._limits.duration_s:
            raise VideoReadError(f"{self._upload.name}: {seconds:.0f} s is longer than {self._limits.duration_s:.0f} s, the limit")

    def _write(self, film: Reader, frames: Generator[EditedFrame[Frame], None, None], progress: Progress) -> None:
        """Write the film as it would be saved, and keep what is shown of it."""
        info, most = film.info, self._limits.duration_s * float(film.info.rate)
        sound = self._upload.path if info.audio else None
        done = 0
        with Writer(self._candidate, info, sound, True, film.origin_s, film.end_s) as writer, contextlib.closing(frames):
            for frame in frames:
                writer.put(frame.frame, frame.image, frame.touched)
                self._keep(frame)
                done += 1
                progress("new faces", done, max(done, info.n_frames) if info.n_frames else 0)
                if done > most + 1:
                    raise VideoReadError(f"{self._upload.name} is longer than {self._limits.duration_s:.0f} s, the limit")
        if not done:
            raise VideoReadError(f"cannot read {self._upload.name}: expected at least one frame of video, got none")
        self._notes = (*film.notes(), *writer.notes)

    def _keep(self, done: EditedFrame[Frame]) -> None:
        """Stills of a frame, and of the faces that it shows best."""
        index = done.frame.index
        wanted, gone = (index in self._stills.indices, list[int]()) if self.view["frames"] else self._stills.take(index)
        for old in gone:
            for side in ("before", "after"):
                (self._upload.folder / f"{side}-{old}.jpg").unlink(missing_ok=True)
        best = self._best_here(index)
        if not wanted and not best:
            return
        before = done.frame.rgb()
        after = before if done.image is None else done.image
        if wanted:
            self._put(f"before-{index}.jpg", still(before))
            self._put(f"after-{index}.jpg", still(after))
        for track, box in best:
            self._put(f"face-{track}-before.jpg", thumbnail(before, box))
            self._put(f"face-{track}-after.jpg", thumbnail(after, box))

    def _best_here(self, index: int) -> list[tuple[int, Any]]:
        """The tracks that this frame shows best, so far."""
        for track, views in self._record.portraits.get(index, {}).items():
            self._nominate(track, views)
        here = {face.track: face.detection for face in self._record.faces[index]}
        for track, detection in here.items():
            self._nominate(track, [(index, detection)] if track not in self._cards or self._cards[track].portrait is None else [])
        return [
            (t, card.portrait[1].box_xyxy) for t, card in self._cards.items() if card.portrait is not None and card.portrait[0] == index
        ]

    def _nominate(self, track: int, views: Iterable[tuple[int, Detection]]) -> None:
        card = self._cards.setdefault(track, TrackCard(track, "detector"))
        for index, detection in views:
            value = clarity(detection)
            if card.portrait is None or value > card.portrait[2]:
                card.portrait = (index, detection, value)

    def _put(self, name: str, data: bytes) -> None:
        atomic.write(data, self._upload.folder / name, overwrite=True)

    def correct(self, corrections: Sequence[Correction], progress: Progress) -> None:
        self._messages, self._stale = [], True
        for correction in corrections:
            if correction.action == "draw":
                assert correction.box_xyxy is not None
                self._draw(correction.frame, np.array(correction.box_xyxy), "drawn", progress)
            else:
                self._decide(correction)
        self._render(progress)

    def _decide(self, correction: Correction) -> None:
        assert correction.face is not None
        card = self._cards[correction.face]
        turn = card.turn + (correction.action == "again")
        # A person has one new face: it changes in all of the person's tracks.
        same_person = [card]
        if correction.action == "again":
            same_person = [c for c in self._cards.values() if self._person(c.track) == self._person(card.track)]
        for each in same_person:
            each.decision = Decision(correction.action, correction.method, correction.strength)  # type: ignore[arg-type]
            each.turn, each.note = turn, ""
            if correction.action == "again":
                self._record.confirm(each.track)

    def _person(self, track: int) -> int:
        return self._people.get(track, -1 - track)

    def _draw(self, index: int, box: Any, origin: str, progress: Progress) -> None:
        """Follow a face that was missed, both ways."""
        for face in self._record.faces[index]:
            if face.track not in self._left() and geometry.box_iou(face.detection.box_xyxy, box)[0, 0] > SAME_TRACK:
                self._messages.append(f"the face that was drawn in frame {index} is track {face.track}: decide on its card")
                return
        progress("following the drawn face", 0, 0)
        track = max(self._record.n_tracks, len(self._cards))
        refiner = FaceRefiner(device=self._engine.options.device)
        with Reader(self._upload.path) as film, contextlib.closing(ahead(film, _DEPTH, "read")) as frames:
            drawn = follow(self._watched(frames, progress), index, box, track, float(film.info.rate), refiner)
        if self._record.add(drawn, self._left()):
            self._cards[track] = TrackCard(track, origin)

    def _watched(self, frames: Iterable[Frame], progress: Progress) -> Iterator[Frame]:
        for frame in frames:
            progress("following the drawn face", frame.index, self.view["frames"])
            yield frame

    def _left(self) -> list[int]:
        return [t for t, card in self._cards.items() if card.decision.leaves]

    def _choices(self) -> dict[int, Choice]:
        """What the decisions mean for the editor; everybody else keeps the face that was drawn first."""
        choices = {}
        for track, card in self._cards.items():
            person = self._people.get(track)
            seed = levels.face_seed(self._seed, track if person is None else person, card.turn) if card.turn else None
            if seed is None and person is not None:
                seed = seeds.seed_of(self._seed, person)
            covers = levels.chosen_covers(self._engine, card.decision) if card.decision.action == "cover" else ()
            choices[track] = Choice(card.decision.leaves, covers, seed)
        return choices

    def _render(self, progress: Progress) -> None:
        """Edit the film again, without searching it."""
        with Reader(self._upload.path) as film:
            editor: FilmEditor[Frame] = FilmEditor(self._engine, self._seed, self._choices(), float(film.info.rate))
            found = ahead(self._record.replay(ahead(film, _DEPTH, "read")), _DEPTH, "replay")
            self._write(film, ahead(_edited(found, editor), _DEPTH, "edit"), progress)
        self._show(editor.tracks)
        self._stale = False

    def save(self, progress: Progress) -> None:
        if self._stale:
            self._render(progress)
        for _ in range(_ROUNDS):
            if not self._last_look(progress):
                self._candidate.replace(self._upload.result)
                return
            self._render(progress)
        raise DetectionError(f"faces are still exposed after {_ROUNDS} rounds")

    def _last_look(self, progress: Progress) -> bool:
        """Whether the film as it would be saved shows a face that nobody left and nothing was done to."""
        assert self._info is not None
        looks, step = search.build(self._engine.options), max(1, round(_LOOK_S * float(self._info.rate)))
        exposed: list[tuple[int, Detection]] = []
        with Reader(self._candidate) as film:
            for frame in film:
                if frame.index % step or frame.index >= len(self._record.faces):
                    continue
                progress("last detection", frame.index, self.view["frames"])
                exposed += [(frame.index, d) for d in self._exposed(frame.index, frame.rgb(), looks)]
        for index, detection in exposed:
            # What the first of them leads to may be the others as well.
            faces = frames_of(self._record.faces[index], ())[0]
            if not same(detection, faces):
                self._draw(index, detection.box_xyxy, "last detection", progress)
        return bool(exposed)

    def _exposed(self, index: int, image: Image, looks: search.Search) -> list[Detection]:
        edited_here, left = frames_of(self._record.faces[index], self._left())
        touched, reach = np.zeros(image.shape[:2], bool), 1 + 2 * self._engine.options.margin
        for detection in edited_here:
            rows, columns = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, reach), (image.shape[0], image.shape[1]))
            touched[rows, columns] = True
        sure = [d for d in looks.all(image) if d.score >= self._engine.options.track_score]
        return [d for d in known.exposed(sure, touched) if not same(d, left)]

    def _show(self, tracks: Sequence[TrackSummary]) -> None:
        """Update what the page shows."""
        assert self._info is not None
        for summary in tracks:
            self._cards.setdefault(summary.track, TrackCard(summary.track, "detector")).summary = summary
        height, width = self._info.size_hw
        stills = self._stills.indices
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
        # Numbers of tracks have gaps where the finder joined two; the list must not.
        self.faces = tuple(self._told(self._cards.get(t, TrackCard(t, "joined"))) for t in range(max(self._cards, default=-1) + 1))

    def _told(self, card: TrackCard) -> dict[str, Any]:
        summary, rate = card.summary, float(self._info.rate) if self._info else 25.0
        plain = summary.to_dict() if summary is not None else {}
        times = self._record.times_s
        begin = 0.0 if summary is None else times[summary.first] - times[0]
        end = 0.0 if summary is None else times[min(summary.last, len(times) - 1)] - times[0]
        most = "" if summary is None or not summary.methods else summary.methods.most_common(1)[0][0]
        return {
            "face": card.track,
            "shown": summary is not None,
            "origin": card.origin,
            "score": 0.0 if summary is None else round(summary.score, 4),
            "seconds": [round(begin, 3), round(end, 3)],
            "portrait": None if card.portrait is None else card.portrait[0],
            "decision": card.decision.to_dict(),
            "done": named(card.decision, most, card.decision.strength),
            "doubts": _doubts(summary, card.decision, rate, self._engine.options.method),
            "note": card.note,
            "now": plain,
        }

    def boxes(self) -> BoxedFile:
        gone, kept = ({t for t, c in self._cards.items() if c.decision.action == action} for action in ("not_a_face", "keep"))
        width, height = self.view["size_wh"]
        return self._record.boxed(self._upload.name, (width, height), gone, kept)

    def report(self) -> dict[str, Any]:
        told = [face for face in self.faces if face["shown"]]
        return {
            "input": self._upload.name,
            "kind": self.kind,
            "seed": self._upload.seed,
            "frames": self.view["frames"],
            "tracks": told,
            "kept": [_brief(face) for face in told if face["decision"]["action"] == "keep"],
            "not_faces": [_brief(face) for face in told if face["decision"]["action"] == "not_a_face"],
            "problem": self._problem or None,
            "notes": list(self._notes),
        }


def _brief(face: dict[str, Any]) -> dict[str, Any]:
    return {"face": face["face"], "seconds": face["seconds"]}


def _box(face: Any) -> list[Any]:
    return [face.track, *(round(float(v), 1) for v in face.detection.box_xyxy), face.state]


def _edited(found: Generator[FoundFrame[Frame], None, None], editor: FilmEditor[Frame]) -> Iterator[EditedFrame[Frame]]:
    with contextlib.closing(found):
        for frame in found:
            yield editor.edit(frame)


def _doubts(summary: TrackSummary | None, decision: Decision, rate: float, method: str) -> list[str]:
    """Why a track is worth a person's look; nothing once a person has decided."""
    if summary is None or decision.action != "restore":
        return []
    n, found = max(1, sum(summary.states.values())), []
    if summary.score < _UNSURE:
        found.append(f"the detector is never surer than {summary.score:.2f}")
    if n < _SHORT_S * rate:
        found.append(f"short: {n / rate:.1f} s")
    covered = sum(count for name, count in summary.methods.items() if name not in (method, LEFT))
    if method == "attgan" and covered:
        found.append(f"covered in {covered / n:.0%} of its frames")
    if (seen := summary.states["seen"] / n) < _SEEN:
        found.append(f"lost: seen in {seen:.0%} of its frames")
    return found
