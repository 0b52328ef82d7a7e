"""The demo: a day at the shop of `examples/shop.py`, on a real `currantd` and a real Postgres. `make demo` runs it."""
