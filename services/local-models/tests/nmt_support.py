"""A translator that shouts, and a server with it on a free port of the loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc.aio
from local_models.engines.recognition import EngineDescription
from local_models.engines.translation import LanguagePair, TranslationEngine, TranslationError
from local_models.riva.nmt_servicer import NmtServicer, register_nmt


class ShoutingEngine:
    """Answers in capitals; `wait` holds it for ever, `crash` raises TranslationError."""

    pairs = (
        LanguagePair("es", "en", "m-es-en"),
        LanguagePair("es", "en-US", "m-es-en-US"),
        LanguagePair("en", "es", "m-en-es"),
    )

    def __init__(self) -> None:
        self.abandoned = 0

    async def translate(self, text: str, pair: LanguagePair) -> str:
        """Capitals."""
        if text == "crash":
            raise TranslationError(f"{pair.model} is out of order")
        if text == "wait":
            try:
                await asyncio.Event().wait()
            finally:
                self.abandoned += 1
        return text.upper()

    def describe(self) -> tuple[EngineDescription, ...]:
        """No row: nothing that a table would show."""
        return ()


@contextlib.asynccontextmanager
async def nmt_server(engine: TranslationEngine | None) -> AsyncIterator[tuple[str, NmtServicer]]:
    """The address of a server with the translation service, and the service."""
    server = grpc.aio.server()
    servicer = register_nmt(server, engine)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", servicer
    finally:
        await server.stop(None)
