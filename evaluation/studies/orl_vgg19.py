"""Blurred ORL faces, a frozen VGG-19 and a softmax head.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torchvision.models import vgg19

from evaluation.results import Results
from evaluation.studies.options import StudyOptions
from evaluation.studies.orl import OrlStudy, run

#: Mean and deviation of ImageNet, which the pretrained network expects.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 50


def orl_vgg19(options: StudyOptions) -> Results:
    """Softmax on the features of a frozen VGG-19."""
    network, source = load_network(options.seed)
    study = OrlStudy(
        title="orl-vgg19: blurred ORL faces, a frozen VGG-19 and a softmax head",
        method="VGG-19 and softmax",
        features=partial(features, network),
        model=softmax,
        sigmas=(0.0, 2.0, 4.0, 8.0),
        published="95 % (blurred, pretrained VGG-19, sigma not given)",
        differs=f"{source}; several sigmas, for the published one is not known; gallery and probe are blurred alike; all ten 90/10 splits",
        settings={"features": source},
    )
    return run(study, options)


def load_network(seed: int) -> tuple[nn.Module, str]:
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
def features(network: nn.Module, images: NDArray[np.float64]) -> NDArray[np.float32]:
    """Grey images (N, 64, 64) in [0, 255] to features (N, 2048)."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _DEVIATION))
    rows = []
    for start in range(0, len(images), _BATCH):
        grey = torch.from_numpy(images[start : start + _BATCH].astype(np.float32) / 255.0)[:, None].expand(-1, 3, -1, -1)
        rows.append(network((grey - mean) / deviation).flatten(1).numpy())
    return np.concatenate(rows)


def softmax() -> Any:
    """Logistic regression on standardised features; the penalty suits thousands of features and nine photos a person."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
