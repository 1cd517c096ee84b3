"""The page where an issuer publishes its keys, on real sockets."""

import pytest
from gateway_kit.issuer import Issuer, ok, serving
from voice_gateway.backends.jwks import client
from voice_gateway.backends.jwks.client import MAX_BYTES, JwksPage
from voice_gateway.identity.ports import IssuerAway

NOWHERE = "http://127.0.0.1:1/jwks"


async def failure(page: JwksPage) -> str:
    """Why a fetch fails."""
    with pytest.raises(IssuerAway) as caught:
        await page.fetch()
    await page.close()
    return str(caught.value)


async def test_the_keys_are_fetched() -> None:
    """The page's bytes come as they are, uncompressed, and no cookie goes back."""
    body = Issuer().jwks()
    async with serving(lambda: ok(body, "Set-Cookie: a=b")) as there:
        page = JwksPage(there.url)
        assert [await page.fetch(), await page.fetch()] == [body, body]
        await page.close()
        asked = there.requests[-1].lower()
        assert b"accept-encoding: identity" in asked
        assert b"cookie" not in asked


async def test_a_redirect_is_not_followed() -> None:
    """Whoever answers in the issuer's place with a redirect does not name the keys."""
    async with serving(lambda: ok(Issuer().jwks())) as eve:
        answer = f"HTTP/1.1 302 Found\r\nLocation: {eve.url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        async with serving(lambda: answer) as there:
            assert await failure(JwksPage(there.url)) == "the issuer's keys cannot be fetched: HTTP status 302"
        assert eve.requests == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP status 503"),
        (b"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n", "HTTP status 204"),
        (ok(b"a" * (MAX_BYTES + 1)), f"more than {MAX_BYTES} bytes"),
        (b"rubbish\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort", "RemoteProtocolError"),
    ],
    ids=range(5),
)
async def test_an_issuer_that_does_not_answer_well_is_away(answer: bytes, said: str) -> None:
    """Whatever comes in place of keys is one typed failure, and a body without end is not read."""
    async with serving(lambda: answer) as there:
        assert said in await failure(JwksPage(there.url))


async def test_an_issuer_that_is_silent_or_not_there_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller with a new key waits no longer than the deadline."""
    assert await failure(JwksPage(NOWHERE)) == "the issuer's keys cannot be fetched: ConnectError"
    monkeypatch.setattr(client, "DEADLINE_S", 0.05)
    async with serving(lambda: None) as there:
        assert await failure(JwksPage(there.url)) == "the issuer's keys cannot be fetched: took too long"
