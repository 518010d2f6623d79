"""`python -m deid` is the command `deid`."""

from deid.cli import app

app(prog_name="deid")
