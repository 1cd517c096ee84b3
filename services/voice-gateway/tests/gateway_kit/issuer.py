"""An issuer of JWTs, and the page where it publishes its keys, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NAME = "https://issuer.example"
AUDIENCE = "voice"
NOW_S = 1_800_000_000.0
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_ALGORITHMS: dict[str, Any] = jwt.algorithms.get_default_algorithms()


def new_key(algorithm: str = "ES256") -> PrivateKey:
    """A private key that signs with it."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.startswith("ES"):
        return ec.generate_private_key(
            {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
        )
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def public_jwk(key: PrivateKey, kid: str | None, algorithm: str = "ES256", **members: Any) -> dict[str, Any]:
    """The public half, as a key set lists it."""
    listed: dict[str, Any] = _ALGORITHMS[algorithm].to_jwk(key.public_key(), as_dict=True)
    listed.pop("key_ops", None)
    named = {} if kid is None else {"kid": kid}
    return {**listed, **named, "use": "sig", **members}


@dataclass
class Issuer:
    """Signs with the last of its keys; publishes all of them."""

    keys: dict[str, PrivateKey] = field(default_factory=lambda: {"first": new_key()})
    now_s: float = NOW_S

    def jwks(self) -> bytes:
        """The key set."""
        return json.dumps({"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}).encode()

    def rotate(self, kid: str, *, keep: bool = True) -> None:
        """Sign with a new key from now on."""
        if not keep:
            self.keys.clear()
        self.keys[kid] = new_key()

    def token(self, sub: str = "ada", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token, good for an hour unless the claims say otherwise; None takes a claim away."""
        kid, key = list(self.keys.items())[-1]
        body = {"iss": NAME, "aud": AUDIENCE, "sub": sub, "exp": self.now_s + 3_600, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        # signed as bytes, since `jwt.encode` refuses claims that no honest issuer makes
        return jwt.PyJWS().encode(json.dumps(body).encode(), key, "ES256", {"kid": kid, **(header or {})})


@dataclass
class KeysServer:
    """A page on loopback; `answer` gives the whole HTTP answer, None hangs."""

    answer: Callable[[], bytes | None]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)


def ok(body: bytes, *headers: str) -> bytes:
    """An HTTP answer with that body."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(answer: Callable[[], bytes | None]) -> AsyncIterator[KeysServer]:
    """The page, until the block ends."""
    page = KeysServer(answer)
    held: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        page.requests.append(await reader.readuntil(b"\r\n\r\n"))
        said = page.answer()
        if said is None:
            held.append(writer)
            return
        writer.write(said)
        with suppress(ConnectionError):  # the client has had enough
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    page.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    try:
        yield page
    finally:
        for writer in held:
            writer.close()
        server.close()
