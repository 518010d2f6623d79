"""How the results of files are shown while they come, and at the end."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deid.cli.common import progress
from deid.core.messages import say

if TYPE_CHECKING:
    from deid.batch.jobs import Job
    from deid.batch.results import FileResult

#: Does one job; gets its number, and what to call with the frames of a video that are done, and of how many.
RunJob = Callable[["Job", int, Callable[[int, int], None]], "FileResult"]


def name_refused(jobs: "Sequence[Job]") -> None:
    """Name the files that are not begun."""
    for job in jobs:
        if job.target is None:
            left_out = job.refused == "left out"
            say(f"{job.source}: {job.error}", "left out:" if left_out else "failed:", "yellow" if left_out else "red")


def each_shown(jobs: "Sequence[Job]", run_job: RunJob) -> "list[FileResult]":
    """Do every job beside a progress bar; what is wrong with a file is shown at once."""
    results: list[FileResult] = []
    with progress("anonymizing", sum(job.target is not None for job in jobs)) as (step, frame):
        index = 0
        for job in jobs:
            # Files that are left out have no number, so that they do not change the seeds of the others.
            result = run_job(job, index, frame)
            for note in result.notes:
                say(f"{result.source}: {note}")
            results.append(result)
            index += not result.left_out
            if job.target is not None:
                if result.error:
                    say(f"{result.source}: {result.error}", "failed:", "red")
                step(job.source.name)
    return results


def closing_line(results: list[Any], where: str = "") -> None:
    """One line about all files; ``where`` says where to read why faces were covered by fallback."""
    done = [r for r in results if not r.error]
    faces, edited = sum(r.n_faces for r in results), sum(r.n_edited for r in results)
    why = f" (why: {where})" if where and faces > edited else ""
    left_out, kept = [r.source.name for r in results if r.left_out], sum(r.n_kept for r in results)
    say(
        f"{len(done)} files written ({sum(r.n_faces == 0 for r in done)} without a face), {faces} faces: {edited} as requested, "
        f"{faces - edited} covered by fallback{why}{f', {kept} kept as they are' if kept else ''}; "
        f"{sum(r.failed for r in results)} files failed" + (f"; {len(left_out)} files left out: {', '.join(left_out)}" if left_out else "")
    )
    if all(result.left_out for result in results):
        say("no pictures found", style="red")
