"""The study of scale: what a photo costs without the start, and what the simulation makes of it."""

import pytest

from evaluation.studies import scale as study
from evaluation.studies.launch import Run
from evaluation.studies.scale import hours, measures


def test_a_photo_costs_what_a_longer_run_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_MILLION", 1000)
    found = {(m.section, m.name): m for m in measures("blur", Run(9.0, 2.0, 100.0), Run(9.0, 12.0, 200.0), 21)}
    assert found["one worker", "blur, CPU seconds a photo"].value == pytest.approx(0.5)
    assert found["one worker", "blur, peak memory of a process"].value == 200.0
    simulated = [m for (section, _), m in found.items() if "simulated" in section]
    assert len(simulated) == 2 * len(study._WORKERS)
    assert found["a million photos, simulated", "blur, 1 workers"].value == pytest.approx(500 / 3600, rel=0.1)


def test_workers_share_the_photos_until_the_parent_limits_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "START_S", 0.0)
    one, ten = hours(20_000, 1, 0.2), hours(20_000, 10, 0.2)
    assert one == pytest.approx(20_000 * 0.2 / 3600, rel=0.03)
    assert ten == pytest.approx(one / 10, rel=0.03)
    # A thousand workers wait for the parent, which answers one at a time.
    assert hours(20_000, 1000, 0.2) == pytest.approx(20_000 * study.PARENT_S / 3600, rel=0.15)


def test_a_worker_that_dies_costs_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = hours(5000, 1, 0.2)
    monkeypatch.setattr(study, "LIFE_H", 0.01)
    assert hours(5000, 1, 0.2) > 1.2 * usual
