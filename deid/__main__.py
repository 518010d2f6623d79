"""`python -m deid` is the command `deid`."""

from deid.cli import app

# Worker processes import this file again.
if __name__ == "__main__":
    app(prog_name="deid")
