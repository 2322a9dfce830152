"""The REST API of the reference server: one request in, one reply out, no IO."""
