"""The commands of `currantctl`, a module for each group."""
