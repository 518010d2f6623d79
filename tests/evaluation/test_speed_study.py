"""The speed study runs commands in turns and sets its medians beside those of deface."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from evaluation.studies import speed as study
from evaluation.studies.options import StudyOptions
from evaluation.studies.speed import Run, measures, run, speed, two_faces


def _runs() -> dict[str, list[Run]]:
    def told(wall: float) -> str:
        return "hello\n" + json.dumps([[[wall, 2 * wall]], {"first detection": [0.5 * wall]}])

    return {
        "deface": [Run(1.0, 1.5, 300.0), Run(3.0, 1.5, 300.0), Run(2.0, 1.5, 300.0)],
        "blur": [Run(4.0, 3.0, 450.0)],
        "new faces": [Run(12.0, 3.0, 800.0)],
        "deface, loaded": [Run(9.0, 9.0, 9.0, told(0.2))],
        "blur, loaded": [Run(9.0, 9.0, 9.0, told(0.3))],
        "new faces, loaded": [Run(9.0, 9.0, 9.0, told(0.8))],
    }


def test_medians_are_set_beside_deface_s_and_judged() -> None:
    found = {(m.section, m.name): m for m in measures(_runs())}
    assert found["whole command", "deface, wall"].value == 2.0
    wall, memory = (found["whole command", f"blur, {what}, times deface's"] for what in ("wall", "peak memory"))
    assert (wall.value, wall.passed) == (2.0, True)
    assert (memory.value, memory.passed) == (1.5, True)
    assert found["whole command", "new faces, wall, times deface's"].passed is False
    assert found["whole command", "new faces, peak memory against its limit"].passed is False
    assert found["models loaded", "blur, wall, times deface's"].value == pytest.approx(1.5)
    assert found["models loaded", "new faces, CPU, times deface's"].passed is False
    assert found["steps", "blur, first detection, CPU"].value == pytest.approx(0.15)
    assert found["steps", "blur, edit and gate, CPU"].value == pytest.approx(0.45)


def test_without_deface_there_is_no_ratio() -> None:
    left = {kind: of for kind, of in _runs().items() if "deface" not in kind}
    assert not any("times" in m.name for m in measures(left))
    assert any(m.name == "blur, peak memory" for m in measures(left))


def test_a_process_is_measured_by_itself() -> None:
    program = "import time; held = bytearray(80 << 20); time.sleep(0.3); print('done')"
    found = run([sys.executable, "-c", program])
    assert found.told == "done\n"
    assert found.wall_s >= 0.3
    assert 80 < found.peak_mb < 160


def test_a_failing_command_is_told() -> None:
    with pytest.raises(DataError, match=r"ended with 3: .*because"):
        run([sys.executable, "-c", "import sys; print('because', file=sys.stderr); sys.exit(3)"])


def test_commands_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    peer = tmp_path / "deface"
    peer.write_text(f"#!{sys.executable}\nprint('peer')\n")
    monkeypatch.setattr(study.shutil, "which", lambda name: str(peer))
    seen: list[str] = []

    def fake(command: list[str]) -> Run:
        seen.append(Path(command[0]).name)
        return Run(1.0, 1.0, 100.0, "[[[1.0, 1.0]], {}]")

    monkeypatch.setattr(study, "run", fake)
    results = speed(StudyOptions(steps=2))
    assert len(seen) == 12
    assert seen[:6] == seen[6:]
    assert seen[0] == "deface"
    assert seen[3] == Path(sys.executable).name
    assert results.settings["turns"] == 2
    assert any(m.name == "blur, wall, times deface's" and m.value == 1.0 for m in results.measures)


def test_without_the_data_the_demo_s_photos_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEID_DATA", str(tmp_path))
    path, shown = two_faces(tmp_path)
    assert shown == "the demo's photos"
    with PillowImage.open(path) as photo:
        assert photo.size == (1280, 720)
