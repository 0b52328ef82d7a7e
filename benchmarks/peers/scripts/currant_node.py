"""A `currantd` with a runtime directory of its own, in the working directory: two of them may run beside each other."""

import os
import sys

from currant.cli.currantd import main

sys.argv.append(f"--runtime-dir=run-{os.getpid()}")
main()
