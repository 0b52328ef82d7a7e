"""The commands: currantd, currantctl and currant."""
