"""Tasks of `deid train`: data in, weights with their manifest entry out."""

import dataclasses
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors.numpy import save

from deid import weights
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import ConfigError
from deid.detection.scrfd import ScrfdDetector
from deid.editing.portraits import Portraits
from deid.editing.selector import N_FEATURES
from deid.recognition.linear import AgeReader
from deid.training import age, attgan, boxes, classifier, detector, gender, pairs, realism, selector, strangers
from deid.training.data import joined, load, portraits
from deid.training.export import export, write
from deid.training.recognisers import dlib_recogniser, mobilefacenet_recogniser
from deid.weights import modules

Report = Callable[[int, int, str], None]
_LICENCE = "non-commercial research: the terms of the training photos"
_INPUT = "(N, 3, 128, 128) RGB in [-1, 1], aligned crops"
_OptionsT = TypeVar("_OptionsT")


def read_options(kind: type[_OptionsT], path: Path | None) -> _OptionsT:
    """Settings of a run from TOML; the defaults when there is no file.

    Raises:
        ConfigError: it cannot be read or has an unknown key.
    """
    if path is None:
        return kind()
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read options from {path}: {error}") from error
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)} in {path}; valid are {', '.join(names)}")
    return kind(**values)


def train_attributes(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the attribute classifier and write ``out/attributes.safetensors``."""
    options = read_options(classifier.ClassifierOptions, options_file)
    network = classifier.train(load(data, out / "cache"), out, options, report)
    facts = {"input": _INPUT, "data": "LFW deep-funneled (gender) and CelebA (13 attributes), training split", "licence": _LICENCE}
    architecture = {"width": options.width, "n_attributes": len(ATTRIBUTES)}
    export(network, "attributes", out, architecture, facts | {"command": _command("attributes", options)})


def train_attgan(data: Path, out: Path, recogniser: Path | None, from_shipped: bool, options_file: Path | None, report: Report) -> None:
    """Train the generator, from scratch or from the shipped one on, and write ``out/attgan.safetensors``.

    Unknown labels come from the shipped classifier.
    """
    options = read_options(attgan.GeneratorOptions, options_file)
    recognisers = [dlib_recogniser(), *([mobilefacenet_recogniser(recogniser)] if recogniser else [])]
    people = joined(load(data, out / "cache"), portraits(data)).split("train")
    faces = classifier.fill_labels(modules.load_attributes(), people)
    start = modules.load_generator() if from_shipped else None
    training = attgan.GeneratorTraining(faces, out, options, recognisers, start)
    network = training.run(report)
    facts = {
        "input": _INPUT + "; attributes (N, 13)",
        "data": "LFW deep-funneled, CelebA and portraits of nobody, training split",
        "licence": _LICENCE,
    }
    architecture = {
        "width": options.width,
        "n_attributes": len(ATTRIBUTES),
        "ranks": list(options.ranks),
        "shortcuts": options.shortcuts,
    }
    export(network, "attgan", out, architecture, facts | {"command": _command("attgan" + " --from-shipped" * from_shipped, options)})


def train_realism(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the realism critic against the shipped generator and write ``out/realism.safetensors``."""
    options = read_options(realism.RealismOptions, options_file)
    faces = classifier.fill_labels(modules.load_attributes(), load(data, out / "cache"))
    # CelebA's half-size photos are soft all over: next to them a smear counts as real.
    network = realism.train(faces.where(faces.sources == "lfw"), modules.load_generator(), out, options, report)
    facts = {"input": _INPUT, "data": "LFW deep-funneled, training split, whole and damaged", "licence": _LICENCE}
    export(network, "realism", out, {"width": options.width}, facts | {"command": _command("realism", options)})


def train_gender(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of gender and write ``out/gender.safetensors``."""
    options = read_options(gender.GenderOptions, options_file)
    arrays = gender.train(load(data, out / "cache"), out, options, report)
    facts = {
        "input": "dlib's embedding (N, 128)",
        "data": "LFW deep-funneled and CelebA, training split",
        "licence": _LICENCE,
    }
    write(save(arrays), "gender", out, {}, facts | {"command": _command("gender", options)})


def train_age(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of children's faces and write ``out/age.safetensors``."""
    options = read_options(age.AgeOptions, options_file)
    arrays = age.train(data, out, options, report)
    facts = {"input": "dlib's embedding (N, 128)", "data": "UTKFace and the portraits", "licence": _LICENCE}
    write(save(arrays), "age", out, {}, facts | {"command": _command("age", options)})


def train_strangers(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Make the strangers of dlib's recogniser and write ``out/strangers.safetensors``."""
    options = read_options(strangers.StrangerOptions, options_file)
    arrays = strangers.make(data, options, report)
    facts = {
        "input": "embeddings (N, 128) of dlib's recogniser: means of three people each",
        "data": "LFW deep-funneled, people of the training split with one photo",
        "licence": _LICENCE,
    }
    write(save(arrays), "strangers", out, {}, facts | {"command": _command("strangers", options)})


def train_selector(data: Path, out: Path, recogniser: Path, options_file: Path | None, report: Report) -> None:
    """Measure the selector's table, train on it and write ``out/selector.safetensors``.

    The table's parts lie in ``out/table``, and all of it in ``out/table.npz``.
    """
    options = read_options(selector.SelectorOptions, options_file)
    # LFW alone, as for the critic: CelebA's half-size photos are soft, and no measure of what a new face becomes.
    few = pairs.people(data, options.people, options.exam, options.seed)
    plan = pairs.Plan(recogniser, options.stand_ins, options.sets, options.seed)
    table = pairs.make(few, out / "table", plan, options.workers, report)
    table.save(out / "table.npz")
    arrays = selector.train(table, Portraits(weights.read_bank(), AgeReader()), out, options, report)
    facts = {
        "input": f"{N_FEATURES} differences of face, stand-in and attribute set",
        "data": f"LFW deep-funneled, training split: {len(table.split('train'))} people, {plan.stand_ins} stand-ins each, "
        f"attribute sets for each of those: {plan.sets}",
        "licence": _LICENCE,
    }
    write(save(arrays), "selector", out, {}, facts | {"command": _command("selector", options)})


def train_detector(data: Path, out: Path, teacher: Path, from_shipped: bool, options_file: Path | None, report: Report) -> None:
    """Train the face detector on what SCRFD (an ONNX file) and MTCNN see, and write ``out/detector.safetensors``.

    Raises:
        ConfigError: the teacher cannot be used, or a run from the shipped weights asks for another width than theirs.
    """
    options = read_options(detector.DetectorOptions, options_file)
    start = modules.load_detector() if from_shipped else None
    photos = boxes.load(data, out / "cache", lambda: ScrfdDetector(teacher, boxes.LEAST_SCORE), report)
    network = detector.DetectorTraining(photos, out, options, start).run(report)
    facts = {
        "input": "images (3, H, W) RGB in [0, 1], any size",
        "data": "LFW deep-funneled, training split, boxes by SCRFD and MTCNN",
        "licence": _LICENCE,
    }
    architecture = {"channels": options.channels, "head": options.head}
    export(network, "detector", out, architecture, facts | {"command": _command("detector", options)})


def _command(what: str, options: Any) -> str:
    """The command of a run, with the settings that differ from the defaults."""
    changed = {k: v for k, v in dataclasses.asdict(options).items() if v != getattr(type(options)(), k)}
    settings = "".join(f", {k} = {json.dumps(v)}" for k, v in changed.items())
    return f"deid train {what} --data DIR --out OUT{settings}"
