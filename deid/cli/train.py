"""`deid train`: one command for each network, from one table."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from deid.cli.common import counted, errors_shown
from deid.training.settings import command_of, read_options

app = typer.Typer(no_args_is_help=True, help="Train the networks again.", rich_markup_mode=None)

_DATA = Annotated[Path, typer.Option(help="Folder with the data sets.")]
_OUT = Annotated[Path, typer.Option(help="Folder for checkpoints and results; a run continues from a checkpoint there.")]
_CONFIG = Annotated[Path | None, typer.Option("--config", help="Settings as TOML. Default: none.")]
_FROM_SHIPPED = Annotated[bool, typer.Option("--from-shipped", help="Begin with the shipped weights. Default: from nothing.")]
_IN_LOSS = Annotated[Path | None, typer.Option(help="MobileFaceNet as safetensors: recogniser used in the identity loss. Default: none.")]
_SECOND = Annotated[Path, typer.Option(help="MobileFaceNet as safetensors: second recogniser that new faces should be far from.")]
_TEACHER = Annotated[Path, typer.Option(help="SCRFD as ONNX: labels the faces.")]

Report = Callable[[int, int, str], None]
_LICENCE = "non-commercial research: the terms of the training photos"
_INPUT = "(N, 3, 128, 128) RGB in [-1, 1], aligned crops"


def train_attributes(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the attribute classifier and write ``out/attributes.safetensors``."""
    from deid.core.attributes import ATTRIBUTES
    from deid.training import classifier
    from deid.training.data import load
    from deid.training.export import export

    options = read_options(classifier.ClassifierOptions, options_file)
    network = classifier.train(load(data, out / "cache"), out, options, report)
    facts = {"input": _INPUT, "data": "LFW deep-funneled (gender) and CelebA (13 attributes), training split", "licence": _LICENCE}
    architecture = {"width": options.width, "n_attributes": len(ATTRIBUTES)}
    export(network, "attributes", out, architecture, facts | {"command": command_of("attributes", options)})


def train_attgan(data: Path, out: Path, recogniser: Path | None, from_shipped: bool, options_file: Path | None, report: Report) -> None:
    """Train the generator, from scratch or from the shipped one on, and write ``out/attgan.safetensors``.

    Unknown labels come from the shipped classifier.
    """
    from deid.core.attributes import ATTRIBUTES
    from deid.training import attgan, classifier
    from deid.training.data import joined, load, portraits
    from deid.training.export import export
    from deid.training.recognisers import dlib_recogniser, mobilefacenet_recogniser
    from deid.weights import modules

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
    export(network, "attgan", out, architecture, facts | {"command": command_of("attgan" + " --from-shipped" * from_shipped, options)})


