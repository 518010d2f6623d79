"""The two streams on people made of noise, and the study's lines on matchers whose answer is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.core.types import Crops, Embeddings
from evaluation import datasets
from evaluation.results import Measure
from evaluation.studies import blur_triplet
from evaluation.studies.blur_triplet import _curves, _faces, _lines, _Matcher, _words
from evaluation.studies.two_streams import SIDE, TwoStreams, Variant, blur, embed, framed, train, triplet_loss
from evaluation.studies.two_streams import _batches as batches

BLURRED = Variant(sigmas=(2.0, 6.0))


def test_the_loss_is_zero_where_mates_are_nearer_by_the_margin_and_one_where_all_are_alike() -> None:
    far = torch.eye(3)
    assert triplet_loss(far, far).item() == pytest.approx(0.0)
    same = torch.ones(3, 2)
    assert triplet_loss(same, same).item() == pytest.approx(1.0)


def test_the_loss_is_that_of_torch_over_all_triplets() -> None:
    rng = torch.Generator().manual_seed(0)
    sharp, blurred = (torch.nn.functional.normalize(torch.randn(4, 5, generator=rng)) for _ in range(2))
    triplets = [(a, n) for a in range(4) for n in range(4) if n != a]
    anchors, negatives = (torch.tensor(column) for column in zip(*triplets, strict=True))
    expected = [
        torch.nn.functional.triplet_margin_loss(x[anchors], y[anchors], y[negatives], margin=1.0, eps=0.0)
        for x, y in ((sharp, blurred), (blurred, sharp))
    ]
    assert triplet_loss(sharp, blurred).item() == pytest.approx(torch.stack(expected).mean().item(), abs=1e-6)


def _people(make_person: Callable[[int, int], NDArray[np.uint8]], n_people: int, n_photos: int) -> Crops:
    return np.stack([[make_person(i, k) for k in range(n_photos)] for i in range(n_people)])


def test_a_batch_holds_two_photos_of_each_person_one_of_them_blurred(make_person: Callable[[int, int], NDArray[np.uint8]]) -> None:
    photos = _people(make_person, 5, 3)
    ((sharp, blurred),) = batches(photos, Variant(sigmas=(12.0, 14.0)), 1, np.random.default_rng(0))
    assert sharp.shape == blurred.shape == (5, 3, SIDE, SIDE)
    assert sharp.abs().max() <= 1
    detail = [x.diff(dim=3).abs().mean().item() for x in (sharp, blurred)]
    assert detail[1] < 0.5 * detail[0]


def test_the_face_window_and_no_blur() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    assert (framed(crop, Variant((5, 5), tight=True)) == crop[36:112, 26:102]).all()
    assert framed(crop, BLURRED) is not crop
    assert (blur(crop[None], 0.0)[0] == crop).all()
    assert blur(crop[None], 12.0)[0].std() < 0.2 * crop.std()


def test_training_brings_the_photos_of_a_person_together(make_person: Callable[[int, int], NDArray[np.uint8]]) -> None:
    photos = _people(make_person, 6, 2)
    ticks: list[int] = []
    before, after = train(photos, BLURRED, 0, 0), train(photos, BLURRED, 15, 0, lambda: ticks.append(1))
    assert len(ticks) == 15
    assert not after.training
    ((sharp, blurred),) = batches(photos, BLURRED, 1, np.random.default_rng(9))
    # In the statistics of the batch: fifteen steps are too few for the running ones.
    losses = [triplet_loss(*streams.train()(sharp, blurred)).item() for streams in (before, after)]
    assert losses[1] < 0.95 * losses[0]


def test_a_seed_gives_the_same_streams_again(make_person: Callable[[int, int], NDArray[np.uint8]]) -> None:
    photos = _people(make_person, 3, 2)
    first, second, other = (train(photos, BLURRED, 1, seed).state_dict().values() for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_embeddings_are_of_unit_length(make_person: Callable[[int, int], NDArray[np.uint8]]) -> None:
    rows = embed(TwoStreams().eval().sharp, _people(make_person, 40, 1)[:, 0], Variant((5, 20), tight=True))
    assert rows.shape == (40, 128)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_nothing_is_shared_between_the_streams() -> None:
    streams = TwoStreams()
    assert not {id(p) for p in streams.sharp.parameters()} & {id(p) for p in streams.blurred.parameters()}


def _mean_colour(crops: Crops) -> Embeddings:
    rows = crops.astype(np.float64).mean(axis=(1, 2))
    rows -= 127.5
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _photos(n: int) -> Crops:
    colours = np.random.default_rng(0).integers(0, 255, (n, 1, 1, 1, 3))
    return np.broadcast_to(colours, (n, 2, 128, 128, 3)).astype(np.uint8)


def test_a_matcher_of_mean_colours_is_not_moved_by_blur() -> None:
    lines = list(_lines(_Matcher("colour", True, _mean_colour, _mean_colour), _photos(6), "seen people", 0))
    values: dict[str, list[Measure]] = {}
    for m in lines:
        values.setdefault(m.name, []).append(m)
    assert [m.value for m in values["similarity of mates"]] == pytest.approx([1.0] * 7, abs=1e-3)
    assert [m.value for m in values["AUC"]] == pytest.approx([1.0] * 7)
    assert max(m.value for m in values["similarity of strangers"]) < 0.9
    assert {(m.n, m.n_people) for m in values["similarity of strangers"]} == {(30, 6)}
    assert {m.published for m in values["similarity of mates"]} == {"0.4 to 0.8"}
    similarity, area = _curves(lines)
    assert (similarity.plot, area.plot, similarity.recogniser) == ("similarity", "auc", "seen people")
    assert similarity.x == [0, 4, 8, 12, 16, 20, 24]


def test_variants_say_in_words_what_they_are() -> None:
    words = [_words(v) for v in blur_triplet._VARIANTS.values()]
    assert words == [
        "sigma 5 to 20 at random",
        "sigma 12, a square of 0.75 to 1 of the side at random",
        "sigma 5 to 20 at random, a square of 0.75 to 1 of the side at random",
        "sigma 5 to 20 at random, the face alone",
    ]


def test_one_person_is_too_few() -> None:
    with pytest.raises(DataError, match="at least two people with 2 photos, got 1"):
        _faces([datasets.Photo(str(i), "a", "", bytes) for i in range(2)], 2, datasets.LFW_POINTS)


def test_the_study_runs_small(lfw_data: object, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = {name: blur_triplet._VARIANTS[name] for name in ("random crop", "tight crop")}
    monkeypatch.setattr(blur_triplet, "_VARIANTS", variants)
    monkeypatch.setattr(blur_triplet, "_SIGMAS", (0.0, 12.0))
    results = blur_triplet.blur_triplet(blur_triplet.StudyOptions(people=4, steps=1))
    assert len(results.measures) == 2 * 3 * 2 * 3
    assert {m.recogniser for m in results.measures} == {"mobilefacenet-ms1m (baseline)", *variants}
    name = "mobilefacenet-ms1m (baseline)"
    sharp, blurred = (results.find("similarity of mates", name, section=f"seen people, sigma {sigma}").value for sigma in (0, 12))
    assert sharp > blurred + 0.2
