"""Identification against detection, for every method at several strengths: the lower right corner is best.

Identification is the better of two attackers: one with a gallery of untouched photos, and one who ran the same tool on the
gallery. The first alone overestimates the privacy of blur and mosaic.
"""

from functools import partial

from evaluation import methods
from evaluation.recognisers import fingerprint
from evaluation.results import Results, environment
from evaluation.studies.bench import Bench
from evaluation.studies.options import StudyOptions
from evaluation.studies.tradeoff import Families, tradeoff

_BLUR_SHARES = (0.04, 0.06, 0.09, 0.13, 0.18, 0.25)
_CELLS = (24, 16, 12, 8, 6)
_INPUT_CELLS = (64, 16)
_DEFACE_MODES = ("blur", "mosaic", "solid")
#: Names in the picture, where the method's own says too little.
_LABELS = {"attgan": "deid: new faces", "solid": "solid cover"}


def families(seed: int) -> Families:
    """Every method at its strengths; the generator's is how much of a face it gets to see."""
    return {
        "untouched": [("", methods.untouched)],
        "blur": [(f"sigma {share:g} of the face", partial(methods.blur, share)) for share in _BLUR_SHARES],
        "pixelate": [(f"{cells} cells", partial(methods.pixelate, cells)) for cells in _CELLS],
        "solid": [("", methods.solid)],
        "attgan": [
            (f"input of {_INPUT_CELLS[0]} cells", partial(methods.attgan, seed, _INPUT_CELLS[0])),
            ("deid's default", partial(methods.attgan, seed)),
            (f"input of {_INPUT_CELLS[1]} cells", partial(methods.attgan, seed, _INPUT_CELLS[1])),
        ],
        "deface": [(mode, partial(methods.deface, mode)) for mode in _DEFACE_MODES],
    }


def frontier(options: StudyOptions) -> Results:
    """Rank 1 and recall of every method; what is not installed is named and left out."""
    bench, chosen = Bench(options), families(options.seed)
    options.stage("methods", sum(len(f) for f in chosen.values()))
    found = tradeoff(bench, chosen, alike=True, tick=options.tick)
    return Results(
        kind="study",
        title="frontier: identification against detection",
        settings={
            "data": "LFW, people that no generator was trained on",
            "people": len(bench.names),
            "seed": options.seed,
            "recognisers": {r.name: fingerprint(r) for r in bench.recognisers},
            "left out": found.absent,
        },
        environment=environment(),
        measures=tuple(found.measures),
        curves=(*found.curves(), *found.strongest(_LABELS)),
    )
