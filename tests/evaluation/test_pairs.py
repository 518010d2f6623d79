import numpy as np

from deid.check.recognition import strangers
from evaluation.pairs import mated_and_non_mated, other_photo, same_photo, score_table

NAMES = ["a", "b", "a", "c", "b", "a"]


def test_the_first_photo_is_the_gallery_and_single_photos_stay_in_it() -> None:
    split = other_photo(NAMES)
    assert split.gallery.tolist() == [0, 1, 3]
    assert split.probes.tolist() == [2, 4, 5]
    assert split.own.tolist() == [0, 1, 0]


def test_other_photos_of_the_own_person_count_as_nobody() -> None:
    rows = np.eye(6, dtype=np.float32)
    table = score_table(rows, rows, same_photo(6), NAMES)
    assert table[0, 0] == 1.0
    assert np.isneginf(table[0, [2, 5]]).all()
    assert np.isfinite(table[0, [1, 3, 4]]).all()


def test_mated_and_non_mated_pairs_are_all_pairs_that_count() -> None:
    rows = np.eye(6, dtype=np.float32)
    split = same_photo(6)
    mated, others, probe = mated_and_non_mated(score_table(rows, rows, split, NAMES), split.own)
    assert mated.tolist() == [1.0] * 6
    assert len(others) == len(probe) == 36 - 6 - (3 * 2 + 2 * 1)


def test_strangers_are_pairs_of_different_names_once() -> None:
    assert len(strangers(np.eye(6, dtype=np.float32), NAMES)) == 15 - 4
