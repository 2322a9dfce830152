"""The hunt for lamps that lie: histories of an office, the laws that they must keep, and the shortest that does not."""
