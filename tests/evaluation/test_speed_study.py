"""The speed study runs commands in turns and sets its medians beside those of deface."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from deid.check.videos import facts
from deid.core.errors import DataError
from evaluation.datasets import data_folder
from evaluation.studies import speed as study
from evaluation.studies import speed_inputs, throughput
from evaluation.studies.launch import Run, run
from evaluation.studies.options import StudyOptions
from evaluation.studies.speed import measures, speed
from evaluation.studies.speed_inputs import two_faces
from evaluation.studies.throughput import Command, Job
from evaluation.studies.video_rates import video_rates


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
    assert found.output == "done\n"
    assert found.wall_s >= 0.3
    assert 80 < found.peak_mb < 160


def test_a_failing_command_is_told() -> None:
    with pytest.raises(DataError, match=r"ended with 3: .*because"):
        run([sys.executable, "-c", "import sys; print('because', file=sys.stderr); sys.exit(3)"])


def test_a_command_may_keep_its_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has its own; without it every start compiles the package anew."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert run([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]).output.strip() == "False"


def test_commands_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    peer = tmp_path / "deface"
    peer.write_text(f"#!{sys.executable}\nprint('peer')\n")
    monkeypatch.setattr(study.shutil, "which", lambda name: str(peer))
    job = Job("film", "frame", 10, {"old": Command(["old", "{turn}"], tmp_path), "deid": Command(["deid", "{turn}"])}, least=3.0)
    monkeypatch.setattr(throughput, "jobs", lambda scratch, deface, old: [job])
    seen: list[tuple[str, str, Path | None]] = []

    def fake(command: list[str], path: Path | None = None) -> Run:
        seen.append((Path(command[0]).name, command[1], path))
        slow = 4.0 if command[0] == "old" else 1.0
        return Run(slow, slow, 100.0, "[[[1.0, 1.0]], {}]")

    monkeypatch.setattr(study, "run", fake)
    results = speed(StudyOptions(steps=2, old=tmp_path))
    assert len(seen) == 16
    assert [name for name, *_ in seen[:8]] == [name for name, *_ in seen[8:]]
    assert seen[0][0] == "deface"
    assert seen[3][0] == Path(sys.executable).name
    # Every turn has outputs of its own, and the old build finds its own package.
    assert (seen[6], seen[14]) == (("old", "0", tmp_path), ("old", "1", tmp_path))
    assert seen[7] == ("deid", "0", None)
    assert results.settings["turns"] == 2
    assert results.settings["old build"] == "no commit"
    found = {(m.section, m.name): m for m in results.measures}
    assert found["whole command", "blur, wall, times deface's"].value == 1.0
    faster = found["film", "rate, times the old build's"]
    assert (faster.value, faster.passed, faster.limit) == (4.0, True, "at least 3 x")
    assert found["film", "deid, rate"].value == 10.0


def test_videos_alone_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = {"old": Command(["old"], tmp_path), "deid": Command(["deid"])}
    jobs = [Job("film", "frame", 10, commands), Job("data set", "photo", 10, commands)]
    monkeypatch.setattr(throughput, "jobs", lambda scratch, deface, old: jobs)
    seen: list[str] = []
    monkeypatch.setattr(study, "run", lambda words, path: seen.append(words[0]) or Run(4.0 if words[0] == "old" else 5.0, 1.0, 1.0))
    results = video_rates(StudyOptions(steps=2, old=tmp_path))
    assert seen == ["old", "deid"] * 2
    assert {m.name: m.value for m in results.measures}["rate, times the old build's"] == pytest.approx(0.8)


def test_videos_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEID_DATA", str(tmp_path))
    with pytest.raises(DataError, match="DEID_DATA"):
        video_rates(StudyOptions())


def test_a_video_s_blur_is_set_beside_deface_s() -> None:
    job = Job("film", "frame", 10, {}, most=1 / 6)
    found = {m.name: m for m in throughput.measures(job, {"deface": [Run(9.0, 30.0, 1.0)], "deid": [Run(9.0, 6.0, 1.0)]})}
    share = found["CPU seconds, times deface's"]
    assert (share.value, share.passed) == (pytest.approx(0.2), False)
    assert found["deid, CPU seconds a frame"].value == 0.6


def test_jobs_are_those_whose_data_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clips = data_folder() / "clips"
    if not (clips / "talking.mp4").is_file():
        pytest.skip("needs the clips of the data")
    monkeypatch.setenv("DEID_DATA", str(tmp_path))
    assert throughput.jobs(tmp_path, None, None) == []
    (tmp_path / "clips").symlink_to(clips)
    monkeypatch.setattr(speed_inputs, "FACES_FRAMES", 2)
    monkeypatch.setattr(speed_inputs, "STREET_FRAMES", 2)
    street, faces = throughput.jobs(tmp_path, "deface", Path("elsewhere"))
    assert set(street.commands) == {"deface", "old", "deid"}
    assert set(faces.commands) == {"old", "deid"}
    assert faces.commands["old"].path == Path("elsewhere")
    assert facts(tmp_path / "talking.mp4").size_hw == (512, 1024)
    assert facts(tmp_path / "street.mp4").n_frames == 2


def test_without_the_data_the_demo_s_photos_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEID_DATA", str(tmp_path))
    path, shown = two_faces(tmp_path)
    assert shown == "the demo's photos"
    with PillowImage.open(path) as photo:
        assert photo.size == (1280, 720)
