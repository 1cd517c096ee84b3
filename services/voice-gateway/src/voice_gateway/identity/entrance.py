"""The one entrance of the process: holds what is known of callers, keeps it fresh, and says who each of them is."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Reason, Unavailable
from voice_gateway.identity.identify import KeyUnknown, Known, identify
from voice_gateway.identity.ports import KeysPage
from voice_gateway.identity.settings import IdentitySettings, JwtSettings
from voice_gateway.identity.shown import Shown
from voice_gateway.identity.tokens import TokenHashes, hashes_of, read_token_file
from voice_gateway.identity.watched import WATCH_INTERVAL_S, WatchedFiles

if TYPE_CHECKING:
    from voice_gateway.identity.jwt_door import JwtDoor

RETRY_MS = 10_000
"""By then the issuer may be asked again (`key_ring.RETRY_INTERVAL_S`)."""


class Entrance:
    """Says who calls, by files and keys as they are now; a call that goes on is never asked again."""

    def __init__(
        self,
        settings: IdentitySettings,
        *,
        open_page: Callable[[str], KeysPage],
        watched: Sequence[WatchedFiles[Any]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the files.

        Args:
            settings: what callers are asked for.
            open_page: opens the page at a URL where an issuer publishes its keys.
            watched: further files to keep fresh with those of this room.
            clock: seconds since 1970, UTC.

        Raises:
            OSError, ValueError: a file cannot be read or makes no sense.
        """
        self._settings = settings
        self._tokens = hashes_of(settings.tokens)
        self._token_file = _token_file(settings)
        self._jwt = None if settings.jwt is None else _jwt_door(settings.jwt, open_page, clock)
        self._ring = self._jwt.ring if self._jwt else None
        of_jwt = self._jwt.file if self._jwt else None
        self._files = [files for files in (*watched, self._token_file, of_jwt) if files is not None]

    async def caller(self, shown: Shown) -> Caller:
        """Who calls. Waits only for a key that is unknown, and then for one fetch at most.

        Raises:
            ClientError: as `identify` does.
            Unavailable: the issuer's keys have never been read, or not since a moment ago, and the caller's is new.
        """
        try:
            return identify(shown, self._known())
        except KeyUnknown:
            if self._ring is None:
                raise
            is_fresh = await self._ring.refresh()
        try:
            return identify(shown, self._known())
        except KeyUnknown as unknown:
            if is_fresh:
                raise
            told = "the token's key is unknown, and the issuer cannot be asked for new ones just now; try again"
            raise Unavailable(Reason.BACKEND_UNAVAILABLE, told, retry_after_ms=RETRY_MS) from unknown

    async def prepare(self) -> None:
        """Fetch the issuer's keys for the first time."""
        if self._ring is not None:
            await self._ring.refresh()

    async def watch(self, every_s: float = WATCH_INTERVAL_S) -> None:
        """Keep everything fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._files:
                group.create_task(self._look_every(every_s), name="watched files")
            if self._ring is not None:
                group.create_task(self._ring.follow(), name="issuer keys followed")

    def look(self) -> None:
        """Take what changed in the files."""
        for files in self._files:
            files.look()

    async def close(self) -> None:
        """Close connections to the issuer."""
        if self._ring is not None:
            await self._ring.close()

    def _known(self) -> Known:
        of_file = () if self._token_file is None else (self._token_file.value,)
        return Known(self._settings, (self._tokens, *of_file), self._jwt.subject_of if self._jwt else None)

    async def _look_every(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            # not in the event loop: a disk that hangs shall hang no call
            await asyncio.to_thread(self.look)


def _token_file(settings: IdentitySettings) -> WatchedFiles[TokenHashes] | None:
    if settings.tokens_file is None:
        return None
    return WatchedFiles("tokens", (settings.tokens_file,), lambda contents: read_token_file(contents[0]))


def _jwt_door(settings: JwtSettings, open_page: Callable[[str], KeysPage], clock: Callable[[], float]) -> "JwtDoor":
    from voice_gateway.identity.jwt_door import JwtDoor  # noqa: PLC0415  heavy, and most gateways have none

    return JwtDoor(settings, open_page, clock)
