"""`deid demo`: two photos that other packages ship."""

from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from deid.cli.common import FAILED, errors_shown
from deid.cli.results import closing_line, each_shown
from deid.core.errors import DependencyError
from deid.core.messages import plain
from deid.core.options import Options


def demo_photos() -> dict[str, Path]:
    """Photos of faces that other packages ship."""
    wanted = {
        "grace_hopper.jpg": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
        "astronaut.png": ("skimage", "data/astronaut.png"),
    }
    found = {name: Path(str(resources(package))) / path for name, (package, path) in wanted.items() if find_spec(package)}
    found = {name: path for name, path in found.items() if path.exists()}
    if not found:
        raise DependencyError("expected matplotlib or scikit-image, whose sample photos the demo takes: pip install 'deid-face[demo]'")
    return found


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the pictures to this folder.")] = Path("deid-demo"),
    seed: Annotated[int | None, typer.Option(help="Reproduce an output. Default: a fresh one.")] = None,
) -> None:
    """Anonymize two photos that matplotlib and scikit-image ship, and put before and after side by side."""
    import numpy as np
    from PIL import Image

    from deid.imaging import codec

    with errors_shown():
        from deid.anonymizer.engine import Anonymizer
        from deid.batch import files, jobs
        from deid.core import seeds

        planned, engine = jobs.plan(list(demo_photos().values()), out, overwrite=True), Anonymizer(Options(seed=seed))
        engine.preload()
        results = each_shown(planned, lambda job, index, _: files.run_job(job, engine, seeds.seed_of(seed, index), overwrite=True))
        closing_line(results)
        for result in results:
            if result.error or result.target is None:
                continue
            before, after = (codec.read(p).frames[0].rgb for p in (result.source, result.target))
            sheet = out / f"{result.source.stem}-before-after.png"
            Image.fromarray(np.concatenate([before, after], axis=1)).save(sheet)
            typer.echo(plain(sheet))
    if any(result.error for result in results):
        raise typer.Exit(FAILED)
