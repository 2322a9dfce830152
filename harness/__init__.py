"""Scenarios, targets, worlds, the judge and the command line."""
