"""The picture of a run's losses."""

from pathlib import Path

import pytest
from PIL import Image

from deid.training.curves import plot


def test_every_loss_has_a_panel(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    plot([{"step": i, "d": 1.0 / i} for i in range(1, 30)], one)
    plot([{"step": i, "d": 1.0 / i} | ({"morph": 0.1} if i > 10 else {}) for i in range(1, 30)], two)
    with Image.open(one) as a, Image.open(two) as b:
        assert b.height == pytest.approx(2 * a.height, abs=2)


def test_no_losses_no_picture(tmp_path: Path) -> None:
    plot([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
