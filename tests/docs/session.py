"""A page's interpreter, as `python -m asyncio`: blocks come in as lines of JSON, what they print goes out as it is."""

import ast
import asyncio
import inspect
import json
import sys
import traceback
from typing import Any

#: Ends the output of a block; nothing else prints a NUL.
DONE, FAILED = "\0done", "\0failed"


def main() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            block = json.loads(line)
            try:
                run(runner, names, block["text"], block["page"], block["line"])
                print(DONE, flush=True)
            except BaseException:
                traceback.print_exc(file=sys.stdout)  # Where the reader of the test's failure sees it.
                print(FAILED, flush=True)


def run(runner: asyncio.Runner, names: dict[str, Any], text: str, page: str, line: int) -> None:
    # Blank lines before it, so that a traceback names the page's own.
    code = compile("\n" * (line - 1) + text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(_awaited(code, names))
    else:
        # Without a running loop, as in a script: the calls for code without one refuse to run in one.
        exec(code, names)


async def _awaited(code: Any, names: dict[str, Any]) -> None:
    await eval(code, names)


if __name__ == "__main__":
    # The modules are the page's files, not the neighbours of this one.
    sys.path[0] = ""
    main()
