"""Blurred faces: does a network trained on blurred people recognise new people?

Two MobileNetV2 streams, one for sharp and one for blurred photos, are trained with triplets in four ways, and asked how
alike a sharp and a blurred photo of one person are: on other photos of the people that they learned, and on people of
another data set. Beside them stands a recogniser that was trained on sharp photos of many people.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.core.types import Crops, Embeddings
from deid.imaging.alignment import align_matrix, warp
from deid.recognition.arcface import ArcFaceRecogniser
from evaluation import datasets
from evaluation.metrics import verification
from evaluation.metrics.bootstrap import Interval, mean_interval, weighted_interval
from evaluation.recognisers import ATTACKER_FILE, fingerprint
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions
from evaluation.studies.two_streams import DIMENSIONS, SIDE, TwoStreams, Variant, blur, embed, train

_VARIANTS = {
    "random blur": Variant(sigmas=(5.0, 20.0)),
    "random crop": Variant(sigmas=(12.0, 12.0), least_window=0.75),
    "blur and crop": Variant(sigmas=(5.0, 20.0), least_window=0.75),
    "tight crop": Variant(sigmas=(5.0, 20.0), tight=True),
}
_SIGMAS = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0)
#: Photos a person to learn from; two more are held out for the test.
_LEARNED = 6
_STEPS = 1200
_DIFFERS = (
    f"sigma in pixels of a crop of 128 px, eyes 36 px apart, which the streams see at {SIDE} px; {DIMENSIONS} numbers of unit length; "
    "random weights at the start; a sharp and a blurred picture are of two photos; everybody else of a batch is a negative; "
    "the random crop keeps one blur, the tight crop has a random one; CelebA at half size, so that its sharp photos are soft"
)
_SEEN, _OTHER = "seen people", "another data set"
_PUBLISHED = {
    (_SEEN, True): "0.4 to 0.8",
    (_OTHER, True): "falls to chance",
    (_SEEN, False): "falls to about 0 at sigma 12",
    (_OTHER, False): "falls to about 0 at sigma 12",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Matcher:
    """Compares a sharp photo with a blurred one: crops (N, 128, 128, 3) of each kind to unit-norm rows."""

    name: str
    trained: bool
    sharp: Callable[[Crops], Embeddings]
    blurred: Callable[[Crops], Embeddings]


def blur_triplet(options: StudyOptions) -> Results:
    """Similarity and verification of all matchers over sigma, on seen people and on another data set."""
    steps = options.steps or _STEPS
    options.stage("faces", 2)
    seen = _faces(datasets.people(datasets.lfw(None), options.people, _LEARNED + 2, options.seed), _LEARNED + 2, datasets.LFW_POINTS)
    options.tick()
    other = _faces(datasets.people(datasets.celeba(), options.people, 2, options.seed), 2, datasets.CELEBA_POINTS)
    options.tick()
    baseline = ArcFaceRecogniser(datasets.data_file(ATTACKER_FILE))
    matchers = [
        _Matcher(f"{baseline.name} (baseline)", False, baseline.embed, baseline.embed),
        *_trained(seen[:, :_LEARNED], steps, options),
    ]
    options.stage("scores", 2 * len(matchers))
    lines: list[Measure] = []
    curves: list[Curve] = []
    for place, photos in ((_SEEN, seen[:, _LEARNED:]), (_OTHER, other)):
        for matcher in matchers:
            found = list(_lines(matcher, photos, place, options.seed))
            lines += found
            curves += _curves(found)
            options.tick()
    settings = {
        "data": f"{_SEEN}: {len(seen)} people of LFW, {_LEARNED} photos to learn from and two others for the test; "
        f"{_OTHER}: {len(other)} people of CelebA, two photos each",
        "variants": {name: _words(variant) for name, variant in _VARIANTS.items()},
        "steps": steps,
        "seed": options.seed,
        "recognisers": {baseline.name: fingerprint(baseline)},
        "differs": _DIFFERS,
    }
    return Results(
        kind="study",
        title="blur-triplet: BlurNet and SharpNet",
        settings=settings,
        environment=environment(),
        measures=tuple(lines),
        curves=tuple(curves),
    )


def _faces(photos: Sequence[datasets.Photo], n: int, points: NDArray[np.float64]) -> Crops:
    """Crops (P, n, 128, 128, 3) of P people with n photos each, by the alignment of the data set that they are of.

    Args:
        photos: the people's photos one after the other.
        n: photos a person.
        points: (5, 2) where the alignment puts the landmarks.

    Raises:
        DataError: there are fewer than two people.
    """
    if len(photos) < 2 * n:
        raise DataError(f"expected at least two people with {n} photos, got {len(photos) // n}")
    matrix = align_matrix(points)
    crops = np.stack([warp(photo.image(), matrix) for photo in photos])
    return crops.reshape(-1, n, *crops.shape[1:])


def _trained(photos: Crops, steps: int, options: StudyOptions) -> Iterator[_Matcher]:
    for name, variant in _VARIANTS.items():
        options.stage(f"training: {name}", steps)
        yield _matcher(name, variant, train(photos, variant, steps, options.seed, options.tick))


def _matcher(name: str, variant: Variant, streams: TwoStreams) -> _Matcher:
    return _Matcher(name, True, lambda c: embed(streams.sharp, c, variant), lambda c: embed(streams.blurred, c, variant))


def _words(variant: Variant) -> str:
    """Training data of a variant, in words."""
    low, high = variant.sigmas
    blurred = f"sigma {low:g}" if low == high else f"sigma {low:g} to {high:g} at random"
    cut = f", a square of {variant.least_window:g} to 1 of the side at random" if variant.least_window < 1 else ""
    return blurred + cut + (", the face alone" if variant.tight else "")


def _lines(matcher: _Matcher, photos: Crops, place: str, seed: int) -> Iterator[Measure]:
    """Cosines of mates and of strangers, and the AUC, at every sigma; sharp first photos against blurred second ones.

    Args:
        matcher: compares them.
        photos: (P, 2, 128, 128, 3), two photos of P people.
        place: where the people are from.
        seed: of all resampling.
    """
    sharp = np.asarray(matcher.sharp(photos[:, 0]), np.float64)
    people = np.array([str(i) for i in range(len(photos))])
    own = np.eye(len(photos), dtype=bool)
    strangers = people[np.nonzero(~own)[0]]
    for sigma in _SIGMAS:
        scores = sharp @ np.asarray(matcher.blurred(blur(photos[:, 1], sigma)), np.float64).T
        rows = {
            "similarity of mates": mean_interval(scores[own], list(people), seed),
            "similarity of strangers": mean_interval(scores[~own], list(strangers), seed),
            "AUC": _auc(scores[own], scores[~own], [*people, *strangers], seed),
        }
        for name, interval in rows.items():
            published = _PUBLISHED[place, matcher.trained] if name == "similarity of mates" else ""
            yield measure(f"{place}, sigma {sigma:g}", name, interval, recogniser=matcher.name, published=published)


def _auc(mates: NDArray[np.float64], strangers: NDArray[np.float64], people: Sequence[str], seed: int) -> Interval:
    return weighted_interval(lambda w: verification.auc(mates, strangers, w), people, len(mates), seed)


def _curves(lines: Sequence[Measure]) -> Iterator[Curve]:
    """Similarity and AUC of one matcher in one place."""
    place = lines[0].section.rpartition(",")[0]
    for plot, name in (("similarity", "similarity of mates"), ("auc", "AUC")):
        y = [m.value for m in lines if m.name == name]
        yield Curve(plot=plot, label=lines[0].recogniser, recogniser=place, x=list(_SIGMAS), y=y)
