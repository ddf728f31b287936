"""`python -m matweave` is the command line."""

from matweave.app.cli import main

main()
