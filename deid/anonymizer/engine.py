"""The order of the steps, and the ladder of ever harder edits that a face climbs until the gate lets it pass."""

import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deid import weights
from deid.anonymizer import fallback
from deid.anonymizer.fallback import Proposal, Rung, name_of
from deid.anonymizer.identities import RECOGNISABLE, People, Person
from deid.compositing import blend, head
from deid.core.attributes import ATTRIBUTES, CROP_SIZE
from deid.core.errors import ConfigError, DeidError, DetectionError, EditError
from deid.core.options import Options
from deid.core.protocols import Detector, Editor, Embedder
from deid.core.temporal import Steady
from deid.core.types import AlignedFace, Detection, EditedFace, FaceResult, Image, ImageResult, Verification, check_image
from deid.detection import build_detector
from deid.detection.mtcnn import MtcnnDetector
from deid.editing.attgan import AttganEditor
from deid.editing.portraits import Looks, Portraits
from deid.editing.sampler import MIX, SET_SIZE, named, portraits_of, sample_sets, sample_shares, with_portraits, without_portraits
from deid.editing.selector import Selector
from deid.imaging import geometry
from deid.imaging.alignment import align, at_photo_scale, is_profile, warp
from deid.landmarks.face_points import FacePoints
from deid.models.threads import SideBySide
from deid.recognition import build_embedder
from deid.recognition.age import AgeReader
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.verification.gate import Gate, RealismScorer, SourceFace, utility

