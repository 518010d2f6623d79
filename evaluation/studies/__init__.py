"""Studies: experiments with published figures, and experiments on new faces.

A study is a function from `StudyOptions` to `Results`; the notes of its measures name differences in the setting.
"""

from collections.abc import Callable

from evaluation.results import Results
from evaluation.studies.options import StudyOptions

__all__ = ["STUDIES", "StudyOptions"]


def _attackers(options: StudyOptions) -> Results:
    from evaluation.studies.attackers import attackers

    return attackers(options)


def _blind(options: StudyOptions) -> Results:
    from evaluation.studies.blind import blind

    return blind(options)


def _blur_triplet(options: StudyOptions) -> Results:
    from evaluation.studies.blur_triplet import blur_triplet

    return blur_triplet(options)


def _clones(options: StudyOptions) -> Results:
    from evaluation.studies.clones import clones

    return clones(options)


def _detectors(options: StudyOptions) -> Results:
    from evaluation.studies.detectors import detectors

    return detectors(options)


def _frontier(options: StudyOptions) -> Results:
    from evaluation.studies.frontier import frontier

    return frontier(options)


def _generator(options: StudyOptions) -> Results:
    from evaluation.studies.generator import generator

    return generator(options)


def _kept(options: StudyOptions) -> Results:
    from evaluation.studies.kept import kept

    return kept(options)


def _known_people(options: StudyOptions) -> Results:
    from evaluation.studies.known_people import known_people

    return known_people(options)


def _thesis(options: StudyOptions) -> Results:
    from evaluation.studies.thesis import thesis

    return thesis(options)


def _orl_knn(options: StudyOptions) -> Results:
    from evaluation.studies.orl_knn import orl_knn

    return orl_knn(options)


def _orl_vgg19(options: StudyOptions) -> Results:
    from evaluation.studies.orl_vgg19 import orl_vgg19

    return orl_vgg19(options)


def _scale(options: StudyOptions) -> Results:
    from evaluation.studies.scale import scale

    return scale(options)


def _selector(options: StudyOptions) -> Results:
    from evaluation.studies.selector import selector

    return selector(options)


def _pipeline(options: StudyOptions) -> Results:
    from evaluation.studies.pipeline import pipeline

    return pipeline(options)


def _memory(options: StudyOptions) -> Results:
    from evaluation.studies.memory import memory

    return memory(options)


def _mtcnn_keypoints(options: StudyOptions) -> Results:
    from evaluation.studies.mtcnn_keypoints import mtcnn_keypoints

    return mtcnn_keypoints(options)


def _speed(options: StudyOptions) -> Results:
    from evaluation.studies.speed import speed

    return speed(options)


def _turns(options: StudyOptions) -> Results:
    from evaluation.studies.turns import turns

    return turns(options)


def _video_rates(options: StudyOptions) -> Results:
    from evaluation.studies.video_rates import video_rates

    return video_rates(options)


def _weak_signals(options: StudyOptions) -> Results:
    from evaluation.studies.weak_signals import weak_signals

    return weak_signals(options)


#: Studies by the name that the command takes.
STUDIES: dict[str, Callable[[StudyOptions], Results]] = {
    "attackers": _attackers,
    "blind": _blind,
    "blur-triplet": _blur_triplet,
    "clones": _clones,
    "detectors": _detectors,
    "frontier": _frontier,
    "generator": _generator,
    "kept": _kept,
    "known-people": _known_people,
    "memory": _memory,
    "mtcnn-keypoints": _mtcnn_keypoints,
    "orl-knn": _orl_knn,
    "orl-vgg19": _orl_vgg19,
    "pipeline": _pipeline,
    "scale": _scale,
    "selector": _selector,
    "speed": _speed,
    "thesis": _thesis,
    "turns": _turns,
    "video-rates": _video_rates,
    "weak-signals": _weak_signals,
}
