"""Which input goes where, and what is refused before a run begins."""

import os
from pathlib import Path

import pytest

from deid.batch import jobs, places
from deid.core.errors import ConfigError


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _plan(inputs: list[Path], out: Path, overwrite: bool = False) -> dict[str, str]:
    """Source to target or error, relative to the folder that holds all."""
    base = Path(os.path.commonpath([*inputs, out]))
    return {
        os.path.relpath(job.source, base): job.error or os.path.relpath(job.target or "", base) for job in jobs.plan(inputs, out, overwrite)
    }


def test_single_file_goes_to_a_file(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    assert _plan([tmp_path / "a.jpg"], tmp_path / "b.jpg") == {"a.jpg": "b.jpg"}


@pytest.mark.parametrize("address", ["rtsp://me:secret@cam/1", "http://me:se/secret@host/a.jpg", "s3://bucket/a.jpg"])
def test_addresses_are_no_files_and_are_not_repeated(address: str, tmp_path: Path) -> None:
    _touch(tmp_path / "a.gif")
    for inputs, out in (([Path(address)], tmp_path / "out"), ([tmp_path / "a.gif"], Path(address))):
        with pytest.raises(ConfigError, match="got the address") as told:
            places.check_use(inputs, out)
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("out", ["out", "out.d", "out.txt"], ids=["no suffix", "unknown suffix", "no picture's suffix"])
def test_single_file_goes_into_a_folder(out: str, tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    assert _plan([tmp_path / "a.jpg"], tmp_path / out) == {"a.jpg": f"{out}/a.jpg"}


def test_folder_with_a_pictures_suffix_is_a_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    (tmp_path / "out.jpg").mkdir()
    assert _plan([tmp_path / "a.jpg"], tmp_path / "out.jpg") == {"a.jpg": "out.jpg/a.jpg"}


def test_several_files_go_into_a_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "b.png")
    assert _plan([tmp_path / "a.jpg", tmp_path / "b.png"], tmp_path / "o.jpg") == {"a.jpg": "o.jpg/a.jpg", "b.png": "o.jpg/b.png"}


def test_tree_of_a_folder_is_kept_and_other_files_are_left_out(tmp_path: Path) -> None:
    names = ["b.PNG", "a.jpg", "deep/er/c.webp", "deep/notes.txt", "deep/d.tiff", ".hidden.part", "clip.MP4"]
    _touch(*(tmp_path / "in" / n for n in names))
    done = {f"in/{n}": f"out/{n}" for n in ["a.jpg", "b.PNG", "clip.MP4", "deep/d.tiff", "deep/er/c.webp"]}
    left_out = {"in/.hidden.part": "a hidden file", "in/deep/notes.txt": "neither a picture nor a video that is known"}
    assert _plan([tmp_path / "in"], tmp_path / "out") == done | left_out
    order = [job.source.name for job in jobs.plan([tmp_path / "in"], tmp_path / "out") if job.target]
    assert order == ["a.jpg", "b.PNG", "clip.MP4", "d.tiff", "c.webp"]


def test_file_that_was_named_is_tried_whatever_its_suffix(tmp_path: Path) -> None:
    _touch(tmp_path / "photo", tmp_path / "a.dng")
    photo, missing, raw = jobs.plan([tmp_path / "photo", tmp_path / "missing.jpg", tmp_path / "a.dng"], tmp_path / "out")
    assert (photo.target, photo.refused) == (tmp_path / "out/photo", "")
    assert (missing.target, missing.refused) == (None, "wrong use")
    assert "missing.jpg: No such file" in missing.error
    assert (raw.target, raw.refused, raw.error) == (None, "left out", "a camera's raw photo is not read; export it as TIFF or JPEG")


KINDS = {
    "a.dng": "raw photo", "a.NEF": "raw photo", "a.mts": "ffmpeg -i FILE", "a.3gp": "ffmpeg -i FILE", "a.pdf": "a document",
    "a.zip": "an archive", "a.npy": "arrays", "._a.jpg": "macOS's notes", "a.psd": "cannot be written", ".a": "hidden", "a.xyz": "neither",
    "._a.mp4": "macOS's notes",
}  # fmt: skip


@pytest.mark.parametrize(("name", "why"), KINDS.items())
def test_what_a_folder_holds_besides_is_left_out_by_name(name: str, why: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in" / name, tmp_path / "in" / "stereo.mpo")
    left_out, done = sorted(jobs.plan([tmp_path / "in"], tmp_path / "out"), key=lambda job: job.target is not None)
    assert (left_out.source.name, left_out.refused) == (name, "left out")
    assert why in left_out.error
    assert done.target == tmp_path / "out" / "stereo.mpo"


@pytest.mark.parametrize("named", [True, False])
def test_a_pipe_is_never_opened(named: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (job,) = jobs.plan([tmp_path / "in" / "pipe.jpg" if named else tmp_path / "in"], tmp_path / "out")
    assert (job.target, job.refused) == (None, "failed")
    assert "no regular file" in job.error


WRONG_USE: dict[str, tuple[list[str], str, str | None, str]] = {
    "target of an unknown kind": (["a.gif"], "a.xyz", None, "no suffix of a picture or a video"),
    "text": (["a.gif"], "a.txt", None, "no suffix of a picture or a video"),
    "picture to video": (["a.gif"], "a.mp4", None, "a.gif is a picture and a.mp4 is a video"),
    "video to picture": (["a.mp4"], "a.gif", None, "a.mp4 is a video and a.gif is a picture"),
    "picture that is only read": (["a.gif"], "a.psd", None, "cannot be written"),
    "several to one": (["a.gif", "a.mp4"], "o.png", None, "expected a folder for several files"),
    "folder to one": (["in"], "o.png", None, "expected a folder for several files"),
    "inside": (["in"], "in/sub/out", None, "lies inside the input"),
    "inside through a link": (["in"], "link/out", None, "lies inside the input"),
    "below a file": (["a.gif"], "a.mp4/out", None, "Not a directory"),
    "report is a folder": (["a.gif"], "out", "in", "a folder"),
    "report below a file": (["a.gif"], "out", "a.mp4/r.json", "Not a directory"),
    "report over an input": (["a.gif"], "out", "a.gif", "it is an input"),
    "report to a device": (["a.gif"], "out", "/dev/full", "no regular file"),
    "root": (["a.gif"], "/", None, "the root of the file system"),
    "root of a tree": (["in"], "//./", None, "the root of the file system"),
    "root through a link": (["a.gif"], "to_root", None, "the root of the file system"),
}


@pytest.mark.parametrize(("inputs", "out", "report", "message"), WRONG_USE.values(), ids=WRONG_USE.keys())
def test_wrong_use_is_told(inputs: list[str], out: str, report: str | None, message: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in/x.jpg", tmp_path / "a.gif", tmp_path / "a.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "to_root").symlink_to("/")
    with pytest.raises(ConfigError, match=message):
        places.check_use([tmp_path / i for i in inputs], tmp_path / out, report and tmp_path / report)  # type: ignore[arg-type]


@pytest.mark.parametrize("out", ["out", "out.d", "results.2026", "there.xyz", "in", "b.webp"])
def test_right_use_is_let_through(out: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in/x.jpg")
    (tmp_path / "there.xyz").mkdir()
    places.check_use([tmp_path / "in/x.jpg"], tmp_path / out, tmp_path / "new" / "r.json")


def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    one, two, three = (tmp_path / d / "a.jpg" for d in ("one", "two", "three"))
    _touch(one, two, three)
    planned = _plan([one, two, tmp_path / "three"], tmp_path / "out", overwrite=True)
    assert planned["one/a.jpg"] == "out/a.jpg"
    for other in ("two/a.jpg", "three/a.jpg"):
        assert str(one) in planned[other]
        assert "too" in planned[other]


def test_the_same_input_twice_is_handled_once(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    planned = jobs.plan([tmp_path / "a.jpg", tmp_path / "." / "a.jpg"], tmp_path / "out")
    assert [bool(job.error) for job in planned] == [False, True]


def test_outputs_that_meet_through_a_link_collide(tmp_path: Path) -> None:
    _touch(tmp_path / "in/x/a.jpg", tmp_path / "in/y/a.jpg")
    (tmp_path / "out/x").mkdir(parents=True)
    (tmp_path / "out/y").symlink_to(tmp_path / "out/x")
    planned = jobs.plan([tmp_path / "in"], tmp_path / "out", overwrite=True)
    assert [bool(job.error) for job in planned] == [False, True]


def test_in_place_needs_overwrite(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    refused = "is an input; pass --overwrite"
    assert refused in _plan([tmp_path / "in"], tmp_path / "in")["a.jpg"]
    assert refused in _plan([tmp_path / "in/a.jpg"], tmp_path / "in")["a.jpg"]
    assert refused in _plan([tmp_path / "in/a.jpg"], tmp_path / "in/a.jpg")["."]
    assert _plan([tmp_path / "in"], tmp_path / "in", overwrite=True) == {"a.jpg": "a.jpg"}


def test_input_through_a_link_is_still_the_input(tmp_path: Path) -> None:
    _touch(tmp_path / "real/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (job,) = jobs.plan([tmp_path / "link"], tmp_path / "real")
    assert "is an input" in job.error


def test_existing_output_needs_overwrite(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "out/a.jpg")
    assert "exists; pass --overwrite" in _plan([tmp_path / "a.jpg"], tmp_path / "out")["a.jpg"]
    assert _plan([tmp_path / "a.jpg"], tmp_path / "out", overwrite=True) == {"a.jpg": "out/a.jpg"}


def test_output_folder_inside_the_input_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "in/sub/out/old.jpg", tmp_path / "in/sub/b.jpg")
    assert _plan([tmp_path / "in"], tmp_path / "in/sub/out") == {"a.jpg": "sub/out/a.jpg", "sub/b.jpg": "sub/out/sub/b.jpg"}


def test_link_back_to_a_folder_above_is_told_and_not_followed(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "in/deep/b.jpg")
    (tmp_path / "in/deep/loop").symlink_to(tmp_path / "in")
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned.pop("in/deep/loop") == "the link leads back to a folder that holds it"
    assert planned == {"in/a.jpg": "out/a.jpg", "in/deep/b.jpg": "out/deep/b.jpg"}


def test_link_to_itself_is_told(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    (tmp_path / "in/self.jpg").symlink_to(tmp_path / "in/self.jpg")
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned["in/a.jpg"] == "out/a.jpg"
    assert "in/self.jpg" in planned


def test_link_to_another_folder_is_followed(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "else/b.jpg")
    (tmp_path / "in/more").symlink_to(tmp_path / "else")
    assert _plan([tmp_path / "in"], tmp_path / "out") == {"in/a.jpg": "out/a.jpg", "in/more/b.jpg": "out/more/b.jpg"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission_is_told(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    (tmp_path / "in/locked").mkdir(mode=0)
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned == {"in/a.jpg": "out/a.jpg", "in/locked": "cannot read the folder: Permission denied"}


def test_empty_folder_gives_no_job(tmp_path: Path) -> None:
    assert jobs.plan([tmp_path], tmp_path / "out") == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a folder in which even root can write nothing")
@pytest.mark.parametrize("place", ["/proc/x/a.png", "/proc/a.png"])
def test_place_where_nobody_can_write_is_told_at_once(place: str, tmp_path: Path) -> None:
    _touch(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=f"cannot write the output {place}"):
        places.check_use([tmp_path / "a.png"], Path(place))
    with pytest.raises(ConfigError, match="cannot write the report"):
        places.check_use([tmp_path / "a.png"], tmp_path / "b.png", Path("/proc/r.json"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_video_needs_no_plugin_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.imaging.plugins.suffixes", lambda: pytest.fail("Pillow's plugins were read"))
    video, out = tmp_path / "a.mp4", tmp_path / "b.mkv"
    video.touch()
    places.check_use([video], out)
    assert jobs.plan([video], out) == [jobs.Job(video, out)]
