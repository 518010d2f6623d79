"""A run's state comes back whole, and nothing in it is executed."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from deid.core.errors import WeightsFormatError
from deid.training import checkpoint


def test_state_comes_back(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    checkpoint.save(tmp_path / "deep" / "run.pt", {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": 7})
    state = checkpoint.load(tmp_path / "deep" / "run.pt")
    assert state is not None
    assert state["step"] == 7
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(state["network"])
    assert torch.equal(other.weight, network.weight)
    torch.optim.Adam(other.parameters()).load_state_dict(state["optimiser"])
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run.pt"]


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "run.pt") is None


def test_save_that_fails_keeps_the_last_state(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "run.pt", {"step": 1})

    class _Unpicklable:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path / "run.pt", {"step": _Unpicklable()})
    state = checkpoint.load(tmp_path / "run.pt")
    assert state == {"step": 1}


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["torch", "pickle", "text", "cut"])
def test_anything_else_is_refused_and_not_executed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    if kind == "torch":
        torch.save({"step": _Bomb(tmp_path / "boom")}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"step": _Bomb(tmp_path / "boom")}))
    elif kind == "cut":
        checkpoint.save(path, {"weights": torch.ones(1000)})
        path.write_bytes(path.read_bytes()[:1500])
    else:
        path.write_text("hello")
    with pytest.raises(WeightsFormatError, match=r"expected a training checkpoint in run\.pt"):
        checkpoint.load(path)
    assert not (tmp_path / "boom").exists()
