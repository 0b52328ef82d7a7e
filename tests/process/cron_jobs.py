"""Jobs that run by themselves; the expression is the test's."""

import os

from currant import job


@job(
    queue="test",
    cron=os.environ.get("TEST_CRON", "* * * * * *"),
    timezone=os.environ.get("TEST_TIMEZONE", "Europe/Berlin"),
    priority=8,
)
async def regular() -> str:
    return "regular"


@job(queue="test")
async def other() -> str:
    return "other"
