"""`currantctl doctor`: looks at everything that a node needs, and says what to do. It needs no running `currantd`."""
