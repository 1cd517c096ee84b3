"""Bearer tokens that the gateway knows; only their hashes are kept."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME_CHARS = 12
"""Characters of a token's hash that name it: they tell tokens apart, and no token can be found by them."""


@dataclass(frozen=True, slots=True)
class TokenHashes:
    """Hashes of the tokens that open."""

    digests: tuple[bytes, ...] = ()

    def name_of(self, token: str) -> str | None:
        """The first letters of the token's hash; None: it is unknown."""
        shown = _digest(token)
        # Every known token is compared, and whole: how long it takes tells nothing.
        is_known = sum(hmac.compare_digest(shown, known) for known in self.digests) > 0
        return shown.hex()[:_NAME_CHARS] if is_known else None


def hashes_of(tokens: Iterable[str]) -> TokenHashes:
    return TokenHashes(tuple(_digest(token) for token in tokens))


def split_tokens(raw: str) -> tuple[str, ...]:
    """The tokens of a text, joined by commas or one a line; white space around a token is not part of it.

    Raises:
        ValueError: says what the text must be, never what it is.
    """
    if not re.fullmatch(r"[!-~,\s]*", raw):
        raise ValueError("must be printable ASCII, several joined by commas")
    tokens = tuple(dict.fromkeys(part.strip() for part in re.split(r"[,\r\n]", raw) if part.strip()))
    if any(re.search(r"\s", token) for token in tokens):
        raise ValueError("must have no spaces inside a token")
    if raw and not tokens:
        raise ValueError("must have a token: commas alone would let everybody in")
    return tokens


def read_token_file(raw: bytes) -> TokenHashes:
    """Hashes of the tokens in a file. Raises ValueError, as `split_tokens` does, and for a file without a token."""
    tokens = split_tokens(raw.decode("ascii", "replace"))
    if not tokens:
        raise ValueError("must have a token")
    return hashes_of(tokens)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