def train_realism(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the realism critic against the shipped generator and write ``out/realism.safetensors``."""
    from deid.training import classifier, realism
    from deid.training.data import load
    from deid.training.export import export
    from deid.weights import modules

    options = read_options(realism.RealismOptions, options_file)
    faces = classifier.fill_labels(modules.load_attributes(), load(data, out / "cache"))
    # CelebA's half-size photos are soft all over: next to them a smear counts as real.
    network = realism.train(faces.where(faces.sources == "lfw"), modules.load_generator(), out, options, report)
    facts = {"input": _INPUT, "data": "LFW deep-funneled, training split, whole and damaged", "licence": _LICENCE}
    export(network, "realism", out, {"width": options.width}, facts | {"command": command_of("realism", options)})


def train_glasses(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the network that finds glasses and write ``out/glasses.safetensors``."""
    from deid.training import glasses
    from deid.training.export import export

    options = read_options(glasses.GlassesOptions, options_file)
    network = glasses.train(*glasses.load(data, out / "cache", report), out, options, report)
    facts = {
        "input": "(N, 3, 144, 256) RGB in [-1, 1], rows 48 to 192 of aligned crops of 256 px",
        "data": "glasses drawn on LFW deep-funneled (training split), portraits of nobody and official portraits",
        "licence": _LICENCE,
    }
    export(network, "glasses", out, {"width": options.width}, facts | {"command": command_of("glasses", options)})


def train_objects(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the network that finds what stands before a face and write ``out/objects.safetensors``."""
    from deid.training import objects
    from deid.training.export import export

    options = read_options(objects.ObjectsOptions, options_file)
    network = objects.train(*objects.load(data, out / "cache", report), out, options, report)
    facts = {
        "input": _INPUT,
        "data": "objects drawn on LFW deep-funneled and CelebA (training split), portraits of nobody and official portraits",
        "licence": _LICENCE,
    }
    export(network, "objects", out, {"width": options.width}, facts | {"command": command_of("objects", options)})


def train_gender(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of gender and write ``out/gender.safetensors``."""
    from safetensors.numpy import save

    from deid.training import gender, logistic
    from deid.training.data import load
    from deid.training.export import write

    options = read_options(logistic.LogisticOptions, options_file)
    arrays = gender.train(load(data, out / "cache"), out, options, report)
    facts = {
        "input": "dlib's embedding (N, 128)",
        "data": "LFW deep-funneled and CelebA, training split",
        "licence": _LICENCE,
    }
    write(save(arrays), "gender", out, {}, facts | {"command": command_of("gender", options)})


def train_age(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of ages and of children's faces and write ``out/age.safetensors``."""
    from safetensors.numpy import save

    from deid.training import age
    from deid.training.export import write

    options = read_options(age.AgeOptions, options_file)
    arrays = age.train(data, out, options, report)
    facts = {
        "input": "dlib's embedding (N, 128), and MobileNet's (N, 1024) where it is known",
        "data": "UTKFace and the portraits",
        "licence": _LICENCE,
    }
    write(save(arrays), "age", out, {}, facts | {"command": command_of("age", options)})


def train_origin(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of origins, by which portraits are chosen, and write ``out/origin.safetensors``."""
    from safetensors.numpy import save

    from deid.training import logistic, origin
    from deid.training.export import write

    options = read_options(logistic.LogisticOptions, options_file)
    arrays = origin.train(data, out, options, report)
    facts = {"input": "dlib's embedding (N, 128), and MobileNet's (N, 1024) where it is known", "data": "UTKFace", "licence": _LICENCE}
    write(save(arrays), "origin", out, {}, facts | {"command": command_of("origin", options)})


def train_smile(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of smiles, by which portraits are chosen, and write ``out/smile.safetensors``."""
    from safetensors.numpy import save

    from deid.training import smile
    from deid.training.data import load, smiling
    from deid.training.export import write

    options = read_options(smile.SmileOptions, options_file)
    arrays = smile.train(load(data, out / "cache"), smiling(data), out, options, report)
    facts = {"input": "landmarks (N, 68, 2) in pixels of an aligned crop", "data": "CelebA, training split", "licence": _LICENCE}
    write(save(arrays), "smile", out, {}, facts | {"command": command_of("smile", options)})


def train_brows(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of brows, by which portraits are chosen, and write ``out/brows.safetensors``."""
    from safetensors.numpy import save

    from deid.training import brows
    from deid.training.data import load
    from deid.training.export import write

    options = read_options(brows.BrowOptions, options_file)
    arrays = brows.train(load(data, out / "cache"), out, options, report)
    facts = {
        "input": "dlib's embedding (N, 128), and how dark the brows in the photo are",
        "data": "LFW deep-funneled and CelebA, training split",
        "licence": _LICENCE,
    }
    write(save(arrays), "brows", out, {}, facts | {"command": command_of("brows", options)})


def train_snapshot(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Train the reader of snapshots, by which portraits are chosen, and write ``out/snapshot.safetensors``."""
    from safetensors.numpy import save

    from deid.anonymizer.engine import Anonymizer
    from deid.training import pairs, snapshot
    from deid.training.export import write

    options = read_options(snapshot.SnapshotOptions, options_file)
    people = pairs.people(data, options.people, options.exam, options.seed)
    arrays = snapshot.train([(photo.identity, photo.data) for photo in people], Anonymizer(), out, options, report)
    facts = {
        "input": "MobileNet's embedding (N, 1024)",
        "data": f"LFW deep-funneled, training split: {options.people} people before and after",
        "licence": _LICENCE,
    }
    write(save(arrays), "snapshot", out, {}, facts | {"command": command_of("snapshot", options)})


def train_strangers(data: Path, out: Path, options_file: Path | None, report: Report) -> None:
    """Make the strangers of dlib's recogniser and write ``out/strangers.safetensors``."""
    from safetensors.numpy import save

    from deid.training import strangers
    from deid.training.export import write

    options = read_options(strangers.StrangerOptions, options_file)
    arrays = strangers.make(data, options, report)
    facts = {
        "input": "embeddings (N, 128) of dlib's recogniser: means of three people each",
        "data": "LFW deep-funneled, people of the training split with one photo",
        "licence": _LICENCE,
    }
    write(save(arrays), "strangers", out, {}, facts | {"command": command_of("strangers", options)})


def train_selector(data: Path, out: Path, recogniser: Path, options_file: Path | None, report: Report) -> None:
    """Measure the selector's table, train on it and write ``out/selector.safetensors``.

    The table's parts lie in ``out/table``, and all of it in ``out/table.npz``.
    """
    from safetensors.numpy import save

    from deid import weights
    from deid.editing.portraits import Portraits
    from deid.editing.selector import N_FEATURES
    from deid.recognition.linear import PortraitReader
    from deid.training import pairs, selector
    from deid.training.export import write

    options = read_options(selector.SelectorOptions, options_file)
    # LFW alone, as for the critic: CelebA's half-size photos are soft, and no measure of what a new face becomes.
    few = pairs.people(data, options.people, options.exam, options.seed)
    plan = pairs.Plan(recogniser, options.stand_ins, options.sets, options.seed)
    table = pairs.make(few, out / "table", plan, options.workers, report)
    table.save(out / "table.npz")
    arrays = selector.train(table, Portraits(weights.read_bank(), PortraitReader()), out, options, report)
    facts = {
        "input": f"{N_FEATURES} differences of face, stand-in and attribute set",
        "data": f"LFW deep-funneled, training split: {len(table.split('train'))} people, {plan.stand_ins} stand-ins each, "
        f"attribute sets for each of those: {plan.sets}",
        "licence": _LICENCE,
    }
    write(save(arrays), "selector", out, {}, facts | {"command": command_of("selector", options)})


def train_detector(data: Path, out: Path, teacher: Path, from_shipped: bool, options_file: Path | None, report: Report) -> None:
    """Train the face detector on what SCRFD (an ONNX file) and MTCNN see, and write ``out/detector.safetensors``.

    Raises:
        ConfigError: the teacher cannot be used, or a run from the shipped weights asks for another width than theirs.
    """
    from deid.detection.scrfd import ScrfdDetector
    from deid.training import boxes, detector
    from deid.training.export import export
    from deid.weights import modules

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
    export(network, "detector", out, architecture, facts | {"command": command_of("detector", options)})


#: For each network: what its command does, by which function, and the options beside data, out and settings.
TRAININGS: dict[str, tuple[str, Callable[..., None], dict[str, Any]]] = {
    "attributes": ("Train the attribute classifier.", train_attributes, {}),
    "attgan": ("Train the generator.", train_attgan, {"recogniser": (_IN_LOSS, None), "from_shipped": (_FROM_SHIPPED, False)}),
    "realism": ("Train the realism critic against the shipped generator.", train_realism, {}),
    "glasses": ("Train the network that finds glasses, on glasses drawn on faces.", train_glasses, {}),
    "objects": ("Train the network that finds what stands before a face, on objects drawn before faces.", train_objects, {}),
    "gender": ("Train the gender reader on dlib's embeddings.", train_gender, {}),
    "age": ("Train the reader of ages and of children's faces on embeddings.", train_age, {}),
    "origin": ("Train the reader of origins, by which portraits are chosen, on dlib's embeddings.", train_origin, {}),
    "brows": ("Train the reader of brows, by which portraits are chosen.", train_brows, {}),
    "smile": ("Train the reader of smiles, by which portraits are chosen, on landmarks.", train_smile, {}),
    "snapshot": ("Train the reader of snapshots, by which portraits are chosen, on new faces.", train_snapshot, {}),
    "strangers": ("Make the strangers that tell how near a face is to a person.", train_strangers, {}),
    "selector": (
        "Measure new faces under many attribute sets, and train the selector on the table.",
        train_selector,
        {"recogniser": (_SECOND, ...)},
    ),
    "detector": ("Train the face detector.", train_detector, {"teacher": (_TEACHER, ...), "from_shipped": (_FROM_SHIPPED, False)}),
}


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _command(name: str, task: Callable[..., None], extra: dict[str, Any]) -> Callable[..., None]:
    def train(**values: Any) -> None:
        settings = values.pop("config")
        with errors_shown(), counted(name) as report:
            task(options_file=settings, report=report, **values)

    given = {"data": (_DATA, ...), "out": (_OUT, ...), **extra, "config": (_CONFIG, None)}
    train.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(key, kind, default) for key, (kind, default) in given.items()]
    )
    train.__annotations__ = {key: kind for key, (kind, _) in given.items()}
    return train


for _name, (_help, _task, _extra) in TRAININGS.items():
    app.command(_name, help=_help)(_command(_name, _task, _extra))
