"""Searches whole frames: each time with another look, for what one look misses the next one often sees."""

from collections.abc import Sequence

from deid import detect
from deid.config import Options
from deid.detect.evened import EvenedDetector
from deid.detect.merge import merge
from deid.protocols import Detector
from deid.structures import Detection, Image

#: Times the smallest face of a photo: in a film, one that comes nearer is found later and followed backward.
_SMALLEST = 4 / 3
#: Least score of CenterFace in a film: what is that faint must be found twice.
_FAINT = 0.42
#: How many of MTCNN's looks at a film go by a name.
_MTCNN = {"mtcnn": 2, "mtcnn_once": 1}


class Search:
    """Several looks that take turns.

    Args:
        looks: at least one detector.

    Example:
        >>> search = Search([plain, mirrored])
        >>> search.all(first), search.next(second), search.next(third)
    """

    def __init__(self, looks: Sequence[Detector]) -> None:
        if not looks:
            raise ValueError("expected at least one look, got none")
        self._looks, self._turn = tuple(looks), 0

    def next(self, image: Image) -> list[Detection]:
        """What the look whose turn it is finds."""
        look = self._looks[self._turn % len(self._looks)]
        self._turn += 1
        return look.detect(image)

    def all(self, image: Image) -> list[Detection]:
        """What all looks together find, each face once."""
        return merge(found for look in self._looks for found in look.detect(image))


def build(options: Options) -> Search:
    """The looks of the detectors that the options name, joined by ``+``.

    MTCNN takes turns between the frame and its mirror image, evened out, with the pyramid shifted by half a step; `mtcnn_once`
    looks at the frame alone. CenterFace looks for faces a third larger than in a photo, in half the time; any other detector
    looks as it does at a photo.

    Raises:
        ConfigError: a name is unknown.
    """
    names = options.detector.split("+")
    return Search([look for name in names for look in _looks(name, options)])


def _looks(name: str, options: Options) -> list[Detector]:
    if name in _MTCNN:
        return _mtcnn(options)[: _MTCNN[name]]
    if name == "centerface":
        return [detect.tiled_centerface(round(options.min_face * _SMALLEST), options.device, _FAINT)]
    return [detect.build(name, options.min_face, options.device)]


def _mtcnn(options: Options) -> list[Detector]:
    from deid.detect.mtcnn import MtcnnDetector

    low, smallest = (0.5, 0.6, 0.4), options.min_face * _SMALLEST
    plain = MtcnnDetector(round(smallest), low, device=options.device)
    mirrored = MtcnnDetector(round(smallest / 0.709**0.5), low, mirrored=True, device=options.device)
    return [plain, EvenedDetector(mirrored)]
