"""Measurements of Currant beside others, and long ones: not part of the package."""
