"""Blurred ORL faces, a frozen VGG-19 and a softmax head.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torchvision.models import vgg19

from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions
from evaluation.studies.orl_knn import folds, orl_faces

_SIGMAS = (0.0, 2.0, 4.0, 8.0)
_PUBLISHED = "95 % (blurred, pretrained VGG-19, sigma not given)"
#: Mean and deviation of ImageNet, which the pretrained network expects.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 50


def orl_vgg19(options: StudyOptions) -> Results:
    """Softmax on the features of a frozen VGG-19; every photo is tested once, in ten 90/10 splits."""
    images, labels = orl_faces()
    fold = folds(labels, options.seed)
    network, source = _network(options.seed)
    options.stage("sigmas", len(_SIGMAS))
    lines: list[Measure] = []
    for sigma in _SIGMAS:
        features = _features(network, ndimage.gaussian_filter(images, (0, sigma, sigma)))
        hit = _hits(features, labels, fold)
        interval = share_interval(hit, [str(i) for i in labels], options.seed)
        note = f"{source}; gallery and probe blurred alike; ten 90/10 splits"
        lines.append(
            measure(f"sigma {sigma:g}", "rank 1, VGG-19 and softmax", interval, unit="%", better="lower", published=_PUBLISHED, note=note)
        )
        options.tick()
    curve = Curve(
        plot="strength", label="VGG-19 and softmax", recogniser="sigma in pixels of 64", x=list(_SIGMAS), y=[m.value for m in lines]
    )
    return Results(
        kind="study",
        title="orl-vgg19: blurred ORL faces, a frozen VGG-19 and a softmax head",
        settings={"data": "ORL, 40 people, 400 photos", "features": source, "seed": options.seed},
        environment=environment(),
        measures=tuple(lines),
        curves=(curve,),
    )


def _network(seed: int) -> tuple[nn.Module, str]:
    """The convolutions of VGG-19, and where their weights come from: torchvision's when they are cached, else random ones."""
    cached = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("vgg19-*.pth"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = vgg19(weights=None)
    if cached:
        network.load_state_dict(torch.load(cached[0], map_location="cpu", weights_only=True))
    source = f"pretrained weights {cached[0].name}" if cached else "random weights: no pretrained ones are cached"
    return network.features.eval().requires_grad_(False), source


@torch.inference_mode()
def _features(network: nn.Module, images: NDArray[np.float64]) -> NDArray[np.float32]:
    """Grey images (N, 64, 64) in [0, 255] to features (N, 2048)."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _DEVIATION))
    rows = []
    for start in range(0, len(images), _BATCH):
        grey = torch.from_numpy(images[start : start + _BATCH].astype(np.float32) / 255.0)[:, None].expand(-1, 3, -1, -1)
        rows.append(network((grey - mean) / deviation).flatten(1).numpy())
    return np.concatenate(rows)


def _hits(features: NDArray[np.float32], labels: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    hit = np.zeros(len(labels))
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        hit[test] = model.fit(features[train], labels[train]).predict(features[test]) == labels[test]
    return hit
