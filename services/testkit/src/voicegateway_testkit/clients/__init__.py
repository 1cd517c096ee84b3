"""Clients of every wire that mean well, with the microphone and the player of the one for v1."""
