"""Rates of the two videos of the study of speed, beside an older build: whole commands, in turns."""

import os
import tempfile
from pathlib import Path

from deid.core.errors import DataError
from evaluation.results import Results, environment
from evaluation.studies import throughput
from evaluation.studies.launch import Run
from evaluation.studies.options import StudyOptions
from evaluation.studies.speed import commit_of, one_turn

_TURNS = 3


def video_rates(options: StudyOptions) -> Results:
    """Medians over turns.

    Raises:
        DataError: there is no video, or a command failed.
    """
    turns = options.steps or _TURNS
    with tempfile.TemporaryDirectory() as folder:
        jobs = [job for job in throughput.jobs(Path(folder), None, options.old) if job.unit == "frame"]
        if not jobs:
            raise DataError("expected the clips of the data folder, found none: set DEID_DATA")
        done: list[dict[str, list[Run]]] = [{program: [] for program in job.commands} for job in jobs]
        options.stage("in turns", turns)
        for turn in range(turns):
            one_turn(jobs, done, turn)
            options.tick()
    settings = {"turns": turns, "cores": len(os.sched_getaffinity(0)), "old build": commit_of(options.old)}
    measures = tuple(m for job, own in zip(jobs, done, strict=True) for m in throughput.measures(job, own))
    return Results(kind="study", title="video rates", settings=settings, environment=environment(), measures=measures)
