"""`python -m currant bench`: what one machine does, by the database's clock, with the real `currantd`."""
