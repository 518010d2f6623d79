"""The commands of `deid`, one file for each; `deid.__main__` puts them together."""
