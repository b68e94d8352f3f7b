"""tests/peer: what the system tests, the demo and the bench stand on. Python's library only."""
