"""`python -m currant.cli.tied PID …`: a `currantd` that ends with the process PID, as the bench needs it."""

import os
import sys

from currant.child.system import die_with_parent
from currant.cli.currantd import main

if __name__ == "__main__":
    # Killed outright, the starter can end nothing, and currantd would wait for its database for ever.
    if die_with_parent(int(sys.argv.pop(1))):
        main()
    os._exit(1)
