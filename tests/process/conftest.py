"""For those who import it from here still."""

from tests.nodes import CURRANTD, JOBS, Node, Run, World, eventually, is_alive

HERE = JOBS

__all__ = ["CURRANTD", "HERE", "Node", "Run", "World", "eventually", "is_alive"]
