"""Simulated SIP phones: the SIP core, one phone as a state machine, and the fleet that runs them."""
