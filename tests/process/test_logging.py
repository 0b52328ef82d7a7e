"""What jobs log, in real nodes: its fields, its format, and that nobody who does not read it can stop them."""

import json

from tests.nodes import World, eventually

MODULE = "logging_jobs"


def test_what_jobs_log_is_json_line_by_line_with_the_fields_of_the_execution(world: World) -> None:
    node = world.node("--procs", "2", module=MODULE)
    ids = {
        world.enqueue(f"{MODULE}.{function}", word)[0]: (f"{MODULE}.{function}", word)
        for function in ("says", "says_in_thread")
        for word in ("one", "two")
    }
    world.at_rest()
    eventually(lambda: sum("currant_execution" in line for line in node.log.splitlines()) == 2 * len(ids))
    lines = [json.loads(line) for line in node.log.splitlines()]
    assert all(fields["event"] and fields["level"] for fields in lines)
    said: dict[str, list[tuple[str, str, str | None]]] = {}
    for fields in lines:
        if id := fields.get("currant_execution"):
            assert (fields["currant_queue"], fields["currant_attempt"]) == ("test", 1)
            said.setdefault(id, []).append((fields["currant_function"], fields["event"], fields.get("word")))
    assert said == {
        id: [(function, f"said {word}", None), (function, "sang", word)] for id, (function, word) in ids.items()
    }
    assert node.stop() == 0
