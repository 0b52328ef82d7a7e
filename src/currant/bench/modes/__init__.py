"""The questions that the bench can answer, a module each: `async def run(bench, plan) -> Section`."""
