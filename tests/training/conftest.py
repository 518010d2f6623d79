"""Random crops that stand for faces."""

import numpy as np
import pytest

from deid.training.data import FaceData, split_of


@pytest.fixture(scope="session")
def faces() -> FaceData:
    """60 crops of 30 people of the training split, 20 of them without labels but gender, and 12 of the validation split."""
    rng = np.random.default_rng(0)
    train = [f"lfw/p{i}" for i in range(200) if split_of(f"lfw/p{i}") == "train"][:30]
    validation = [f"celeba/p{i}" for i in range(900) if split_of(f"celeba/p{i}") == "validation"][:12]
    identities = np.array([*np.repeat(train, 2), *validation])
    labels = rng.integers(0, 2, (len(identities), 13)).astype(np.int8)
    # As the crops are bright or dark, so are the labels: there is something to learn.
    labels[:, 7] = np.arange(len(identities)) % 2
    crops = (
        rng.integers(0, 120, (len(identities), 128, 128, 3), dtype=np.uint8) + (labels[:, 7] * 120).astype(np.uint8)[:, None, None, None]
    )
    labels[:20, :7], labels[:20, 8:] = -1, -1
    names = np.array([f"{i}.jpg" for i in range(len(identities))])
    return FaceData(crops, names, identities, labels, np.array([i.split("/")[0] for i in identities]))
