"""The issuer's keys as they are known now, fetched by URL ahead of the calls that need them."""

import asyncio
import logging

from voice_gateway.identity.issuer_keys import IssuerKeys, read_keys
from voice_gateway.identity.ports import IssuerAway, KeysPage

FETCH_INTERVAL_S = 300.0
"""Between two fetches while all is well. Issuers announce a new key a day ahead and more; a key that they take back
opens no longer than this."""
RETRY_INTERVAL_S = 10.0
"""Between two fetches otherwise: while the issuer is away, or for keys that nobody knows. However many unknown keys
callers show, the issuer is asked no more often."""

MAX_WAITING = 100
"""Callers who wait for one fetch. They have proven nothing yet, and an issuer that hangs would have each held for the
length of a fetch; the others are judged by the keys that are known."""

_log = logging.getLogger(__name__)


class KeyRing:
    """Keys of one issuer. What was known stays known while the issuer is away. Belongs to one event loop."""

    def __init__(self, page: KeysPage) -> None:
        """Know nothing yet."""
        self._page = page
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._is_away = False
        self._waiting = 0
        self.keys: IssuerKeys | None = None
        """None: they have never been fetched."""

    async def refresh(self) -> bool:
        """Fetch the keys, unless that was tried a moment ago; callers at the same time wait for the same fetch.

        True: the keys are those that the issuer has now.
        """
        if self._fetching is None:
            now = asyncio.get_running_loop().time()
            if self._asked_at is not None and now - self._asked_at < RETRY_INTERVAL_S:
                return False
            self._asked_at = now
            self._fetching = asyncio.create_task(self._fetch(), name="issuer keys")
        if self._waiting >= MAX_WAITING:
            return False
        self._waiting += 1
        try:
            # shielded: a caller who hangs up does not end what others wait for
            await asyncio.shield(self._fetching)
        finally:
            self._waiting -= 1
        return not self._is_away

    async def follow(self) -> None:
        """Fetch again and again until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(RETRY_INTERVAL_S if self._is_away else FETCH_INTERVAL_S)

    async def close(self) -> None:
        """End a fetch that runs, and the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        await self._page.close()

    async def _fetch(self) -> None:
        try:
            keys = read_keys(await self._page.fetch())
        except (IssuerAway, ValueError) as error:
            if not self._is_away:
                _log.error("issuer keys not read, the old ones stay", extra={"reason": str(error)})
            self._is_away = True
        else:
            if self._is_away or keys != self.keys:
                _log.info("issuer keys read", extra={"keys": len(keys.keys)})
            self.keys, self._is_away = keys, False
        finally:
            self._fetching = None
