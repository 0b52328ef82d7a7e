"""Currant's script. Its jobs are in a module of their own: a name in `__main__` is one that no worker could find."""

import asyncio
import sys

import currant_app

asyncio.run(currant_app.main(*sys.argv[1:]))
