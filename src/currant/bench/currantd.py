"""The entry of the bench's own `currantd`: the real one, which ends when the bench is killed."""

import os
import sys

from currant.child.system import die_with_parent
from currant.cli.currantd import main

if __name__ == "__main__":
    # Killed outright, the bench can end nothing, and currantd would wait for a database that is gone, for ever.
    if die_with_parent(int(sys.argv.pop(1))):
        main()
    os._exit(1)
