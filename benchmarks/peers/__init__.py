"""Currant and other job queues on one machine, by turns: `python -m benchmarks.peers`. See docs/peers.md."""
