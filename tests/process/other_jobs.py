"""A second application, whose functions the first does not know."""

from currant import job


@job(queue="test")
async def greet(name: str) -> str:
    return f"hello {name}"
