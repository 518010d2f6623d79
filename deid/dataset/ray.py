"""Workers on a cluster: Ray actors with one copy of the models each. All machines see input and output under one path."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from deid.core.errors import DependencyError
from deid.dataset import crew
from deid.dataset.crew import Dead, Event, Hand, Ready, Unfit
from deid.dataset.records import Record, Task
from deid.dataset.work import Work, Worker


def run(tasks: Iterator[Task], work: Work, workers: int, address: str | None = None) -> Iterator[Record | Ready]:
    """One record for each task, from a number of actors; see `deid.dataset.crew.run`.

    Args:
        tasks: what to do.
        work: how.
        workers: actors; each takes one CPU of the cluster, and a share of a GPU where there are GPUs.
        address: of the cluster; one is started on this machine when None, and ended with the run.

    Raises:
        DependencyError: Ray is not installed.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise DependencyError("--engine ray needs ray: pip install 'deid-face[ray]'") from error
    ours = not ray.is_initialized()
    if ours:
        own = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
        ray.init(address=address or "local", log_to_driver=False, configure_logging=False, **own)
    try:
        gpus = float(ray.cluster_resources().get("GPU", 0))
        share = min(1.0, gpus / workers)
        # What a dead actor had is handed out again by the crew, which suspects only the file in work.
        actor = ray.remote(num_cpus=1, num_gpus=share, max_restarts=0, max_task_retries=0)(Worker)
        yield from crew.run(tasks, _Actors(ray, actor, work), workers)
    finally:
        if ours:
            ray.shutdown()


@dataclass(slots=True, eq=False)
class _Link:
    """An actor and the answers that it owes, oldest first."""

    actor: Any
    owed: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Actors:
    ray: Any
    actor: Any
    work: Work

    def hire(self) -> Hand:
        actor = self.actor.remote(self.work)
        return Hand(_Link(actor, [actor.versions.remote()]))

    def give(self, hand: Hand, task: Task) -> None:
        hand.link.owed.append(hand.link.actor.do.remote(task))

    def wait(self, hands: list[Hand]) -> list[tuple[Hand, Event]]:
        oldest = {hand.link.owed[0]: hand for hand in hands if hand.link.owed}
        answered, _ = self.ray.wait(list(oldest), num_returns=1)
        return [(oldest[answer], self._event(oldest[answer])) for answer in answered]

    def dismiss(self, hands: list[Hand]) -> None:
        for hand in hands:
            self.ray.kill(hand.link.actor)

    def _event(self, hand: Hand) -> Event:
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(hand.link.owed.pop(0))
        except errors.ActorDiedError as error:
            # An actor whose models could not be loaded says so in a traceback, at whose end is the error of ours.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return Unfit(lines[-1]) if "creation task" in lines[0] else Dead(lines[0])
        except errors.RayActorError as error:
            return Dead(str(error).splitlines()[0])
        return answer if isinstance(answer, Record) else Ready(answer)
