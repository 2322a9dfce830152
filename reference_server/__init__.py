"""Plays the devices side of Kazoo: REST API, registrar, check-sync, quickcall. No IO of its own."""
