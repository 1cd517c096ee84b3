"""An issuer's page of public keys, over HTTP."""

import asyncio
from typing import Final

import httpx2

from voice_gateway.identity.ports import IssuerAway

MAX_BYTES: Final = 262_144
"""A key with a chain of certificates beside it takes 5 kB; issuers list two to ten."""
DEADLINE_S: Final = 5.0
"""Deadline of a whole fetch; a caller with a new key waits for it."""


class JwksPage:
    """A KeysPage. Belongs to the event loop it is made in.

    No redirect is followed, since whoever answers with one could name the keys; no cookie is kept.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx2.AsyncClient(follow_redirects=False, timeout=None)

    async def fetch(self) -> bytes:
        """See KeysPage."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._get()
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.CookieConflict) as error:
            cause = "took too long" if isinstance(error, TimeoutError) else type(error).__name__
            raise IssuerAway(f"the issuer's keys cannot be fetched: {cause}") from error

    async def close(self) -> None:
        """See KeysPage."""
        await self._client.aclose()

    async def _get(self) -> bytes:
        self._client.cookies.clear()
        # identity: compressed, a few bytes could become many
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                raise IssuerAway(f"the issuer's keys cannot be fetched: HTTP status {response.status_code}")
            body = bytearray()
            async for received in response.aiter_raw():
                body += received
                if len(body) > MAX_BYTES:
                    raise IssuerAway(f"the issuer's keys are more than {MAX_BYTES} bytes")
        return bytes(body)
