"""Editing of a video's faces: one new face per person, chosen once and kept."""

from collections.abc import Mapping, Sequence
from typing import Generic

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.anonymizer.parts import Engine
from deid.anonymizer.request import EditedRequests, Level, Request, Tracked
from deid.core.types import FaceResult, Image
from deid.imaging import geometry
from deid.imaging.alignment import is_profile
from deid.video.covers import Covers
from deid.video.enrolment import Choice, Enrolment
from deid.video.frames import EditedFrame, FoundFrame, FrameT, TrackedFace
from deid.video.keyframe import FADE_S, KEYFRAME_S, SPEECH_S, Keyframe, light_of
from deid.video.pace import USUAL_RATE
from deid.video.presence import is_alike, view_of
from deid.video.results import LEFT, TrackSummary
from deid.video.roles import Role

#: A face that was lost or turned away while it had a new one stays covered for this many frames: in a dark crowd, faces are detected now
#: and then.
_LOST = 25
#: The cover at the last fallback level.
_HARDEST = "solid"
#: Of a face that is pasted at least this share lies inside the picture.
_LEAST_INSIDE = 0.75


class VideoEditor(Generic[FrameT]):
    """Edits frame after frame of one video.

    Args:
        engine: edits and judges faces.
        seed: what every person's new face is drawn from.
        choices: by track, what a person decided; the other tracks are edited as if there were none.
        rate: frames per second.
    """

    def __init__(self, engine: Engine, seed: int, choices: Mapping[int, Choice] | None = None, rate: float = USUAL_RATE) -> None:
        self._every, self._fade, self._speech = (max(1, round(time_s * rate)) for time_s in (KEYFRAME_S, FADE_S, SPEECH_S))
        self._engine, self._seed = engine, seed
        self._enrolment = Enrolment(engine, seed, choices)
        self._roles, self._covers = self._enrolment.roles, Covers(engine)
        self._index = -1

    @property
    def tracks(self) -> list[TrackSummary]:
        """Summary of every track so far."""
        return [role.summary for role in self._roles.values()]

    @property
    def n_people(self) -> int:
        return self._enrolment.n_people

    def edit(self, found: FoundFrame[FrameT]) -> EditedFrame[FrameT]:
        """Anonymize one frame.

        Raises:
            EditError: an editor failed. There is no frame then.
        """
        self._index += 1
        self._enrolment.enrol(found, self._index)
        if not found.faces and not found.fading:
            return EditedFrame(found.frame, None, None)
        image = found.frame.rgb()
        touched = np.zeros(image.shape[:2], bool)
        wanted = [face for face in found.faces if not self._enrolment.choice(face.track).leave]
        pasted = [face for face in wanted if self._gets_face(face, image)]
        done = self._paste(image, pasted, touched) if pasted else EditedRequests(image.copy(), ())
        for face in wanted:
            if face not in pasted:
                self._covers.lay(face, self._roles[face.track], done, touched)
        for fading in found.fading:
            choice = self._enrolment.choice(fading.face.track)
            if not choice.leave and not choice.covers:
                self._covers.lay_fading(fading, self._roles.get(fading.face.track), done, touched)
        for face in found.faces:
            self._note(face)
        return EditedFrame(found.frame, done.image, touched)

    def _gets_face(self, face: TrackedFace, image: Image) -> bool:
        """Whether the new face is shown in this frame; one that was lost begins to be covered for a while here."""
        role, box = self._roles[face.track], face.detection.box_xyxy
        if role.person.level is None or self._enrolment.choice(face.track).covers:
            return False
        inside = geometry.share_inside(box, image.shape[:2])
        if face.state == "remembered" or inside < _LEAST_INSIDE or is_profile(face.detection):
            if role.shown == self._index - 1:
                role.covered = self._index + _LOST
            return False
        if not self._is_there(face, image):
            # Pasted on what is there now, a new face would hang in the air and come back with the light of that.
            return False
        if self._index <= role.covered or self._index <= min(role.until, role.judged + self._fade - 1):
            return False
        role.shown = self._index
        return True

    def _is_there(self, face: TrackedFace, image: Image) -> bool:
        """Whether a frame shows the face of a track: between two detections its person may have gone."""
        role, view = self._roles[face.track], view_of(image, face.detection.box_xyxy)
        if face.state == "seen":
            role.view = view
        return face.state == "seen" or (role.view is not None and is_alike(role.view, view))

    def _paste(self, image: Image, faces: Sequence[TrackedFace], touched: NDArray[np.bool_]) -> EditedRequests:
        """New faces, each judged by the gate in its keyframes."""
        tracked = self._tracked(image, faces)
        wanted = [Request(face.detection, self._levels(self._roles[face.track]), t) for face, t in zip(faces, tracked, strict=True)]
        done = self._engine.process_requests(image, wanted, self._seed)
        # numpy takes more than twice as long, even channel by channel.
        same = cv2.inRange(cv2.absdiff(done.image, image), (0, 0, 0), (0, 0, 0))
        np.logical_or(touched, same == 0, out=touched)
        for face, known, became in zip(faces, tracked, done.results, strict=True):
            self._learn(self._roles[face.track], known, became)
        return done

    def _learn(self, role: Role, known: Tracked, became: FaceResult) -> None:
        """Keep what the gate said of a face for the frames that follow."""
        if became.why:
            role.level, role.until = role.level + len(became.why), self._index + role.hold
            role.hold *= 2
        if became.method == _HARDEST:
            # When no blur passed the gate, none covers the next frames in which the face is only remembered.
            role.cover = fallback.solid_cover(self._engine.models)
        if became.status != "passed":
            role.judged, role.keyframe = self._index, None
        elif known.check is None and known.source is not None:
            role.keyframe = Keyframe(self._index, known.shape, known.source, became.verification, role.light, known.faded)
        summary = role.summary
        summary.methods[became.method] += 1
        summary.asked |= became.status == "passed"
        if became.verification.distances and became.attributes:
            least = min(d.value / d.threshold for d in became.verification.distances)
            summary.distance = min(least, summary.distance or least)

    def _tracked(self, image: Image, faces: Sequence[TrackedFace]) -> list[Tracked]:
        """What is known of each face from the frames before."""
        return self._engine.models.threads.starmap(self._known, [(image, face) for face in faces])

    def _known(self, image: Image, face: TrackedFace) -> Tracked:
        """The same for one face; one that was away begins anew."""
        role, engine = self._roles[face.track], self._engine
        if role.pasted != self._index - 1:
            role.begin()
        role.pasted = self._index
        shape = role.smooth(engine.landmarks(image, face.detection), image)
        key, role.light = role.keyframe, light_of(image, face.detection.box_xyxy)
        if key is not None and key.holds(self._index, shape, role.light, self._every):
            role.steady.go_on(keyframe=False)
            return Tracked(shape, role.steady, key.source, key.check, key.faded(self._index))
        role.steady.go_on(keyframe=True)
        fade = self._speech if key is not None and key.speaks(shape) else self._fade
        return Tracked(shape, role.steady, engine.models.reader.source(image, face.detection), None, 1 / fade)

    def _levels(self, role: Role) -> list[Level]:
        assert role.person.level is not None
        if self._index > role.until:
            role.level = 0
        levels = list(fallback.levels_after(role.person.level, self._engine.models, self._engine.editor))
        return levels[min(role.level, len(levels) - 1) :]

    def _note(self, face: TrackedFace) -> None:
        summary = self._roles[face.track].summary
        summary.last = self._index
        summary.states[face.state] += 1
        summary.score = max(summary.score, face.detection.score)
        if self._enrolment.choice(face.track).leave:
            summary.methods[LEFT] += 1
