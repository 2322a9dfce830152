"""Scenarios, engine, judge and command line of ringproof."""

__ringproof__ = True
"""Lets the pytest plugin tell this package from another project's `harness`."""
