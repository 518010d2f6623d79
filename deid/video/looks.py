"""The looks of a video's search, built as the options name them."""

from deid.core.options import Options
from deid.core.protocols import Detector
from deid.detection import build_detector, tiled_centerface
from deid.detection.equalized import EqualizedDetector
from deid.detection.mtcnn import MtcnnDetector
from deid.detection.threshold import at_least
from deid.models.threads import n_threads
from deid.video.search import SMALLEST, Faint, Search

#: Least score of CenterFace in a video: what is that faint must be found twice.
_FAINT = 0.42
#: Where it looks alone, that of what another detector confirms. Of 31 faces of 20 to 23 px that MTCNN alone detects, it sees all so
#: faintly, and 30 with 0.3; in a busy scene 0.3 other places a frame look alike.
_FAINTEST = 0.25
#: How many of MTCNN's looks at a video go by a name.
_MTCNN = {"mtcnn": 2, "mtcnn_once": 1}


def build_search(options: Options) -> Search:
    """The looks of the detectors that the options name, joined by ``+``.

    MTCNN takes turns between the frame and its mirror image, evened out, with the pyramid shifted by half a step; `mtcnn_once`
    looks at the frame alone. CenterFace looks for faces a third larger than in a photo, in half the time; any other detector
    looks as it does at a photo.

    Raises:
        ConfigError: a name is unknown.
    """
    names = options.detector.split("+")
    looks = [at_least(look, options.threshold) for name in names for look in _looks(name, options)]
    faint = _faint(options) if names[-1] == "centerface" and len(looks) > 1 and options.threshold is None else None
    # Another library's detector may not be asked by two threads.
    return Search(looks, faint, min(2, n_threads()) if {*names} <= {*_MTCNN, "centerface"} else 1)


def _faint(options: Options) -> Faint:
    """Detections that are too faint to start a track, for the others to confirm."""
    return Faint(tiled_centerface(round(options.min_face * SMALLEST), options.device, _FAINTEST), _FAINT, options.track_score)


def _looks(name: str, options: Options) -> list[Detector]:
    if name in _MTCNN:
        return _mtcnn(options)[: _MTCNN[name]]
    if name == "centerface":
        return [tiled_centerface(round(options.min_face * SMALLEST), options.device, _FAINT)]
    return [build_detector(name, options.min_face, options.device)]


def _mtcnn(options: Options) -> list[Detector]:
    low, smallest = (0.5, 0.6, 0.4), options.min_face * SMALLEST
    plain = MtcnnDetector(round(smallest), low, device=options.device)
    mirrored = MtcnnDetector(round(smallest / 0.709**0.5), low, mirrored=True, device=options.device)
    return [plain, EqualizedDetector(mirrored)]
