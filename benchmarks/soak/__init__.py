"""The soak: is Currant still as fast after millions of executions, and while a long transaction is open elsewhere?

`python -m benchmarks.soak --jobs 2000000`, from the root of the repository, takes minutes; its exit status says whether
both hold.
"""
