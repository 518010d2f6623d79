"""Commands, run in the tests' own process."""

from typer.testing import CliRunner, Result

from deid.__main__ import app


def deid(*arguments: object) -> Result:
    """What `deid` does with these arguments."""
    return CliRunner().invoke(app, [str(a) for a in arguments])


def shown(result: Result) -> str:
    """What was printed, on one line; a command that ended in an exception of its own is a failure."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())
