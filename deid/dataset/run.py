"""A run from its listing to its report, in one process or resumed."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.batch import places
from deid.core.errors import DataError, DeidError
from deid.core.options import Options
from deid.dataset import local, ray, report
from deid.dataset.crew import Ready
from deid.dataset.folders import private_folder
from deid.dataset.ledger import Ledger, Totals, notes_of
from deid.dataset.records import Record, Task
from deid.dataset.sources import open_source
from deid.dataset.verify import Problem, look_again, verify
from deid.dataset.work import Work

if TYPE_CHECKING:
    from deid.anonymizer.protocols import PictureEngine

_GONE = "its output is gone: it was taken away while the run went on"
#: How workers run, by name.
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Input, output and workers of a run.

    Args:
        given: a folder, a pattern, a table, a shard or a Hugging Face data set.
        out: the output; new or empty, unless the run is resumed.
        options: how pictures are anonymized. Without a seed a fresh one is drawn and kept in the ledger.
        workers: processes or actors; as many as there are cores when 0.
        engine: `local` or `ray`.
        address: of the Ray cluster; one is started for the run when None.
        resume: continue an interrupted run.
        make_engine: builds the engine in each worker; it must pickle.
        make_looker: builds the engine that looks at the output again, of which only the detector is used; as in the workers when None.
    """

    given: str
    out: Path
    options: Options
    make_engine: "Callable[[], PictureEngine]"
    make_looker: "Callable[[], PictureEngine] | None" = None
    workers: int = 0
    engine: str = "local"
    address: str | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise DataError(f"expected engine to be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.workers < 0:
            raise DataError(f"expected a number of workers, got {self.workers}")
        if self.options.consistency == "dataset" and (self.workers != 1 or self.engine != "local" or self.resume):
            raise DataError(
                "consistency 'dataset' is kept in the memory of one process for one sitting: expected 1 local worker and no resumed run, "
                f"got {self.workers or 'one per core'} of engine {self.engine}{', resumed' if self.resume else ''}"
            )
        # Workers elsewhere have another current folder.
        object.__setattr__(self, "given", os.path.abspath(self.given))
        object.__setattr__(self, "out", Path(os.path.abspath(self.out)))
        private_folder(self.out)

    @property
    def private(self) -> Path:
        """The folder beside the output for what must not be published."""
        return private_folder(self.out)

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.private / "ledger.sqlite"


def run(plan: Plan, notify: Callable[[Totals, Record], None] = lambda totals, record: None) -> Totals:
    """Anonymize a data set, or continue an interrupted run.

    Args:
        plan: what to do.
        notify: called with where the run stands after each file.

    Returns:
        Where the run stands at its end: nothing is pending.

    Raises:
        DataError: the data set or the output cannot be used, or the ledger is of another run.
        DeidError: the models cannot be loaded.
    """
    source = open_source(plan.given, plan.out)
    places.check_place(plan.out / "x", "the output")
    with _begun(plan), _open(plan) as ledger:
        # What is done is not listed as work again, so that a resumed run takes up where it was broken off.
        ledger.begin(_facts(plan, ledger), source.items())
        seed = int(ledger.facts()["seed"])
        work = Work(
            source,
            plan.private / "parts" if source.packed else plan.out,
            plan.make_engine,
            seed,
        )
        if plan.resume:
            ledger.again(_gone(plan, ledger, work))
        if ledger.totals().pending:
            ledger.note("finished", False)
            _do(plan, ledger, work, notify)
        if not ledger.facts().get("finished"):
            ledger.lose(() if work.source.packed else _gone(plan, ledger, work), _GONE)
            _finish(plan, ledger, work)
            ledger.note("finished", True)
        return ledger.totals()


def left_out(plan: Plan) -> list[tuple[str, str]]:
    """Name and reason of every file that is neither a picture nor a label, or must not be carried over."""
    with Ledger(plan.ledger) as ledger:
        return [(name, why) for name, why in ledger.select("SELECT name, why FROM files WHERE status = 'left out' ORDER BY id")]


def failed(plan: Plan) -> list[tuple[str, str]]:
    """Name and reason of every file without an output, damaged members of shards among them."""
    with Ledger(plan.ledger) as ledger:
        return [(name, why) for name, why in ledger.select("SELECT name, why FROM files WHERE status = 'failed' ORDER BY id")]


def notes(plan: Plan) -> list[tuple[str, int, str]]:
    """What was left out of pictures or changed besides their faces: how many have each note, and the name of one of them."""
    with Ledger(plan.ledger) as ledger:
        return list(notes_of(ledger))


@contextmanager
def _begun(plan: Plan) -> Iterator[None]:
    """Leave no trace of a run that ended before its first file: a call with other options then needs no --resume."""
    fresh = not plan.private.exists()
    try:
        yield
    except DeidError:
        if fresh and plan.private.exists() and not (plan.ledger.exists() and _any_done(plan)):
            shutil.rmtree(plan.private, ignore_errors=True)
            with contextlib.suppress(OSError):
                plan.out.rmdir()
        raise


def _any_done(plan: Plan) -> bool:
    with Ledger(plan.ledger) as ledger:
        totals = ledger.totals()
        return bool(totals.done or totals.labels) or any(ledger.select("SELECT 1 FROM files WHERE input_sha256 IS NOT NULL LIMIT 1"))


def _gone(plan: Plan, ledger: Ledger, work: Work) -> list[int]:
    """Numbers of the files that are done and whose outputs are not there, or not whole."""
    rows = list(ledger.select("SELECT id, name, size FROM files WHERE status = 'done' ORDER BY id"))
    gone = [number for number, name, size in rows if not _is_there(work.target_of(number, name), size)]
    if not work.source.packed or not ledger.facts().get("finished"):
        return gone
    # The parts of a finished run were put together and removed: they are needed again when anything is missing from what they made.
    try:
        packed = {name for name, _ in work.source.outputs(plan.out)}
    except (DeidError, OSError):
        packed = set()
    whole = all(name in packed for _, name, _ in rows)
    pending = ledger.totals().pending > 0
    return [] if whole and not pending else gone


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def check(plan: Plan, notify: Callable[[int, int], None] = lambda done, of: None) -> Iterator[Problem]:
    """Verify a finished output against its ledger, and search every picture again; see `deid.dataset.verify`.

    Args:
        plan: of the run; the detector is that of its options.
        notify: called with the number of searched pictures, and their total.

    Raises:
        DataError: there is no run there.
    """
    if not plan.ledger.exists():
        raise DataError(f"expected the ledger of a run in {plan.private}, got none")
    source = open_source(plan.given, plan.out)
    with Ledger(plan.ledger) as ledger:
        wrong = set()
        for problem in verify(ledger, source, plan.out):
            wrong.add(problem.name)
            yield problem
        engine = (plan.make_looker or plan.make_engine)()
        # What is not as it was written has been named already.
        yield from (p for p in look_again(ledger, source, plan.out, engine, notify) if p.name not in wrong)


def _open(plan: Plan) -> Ledger:
    if plan.ledger.exists() and not plan.resume:
        raise DataError(f"{plan.private} holds a run; pass --resume to go on with it, or choose another output")
    if not plan.ledger.exists() and plan.out.exists() and (not plan.out.is_dir() or any(plan.out.iterdir())):
        raise DataError(f"expected a new or an empty folder for the output, got {plan.out}")
    try:
        plan.private.mkdir(parents=True, exist_ok=True)
        plan.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the output {plan.out}: {error.strerror}") from error
    _sweep(plan.out)
    return Ledger(plan.ledger)


def _sweep(out: Path) -> None:
    """Remove what a killed worker was about to rename."""
    for part in out.rglob(".*.part"):
        part.unlink()


def _facts(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """Settings of the run; a resumed run must have the same.

    Raises:
        DataError: it is not.
    """
    known = ledger.facts()
    seed = known.get("seed", str(secrets.randbits(63))) if plan.options.seed is None else str(plan.options.seed)
    facts: dict[str, Any] = {"input": os.path.realpath(plan.given), "seed": seed}
    # Lists, as they come back from JSON.
    options = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(replace(plan.options, seed=None)).items()}
    facts |= {f"options.{name}": value for name, value in options.items()}
    for key, value in facts.items():
        if known.get(key, value) != value:
            raise DataError(f"expected {key} as the run began with it, {known[key]!r}, got {value!r}")
    return facts


def _do(plan: Plan, ledger: Ledger, work: Work, notify: Callable[[Totals, Record], None]) -> None:
    workers, totals = plan.workers or local.cores(), ledger.totals()
    session = ledger.start_session(plan.engine, workers)
    for event in _events(plan, ledger.pending(), work, min(workers, totals.pending)):
        if isinstance(event, Ready):
            ledger.note_versions(session, event.versions)
            continue
        ledger.store(event, session)
        totals = _after(totals, event)
        notify(totals, event)


def _events(plan: Plan, tasks: Iterator[Task], work: Work, workers: int) -> Iterator[Record | Ready]:
    if plan.engine == "ray":
        return ray.run(tasks, work, workers, plan.address)
    return local.run(tasks, work, workers)


def _after(totals: Totals, record: Record) -> Totals:
    done = record.status == "done"
    return replace(
        totals,
        pending=totals.pending - 1,
        failed=totals.failed + (record.status == "failed"),
        left_out=totals.left_out + (record.status == "left out"),
        labels=totals.labels + (done and record.label),
        done=totals.done + (done and not record.label),
        faces=totals.faces + len(record.faces),
        fallback=totals.fallback + record.n_fallback,
    )


def _finish(plan: Plan, ledger: Ledger, work: Work) -> None:
    """The report, and the parts put together; they stay as long as a file may be tried again."""
    report.write(ledger, plan.private / "report.html", lambda number, name: work.target_of(number, name).read_bytes())
    if work.source.packed:
        work.source.pack(partial(_part, ledger, work), plan.out)
        if not ledger.totals().failed:
            shutil.rmtree(work.target)


def _part(ledger: Ledger, work: Work, name: str) -> bytes | None:
    """The bytes of the part with a name; None where nothing is done."""
    number = ledger.number(name)
    return None if number is None else work.target_of(number, name).read_bytes()
