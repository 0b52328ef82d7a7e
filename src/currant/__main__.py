"""`python -m currant`: the same as the command `currant`."""

from currant.cli.main import main

main()
