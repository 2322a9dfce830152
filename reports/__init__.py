"""The Record and the pure functions that turn it into reports."""
