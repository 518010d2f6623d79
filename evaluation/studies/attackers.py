"""Every attack on several methods."""

from collections.abc import Iterator
from dataclasses import replace

from evaluation import datasets, methods, recognisers
from evaluation.attack import AttackOptions, attack_faces
from evaluation.compare import Progress
from evaluation.detectors import Remembering, both_detectors
from evaluation.faces import Observer
from evaluation.results import Measure, Results, environment
from evaluation.studies.options import StudyOptions

_METHODS = ("attgan", "pixelate:12", "blur:0.09", "solid")
_PHOTOS = 3
_STEPS = 300


def attackers(options: StudyOptions) -> Results:
    """Rank 1 of all attacks; half of the people with several photos are attacked, the attacker learns from everybody else."""
    photos = datasets.crowd(datasets.lfw("test"), options.people, _PHOTOS, options.people, options.seed)
    options.stage("faces", 1)
    found = methods.find_faces(photos)
    options.tick()
    observer = Observer([Remembering(d, [f.image for f in found]) for d in both_detectors()], context=True)
    judges = recognisers.load()
    setup = AttackOptions(steps=options.steps or _STEPS, seed=options.seed)
    lines: list[Measure] = []
    for name in _METHODS:
        options.stage(name, len(found))
        seen = observer.observe(methods.apply(found, methods.build(name)), options.tick)
        _, every, _ = attack_faces([f for p in seen for f in p.faces], judges, setup, Progress(options.stage, options.tick))
        lines += _rank_one(name, every)
    return Results(
        kind="study",
        title="attackers: every attack on several methods",
        settings={
            "data": f"LFW, people that no generator was trained on: {len(found)} photos, at most {_PHOTOS} a person",
            "people": len({p.identity for p in photos}),
            "steps of the reconstruction network": setup.steps,
            "seed": options.seed,
            "recognisers": {r.name: recognisers.fingerprint(r) for r in judges},
        },
        environment=environment(),
        measures=tuple(lines),
    )


def _rank_one(method: str, lines: list[Measure]) -> Iterator[Measure]:
    """The rank-1 lines of a method's attacks, without verdicts: a study judges nobody."""
    for m in lines:
        if m.name.startswith("rank 1,"):
            yield replace(m, section=method, name=m.section, limit="", passed=None)
