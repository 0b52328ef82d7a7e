"""The side that runs the user's code: the fork server, and the children that it forks.

It never imports `currant.supervisor` or `currant.store`: the border between the two sides is a process.
"""