#: So many of the best proposals of a rung are shown to the detector.
_CONFIRMED = 4
#: A face of which less lies inside the photo is covered.
_LEAST_INSIDE = 0.75
#: A detection counts as edited when this share of its middle was.
_LEAST_TOUCHED = 0.6
#: From this score a face is one without a second look. On 1190 LFW photos that takes nine looks in ten away; of the seven finds that
#: a second look did not confirm, among 1332, the surest had 0.998.
_CERTAIN = 0.999
#: Of the portraits that a picture's faces may have, each face reserves no more than its part of this share.
_SHARED_OUT = 0.4
#: Why a face is covered that every portrait is too unlike, or that came when others had taken all.
_NO_PORTRAIT = "no portrait is left for it"
_EMPTY_SET = np.zeros((1, len(ATTRIBUTES)), np.float32)
#: How often the whole photo is looked at again for faces that are still exposed.
_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What a film knows of a face from other frames.

    Args:
        shape: (68, 2) its landmarks in this frame, smoothed over time.
        steady: what keeps its new face from flickering.
    """

    shape: NDArray[np.float64]
    steady: Steady


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """The part of a photo that an edit touched, and where in it."""

    place: tuple[slice, slice]
    pixels: Image
    touched: NDArray[np.bool_]

    @classmethod
    def of(cls, image: Image, touched: NDArray[np.bool_]) -> "_Patch":
        """From a whole photo (H, W, 3), and where it was touched (H, W): of a photo with a hundred faces no hundred copies are kept."""
        rows, columns = (np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0))
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else np.s_[:0, :0]
        return cls(place, image[place].copy(), touched[place].copy())

    def lay(self, image: Image, touched: NDArray[np.bool_]) -> None:
        """Lay it over a photo and a map of what was touched, in place."""
        image[self.place][self.touched] = self.pixels[self.touched]
        touched[self.place] |= self.touched


@dataclass(frozen=True, slots=True, eq=False)
class _Pasted:
    """The aligned crop of a face as it looks in the photo now, and what the gate says of it."""

    crop: Image
    edited: EditedFace
    check: Verification
    rung: Rung


@dataclass(slots=True, eq=False)
class _Face:
    """A face on its way up the ladder; it never climbs down."""

    source: SourceFace
    matrix: NDArray[np.float64]
    seed: int
    rungs: Iterator[Rung]
    why: list[str]
    looks: Looks | None = None
    stand_ins: list[NDArray[np.float32]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    person: Person | None = None
    n_tried: int = 0
    tracked: Tracked | None = None
    pasted: _Pasted | None = None

    @property
    def detection(self) -> Detection:
        return self.source.detection


class Anonymizer:
    """Takes the people out of pictures.

    Models load once, on first use; one instance may be used from several threads.

    Args:
        options: how; the defaults when None.
        detector: finds faces in place of the one that the options name.
        editor: proposes new faces in place of AttGAN.
        embedders: judge identity in place of the ones that the options name; at least one.
        selector: chooses among stand-ins and attribute sets in place of the shipped one. With an editor of your own and no selector,
            both are drawn; an editor without portraits has nothing to choose from.

    Raises:
        ConfigError: an option has no such value.

    Example:
        >>> result = Anonymizer(Options(seed=7)).process(image)
        >>> [(face.method, face.status) for face in result.faces]
        [('attgan', 'passed')]
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        detector: Detector | None = None,
        editor: Editor | None = None,
        embedders: Sequence[Embedder] | None = None,
        selector: Selector | None = None,
    ) -> None:
        self.options = options or Options()
        self._own_detector, self._own_editor, self._own_embedders = detector, editor, embedders
        self._own_selector = selector
        self._parts: dict[str, Any] = {}
        self._lock = threading.RLock()

    def _once(self, name: str, build: Callable[[], Any]) -> Any:
        """A part, built on first use."""
        with self._lock:
            if name not in self._parts:
                self._parts[name] = build()
            return self._parts[name]

    @property
    def detector(self) -> Detector:
        """What finds the faces."""
        options = self.options
        found: Detector = self._once(
            "detector", lambda: self._own_detector or build_detector(options.detector, options.min_face, options.device)
        )
        return found

    @property
    def _second_detector(self) -> Detector:
        """What looks for exposed faces in the result: one quick look with another pyramid, for what was not edited looks as it did."""
        options = self.options
        found: Detector = self._once("second", lambda: self._own_detector or build_detector("mtcnn_fast", options.min_face, options.device))
        return found

    @property
    def editor(self) -> Editor:
        """What proposes new faces."""
        editor: Editor = self._once("editor", self._build_editor)
        return editor

    def _build_editor(self) -> Editor:
        options = self.options
        if self._own_editor:
            return self._own_editor
        bank = Portraits(weights.read_bank(Path(options.portraits))) if options.portraits else None
        return AttganEditor(options.device, bank, on_face=options.stand_in == "none")

    @property
    def _bank(self) -> Portraits | None:
        """The portraits that stand in; None where nothing needs them."""
        if self.options.method != "attgan" or not isinstance(self.editor, AttganEditor) or self.editor.on_face:
            return None
        return self.editor.bank

    @property
    def selector(self) -> Selector | None:
        """What chooses among stand-ins and attribute sets; None where they are drawn."""
        if self._own_editor or self._bank is None:
            return self._own_selector
        selector: Selector = self._once("selector", lambda: self._own_selector or Selector())
        return selector

    @property
    def _people(self) -> People:
        people: People = self._once("people", lambda: People(self.gate.embedders))
        return people

    @property
    def gate(self) -> Gate:
        """What lets edited faces pass."""
        gate: Gate = self._once("gate", self._build_gate)
        return gate

    def _build_gate(self) -> Gate:
        device = self.options.device
        embedders = self._own_embedders or [build_embedder(name, device) for name in self.options.embedders]
        # A face fills the patch that is looked at: a coarse pyramid is enough, at MTCNN's usual thresholds.
        again = MtcnnDetector(min_face=40, device=device)
        return Gate(embedders, again, self.options, AttributeReader(device), RealismScorer(device))

    @property
    def _threads(self) -> SideBySide:
        # Of somebody's own parts nothing says that they bear to be called from several threads.
        own = self._own_detector or self._own_editor or self._own_embedders or self._own_selector
        threads: SideBySide = self._once("threads", lambda: SideBySide(1 if own else torch.get_num_threads()))
        return threads

    @property
    def _ages(self) -> AgeReader:
        ages: AgeReader = self._once("ages", AgeReader)
        return ages

    @property
    def _points(self) -> FacePoints:
        points: FacePoints = self._once("points", FacePoints)
        return points

    def preload(self) -> None:
        """Load every model now, so that a missing or altered file is told before the first picture.

        Raises:
            ConfigError: torch has no such device.
            WeightsError: a file is missing, altered, or of another architecture.
            DependencyError: a package is missing.
        """
        try:
            torch.zeros(1, device=self.options.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"cannot use device {self.options.device!r}: {str(error).splitlines()[0]}") from error
        blank = np.full((128, 128, 3), 127, np.uint8)
        self.detector.detect(blank)
        self._second_detector.detect(blank)
        source = self.gate.source(blank, Detection(np.array([30.0, 30.0, 98.0, 98.0])))
        self.gate.judge(source, blank)
        self._points.points(blank)
        if isinstance(self.editor, AttganEditor) and self.options.method == "attgan":
            self.editor.preload()
        if self.selector is not None and self.options.method == "attgan":
            _ = self.selector.model

    def process(
        self,
        image: Image,
        detections: Sequence[Detection] | None = None,
        seed: int | None = None,
        ladders: Sequence[Sequence[Rung]] | None = None,
        tracked: Sequence[Tracked] | None = None,
    ) -> ImageResult:
        """Anonymise one picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            detections: faces that are known already; the detector is then asked for no others. One that lies wholly outside
                the picture is left out.
            seed: for reproducible output; the options' one when None, and a fresh one when that is None too.
            ladders: the way up for each of the detections, in place of the options' one; the last rung must be a solid cover.
            tracked: in a film, what is known of each of the detections from other frames.

        Returns:
            A new picture and what became of each face. Every detected face has been edited or covered.

        Raises:
            ValueError: the image is none.
            DetectionError: the detector failed.
            EditError: an editor failed. There is no picture then.
        """
        check_image(image)
        seed = next(s for s in (seed, self.options.seed, secrets.randbits(63)) if s is not None)
        with self._people.lock if self.options.consistency == "dataset" else nullcontext():
            return self._process(image, detections, seed, ladders, tracked)

    def _process(
        self,
        image: Image,
        detections: Sequence[Detection] | None,
        seed: int,
        ladders: Sequence[Sequence[Rung]] | None,
        tracked: Sequence[Tracked] | None,
    ) -> ImageResult:
        found = self._detect(self.detector, image) if detections is None else [d for d in detections if _share_inside(d, image) > 0]
        given = {id(d): rungs for d, rungs in zip(detections or (), ladders, strict=True)} if ladders is not None else {}
        known = {id(d): t for d, t in zip(detections or (), tracked, strict=True)} if tracked is not None else {}
        faces: list[_Face] = []
        out, touched = image.copy(), np.zeros(image.shape[:2], bool)
        for _ in range(_ROUNDS):
            largest_first = enumerate(sorted(found, key=lambda d: -d.size), len(faces))
            new = self._threads.starmap(
                self._start, [(image, d, seed, index, given.get(id(d)), known.get(id(d))) for index, d in largest_first]
            )
            for face in new:
                if ladders is None:
                    self._recognise(face, [f.person for f in faces if f.person])
                faces.append(face)
            if ladders is None:
                self._reserve(new, faces)
            for together in _apart(new, self.options):
                self._climb_together(together, out, touched)
            # A later paste may have changed an earlier face, and mending that one a third.
            while changed := [face for face in faces if not self._still_passes(face, out)]:
                for face in changed:
                    self._climb_together([face], out, touched)
            if detections is not None:
                break
            found = [d for d in self._detect(self._second_detector, out) if _share_touched(d, touched) < _LEAST_TOUCHED]
            if not found:
                break
        else:
            raise DetectionError(f"{len(found)} faces are still detected exposed after {_ROUNDS} rounds")
        if ladders is None:
            self._remember(faces)
        return ImageResult(out, tuple(self._result(face) for face in faces), seed)

    def process_crop(self, crop: Image, seed: int | None = None) -> ImageResult:
        """Anonymise a picture that one face fills, such as another detector's crop; the whole of it counts as the face
        where the detector finds none."""
        h, w = check_image(crop).shape[:2]
        whole = Detection(np.array([0.0, 0.0, w, h]), 1.0, None, "crop")
        found = self._detect(self.detector, crop)
        return self.process(crop, [max(found, key=lambda d: d.size)] if found else [whole], seed)

    def _detect(self, detector: Detector, image: Image) -> list[Detection]:
        try:
            found = detector.detect(image)
        except DeidError:
            raise
        except Exception as error:
            raise DetectionError(f"{name_of(detector)} failed: {error}") from error
        if not isinstance(found, list) or not all(isinstance(d, Detection) for d in found):
            raise DetectionError(f"expected a list of Detection from {name_of(detector)}, got {type(found).__name__}")
        return [d for d in found if _share_inside(d, image) > 0]

    def choose(self, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Rung] = ()) -> Rung | None:
        """Draw a new face for one person that the gate lets pass in several pictures.

        Args:
            views: (H, W, 3) uint8 RGB pictures with the person's face in each, the best one first.
            seed: what stand-ins and attribute sets are drawn from.
            taken: rungs of other people, whose portraits are not used again.

        Returns:
            The rung with the stand-in and the attribute set that pass in the first picture and in most of the others; of several, the
            ones with the best realism and distance in the first. None when there are none, or every face is too small, cut or doubtful:
            the person is to be covered.
        """
        views = [(image, d) for image, d in views if not self._doubt(image, d)]
        if not views:
            return None
        face = self._start(*views[0], seed, 0)
        others = {i for rung in taken if rung.sets is not None for i in portraits_of(rung.sets[0])[0]}
        self._reserve([face], [face], others)
        aligned, mask = self._prepared(views[0][0], face)
        for rung in fallback.rungs(self.options, self.editor):
            if not rung.pastes_face:
                break
            rng = np.random.default_rng([face.seed, rung.round])
            sets, expected = self._sets(rung, face, rng)
            if not len(sets):
                continue
            proposals = rung.propose(aligned, sets, mask)
            for i in self._promising(proposals, face.source, expected):
                fixed = replace(rung, n_sets=1, sets=sets[i : i + 1])
                passed = [self._passes(fixed, *view) for view in views]
                if passed[0] and 2 * sum(passed) > len(passed):
                    return replace(fixed, settled=len(passed) > 1)
        return None

    def _reserve(self, new: Sequence[_Face], faces: Sequence[_Face], taken: Collection[int] = ()) -> None:
        """Draw the stand-ins that each new face may get: two people in a picture never share a portrait.

        Args:
            new: faces without stand-ins, the first ones first served.
            faces: all of the picture, these among them.
            taken: numbers that others have.
        """
        bank = self._bank
        if bank is None:
            return
        known = [face.person.rung.sets[0] for face in faces if face.person is not None and face.person.rung.sets is not None]
        used = {*taken, *(i for row in [*known, *(r for face in faces for r in face.stand_ins)] for i in portraits_of(row)[0])}
        wanting = [face for face in new if face.looks is not None and face.person is None]
        budget = self.options.budget
        most = budget.generated * (budget.rounds + 1)
        share = int(_SHARED_OUT * bank.n_pictures / (MIX * max(1, len(wanting))))
        draws = [(face, np.random.default_rng([face.seed, 0])) for face in wanting]
        # In turns: what suits a face best goes to none as its third choice.
        for _ in range(max(1, min(most, share))):
            for face, rng in draws:
                assert face.looks is not None
                numbers = bank.choose(face.looks, rng, used)
                if numbers:
                    used.update(numbers)
                    face.stand_ins.append(with_portraits(_EMPTY_SET, numbers, sample_shares(rng, len(numbers)))[0])
        for face in wanting:
            if not face.stand_ins:
                face.rungs, face.why = fallback.covers(self.options), [_NO_PORTRAIT]

    def _sets(self, rung: Rung, face: _Face, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The rows that a rung generates for a face, and what to expect of each: its own, or new ones, none where no portrait is left."""
        if rung.sets is not None:
            return rung.sets, np.ones(len(rung.sets))
        male, bank = face.source.male > 0.5, self._bank
        if bank is None:
            return without_portraits(sample_sets(male, rung.n_sets, rng, rung.strength)), np.ones(rung.n_sets)
        if not face.stand_ins or face.looks is None:
            return np.zeros((0, SET_SIZE), np.float32), np.ones(0)
        if len(face.used) == len(face.stand_ins):
            face.used.clear()
        free = [i for i in range(len(face.stand_ins)) if i not in face.used]
        rows = np.repeat([face.stand_ins[i] for i in free], rung.n_proposals, axis=0)
        rows[:, : len(ATTRIBUTES)] = sample_sets(male, len(rows), rng, rung.strength)
        value = np.ones(len(rows)) if self.selector is None else self.selector.judge(face.looks, bank, rows).value
        # At most one of a stand-in: two sets on one portrait make two faces that are much alike.
        best = [group[value[group].argmax()] for group in np.array_split(np.arange(len(rows)), len(free))]
        chosen = sorted(best, key=lambda i: -value[i])[: rung.n_sets]
        face.used.update(free[i // rung.n_proposals] for i in chosen)
        return rows[chosen], value[chosen]

    def _by_dlib(self, source: SourceFace, crop: Image) -> NDArray[np.float32] | None:
        """Who a face is, whatever the gate's embedders are; None where nothing asks."""
        if self._bank is None:
            return None
        for embedder, rows in zip(self.gate.embedders, source.embeddings, strict=True):
            if isinstance(embedder, DlibResNetEmbedder):
                return np.asarray(rows[0])
        dlib: DlibResNetEmbedder = self._once("dlib", lambda: DlibResNetEmbedder(self.options.device))
        return np.asarray(dlib.embed(crop[None])[0])

    def _promising(
        self, proposals: Sequence[Proposal], source: SourceFace, expected: NDArray[np.float64], settled: bool = False
    ) -> list[int]:
        """Which of a rung's proposals are worth judging in the photo, the best first: at least one.

        What was measured and what the selector expected count together, for it was taught by one recogniser more than the gate has.
        """
        if len(proposals) == 1:
            return [0]
        checks = self.gate.measure(source, np.stack([p.blended for p in proposals]), settled)

        def value(i: int) -> tuple[bool, float]:
            distance = min((d.value / d.threshold for d in checks[i].distances), default=0.0)
            # An editor of its own mind may propose more than it was asked for.
            worth = float(utility(distance, checks[i].realism or 0.0)) * proposals[i].fit
            return checks[i].passed, worth * expected[min(i, len(expected) - 1)]

        best = sorted(range(len(checks)), key=value, reverse=True)[:_CONFIRMED]
        return [i for i in best if checks[i].passed] or best[:1]

    def _prepared(self, image: Image, face: _Face) -> tuple[AlignedFace, NDArray[np.float32]]:
        """A face with all that editors ask, and how much of a small crop a new one will take."""
        crop = warp(image, face.matrix)
        points = self._points.points(crop) if face.tracked is None else geometry.apply(face.matrix, face.tracked.shape)
        large = at_photo_scale(image, face.matrix)
        steady = None if face.tracked is None else face.tracked.steady
        aligned = AlignedFace(crop, face.matrix, face.detection, points, large, face.source.attributes, steady)
        return aligned, blend.face_mask(points, crop=crop)

    def _passes(self, rung: Rung, image: Image, detection: Detection) -> bool:
        """Whether a chosen face passes in a picture, with the detector's word."""
        face = self._start(image, detection, 0, 0, [rung])
        return self._new_face(face, rung, image)[0].check.passed

    def landmarks(self, image: Image, detection: Detection) -> NDArray[np.float64]:
        """The 68 landmarks (68, 2) of a face, in pixels of the picture (H, W, 3)."""
        aligned = align(image, detection)
        return geometry.apply(geometry.invert(aligned.matrix), self._points.points(aligned.crop))

    def _start(
        self,
        image: Image,
        detection: Detection,
        seed: int,
        index: int,
        given: Sequence[Rung] | None = None,
        tracked: Tracked | None = None,
    ) -> _Face:
        """A face at the foot of its ladder."""
        if detection.landmarks is not None and not _in_box(detection.landmarks.mean(axis=0), detection):
            # Another face's landmarks: the edit would land there and leave this box exposed.
            detection = replace(detection, landmarks=None)
        aligned = align(image, detection)
        source = self.gate.source(aligned.crop, detection)
        face_seed = int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
        if given is not None:
            return _Face(source, aligned.matrix, face_seed, iter(given), [], tracked=tracked)
        doubt = self._doubt(image, detection) if self.options.method == "attgan" else ""
        if doubt:
            return _Face(source, aligned.matrix, face_seed, fallback.covers(self.options), [doubt])
        rungs = fallback.rungs(self.options, self.editor)
        return _Face(source, aligned.matrix, face_seed, rungs, [], self._looks(source, aligned.crop))

    def _looks(self, source: SourceFace, crop: Image) -> Looks | None:
        """What a portrait for a face must look like; None where none is needed."""
        embedding = self._by_dlib(source, crop)
        if embedding is None:
            return None
        child = float(self._ages.child(embedding[None])[0])
        return Looks.of(crop, self._points.points(crop), source.attributes, embedding, source.male, child)

    def _recognise(self, face: _Face, present: Sequence[Person]) -> None:
        """Give somebody of an earlier picture the same new face; who is present already is not taken for another face's person."""
        if not face.why and self._is_known_again(face.detection):
            face.person = self._people.find(face.source.embeddings, present)
            if face.person is not None:
                face.rungs = fallback.kept(face.person.rung, self.options, self.editor)

    def _is_known_again(self, detection: Detection) -> bool:
        """Whether a face is to be the same person's as in earlier pictures, and is seen well enough for that."""
        options = self.options
        return options.consistency == "dataset" and options.method == "attgan" and detection.size >= RECOGNISABLE

    def _remember(self, faces: Sequence[_Face]) -> None:
        """Keep the new faces of people who were not known before, for the next picture."""
        for face in faces:
            pasted = face.pasted
            if pasted and pasted.rung.pastes_face and face.person is None and self._is_known_again(face.detection):
                sets = None if pasted.edited.attributes is None else pasted.edited.attributes[None]
                self._people.add(face.source.embeddings, replace(pasted.rung, n_sets=1, sets=sets))

    def _doubt(self, image: Image, detection: Detection) -> str:
        """Why a face should be covered and not replaced, or nothing."""
        options, inside = self.options, _share_inside(detection, image)
        if detection.score < options.edit_score:
            return f"score {detection.score:.2f} < {options.edit_score:.2f}"
        if detection.size < options.min_edit_size:
            return f"size {detection.size:.0f} px < {options.min_edit_size:.0f} px"
        if is_profile(detection):
            return "the face is seen from the side"
        if inside < _LEAST_INSIDE:
            return f"only {inside:.0%} of the face lies inside the picture"
        if detection.score < _CERTAIN and (iou := self.gate.find_again(image, detection)[0]) < options.min_iou:
            return f"a second look finds no face there: IoU {iou:.2f} < {options.min_iou:.2f}"
        return ""

    def _climb_together(self, faces: Sequence[_Face], out: Image, touched: NDArray[np.bool_]) -> None:
        """Edit faces that lie apart, at the same time, in a photo and the map of what was touched in it, in place."""
        for patch in self._threads.starmap(self._climb, [(face, out) for face in faces]):
            patch.lay(out, touched)

    def _climb(self, face: _Face, out: Image) -> _Patch:
        """Edit one face harder and harder until it passes; the last rung, a solid cover, always does."""
        for rung in face.rungs:
            if self._lacks_portrait(face, rung):
                face.why += [_NO_PORTRAIT] if _NO_PORTRAIT not in face.why else []
                continue
            face.n_tried += 1
            face.pasted, patch = self._new_face(face, rung, out) if rung.pastes_face else self._cover(face, rung, out)
            if face.pasted.check.passed or rung.last:
                return patch
            face.why.append(f"{face.pasted.edited.method} x{rung.strength:g}: {'; '.join(face.pasted.check.reasons)}")
        raise EditError("the ladder ended without a cover")

    def _lacks_portrait(self, face: _Face, rung: Rung) -> bool:
        """Whether a rung would have nothing to edit: somebody's own ladder, of a face that has no portraits."""
        return rung.pastes_face and rung.sets is None and not face.stand_ins and self._bank is not None

    def _new_face(self, face: _Face, rung: Rung, out: Image) -> tuple[_Pasted, _Patch]:
        """The best of a rung's proposals that passes, or the best of those that don't."""
        # The crop is taken from the result so far: a neighbour that was edited must not come back at its edge.
        aligned, mask = self._prepared(out, face)
        rng = np.random.default_rng([face.seed, face.n_tried])
        sets, expected = self._sets(rung, face, rng)
        proposals = rung.propose(aligned, sets, mask)
        best: tuple[_Pasted, _Patch] | None = None
        for i in self._promising(proposals, face.source, expected, rung.settled):
            image, touched = proposals[i].paste(out, face.matrix)
            if self.options.reach == "head":
                assert aligned.points is not None
                image, touched = head.reshape(
                    image, touched, face.matrix, aligned.points, head.Shape.draw(np.random.default_rng(face.seed))
                )
            check = self.gate.judge(face.source, image, rung.settled)
            if (share := _share_touched(face.detection, touched)) < _LEAST_TOUCHED:
                check = replace(check, reasons=(*check.reasons, f"only {share:.0%} of the middle of the box is edited"))
            pasted = _Pasted(warp(image, face.matrix), proposals[i].edited, check, rung), _Patch.of(image, touched)
            best = best or pasted
            if check.passed:
                return pasted
        assert best is not None  # a rung without proposals has raised
        return best

    def _cover(self, face: _Face, rung: Rung, out: Image) -> tuple[_Pasted, _Patch]:
        """A filter over the box and its margin."""
        image, touched, edited = fallback.cover(rung, out, face.detection, self.options.margin)
        crop = warp(image, face.matrix)
        check = self.gate.cover(face.source, image)
        # Under one colour there is nothing left to recognise, whatever an embedder makes of it.
        check = replace(check, reasons=()) if rung.editor.name == "solid" else check
        return _Pasted(crop, edited, check, rung), _Patch.of(image, touched)

    def _still_passes(self, face: _Face, out: Image) -> bool:
        """Whether a face is as it was when the gate let it pass, or passes as it is now."""
        pasted = face.pasted
        crop = warp(out, face.matrix)
        if pasted is None or pasted.rung.last or np.array_equal(crop, pasted.crop):
            return True
        check = self.gate.judge(face.source, out, pasted.rung.settled) if pasted.rung.pastes_face else self.gate.cover(face.source, out)
        face.pasted = replace(pasted, crop=crop, check=check)
        if not check.passed:
            face.why.append(f"{pasted.edited.method} after its neighbours were edited: {'; '.join(check.reasons)}")
        return check.passed

    def _result(self, face: _Face) -> FaceResult:
        pasted = face.pasted
        if pasted is None or not pasted.check.passed:
            raise EditError("a face came through without an edit that passed")
        rung = pasted.rung
        asked = rung.pastes_face if self.options.method == "attgan" else rung.editor.name == self.options.method
        row = pasted.edited.attributes
        attributes = {} if row is None else named(row)
        return FaceResult(
            detection=face.detection,
            method=pasted.edited.method,
            status="passed" if asked else "fallback",
            verification=pasted.check,
            attributes=attributes,
            strength=pasted.edited.strength,
            seed=face.seed,
            why=tuple(face.why),
            portraits=() if row is None or self._bank is None else tuple(portraits_of(row)[0]),
        )


def _apart(faces: Sequence[_Face], options: Options) -> list[list[_Face]]:
    """Groups of faces, those first that come first, in which no edit changes what another one is made from or judged by."""
    reach = {id(face): _reach(face, options) for face in faces}
    groups: list[list[_Face]] = []
    for face in faces:
        free = (g for g in groups if not geometry.box_intersection(np.stack([reach[id(f)] for f in g]), reach[id(face)]).any())
        group = next(free, None)
        if group is None:
            groups.append(group := [])
        group.append(face)
    return groups


def _reach(face: _Face, options: Options) -> NDArray[np.float64]:
    """(4,) box around a face's crop, or around its head where that is changed too, and around what a cover with its margin changes."""
    crop = blend.footprint(face.matrix, np.array([0.0, 0.0, CROP_SIZE, CROP_SIZE]))
    crop = head.reach(face.matrix) if options.reach == "head" else crop
    covered = geometry.expand_box(face.detection.box_xyxy, 1 + 2 * options.margin)
    return np.concatenate([np.minimum(covered[:2], crop[:2]), np.maximum(covered[2:], crop[2:])])


def _share_inside(detection: Detection, image: Image) -> float:
    """Share of a face's box that lies inside the picture."""
    inside = geometry.box_area(geometry.clip_box(detection.box_xyxy, image.shape[:2]))
    return float(inside[0] / geometry.box_area(detection.box_xyxy)[0])


def _in_box(point: NDArray[np.float64], detection: Detection) -> bool:
    return bool((detection.box_xyxy[:2] <= point).all() and (point <= detection.box_xyxy[2:]).all())


def _share_touched(detection: Detection, touched: NDArray[np.bool_]) -> float:
    """Share of the middle of a face's box that was edited."""
    middle = touched[geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, 0.6), touched.shape)]
    return float(middle.mean()) if middle.size else 1.0
