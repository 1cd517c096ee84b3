"""What was sent, counted for as long as it is in memory."""


class Sent(bytes):
    """A message that counts how many of its kind there are."""

    alive = 0

    def __init__(self, _: bytes) -> None:
        """One more."""
        Sent.alive += 1

    def __del__(self) -> None:
        """One less."""
        Sent.alive -= 1
