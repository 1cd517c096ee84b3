"""What the clients of whole sessions hear of a reply that is held again and again, byte for byte, in virtual time."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from gateway_kit import virtual_time
from gateway_kit.model_client import PER_MS, ModelClient
from gateway_kit.port_fakes import FakeSynthesizer
from gateway_kit.properties import MANY
from gateway_kit.session_world import REQUEST, World
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from voice_gateway.domain.events import ReplyFinished, ReplyOutcome, TurnReport
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.player import Player
from voice_gateway.session.ports import SpeechChunk, VoiceSpec
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn import inputs

CLIENT_BUFFER_MS = 100
"""Default of the policy."""
SOUND_MS = 100
"""How long a cough is."""
LONGEST_S = 60
"""No call takes longer, in virtual time."""
FEWER = settings(MANY, max_examples=max(50, MANY.max_examples // 5))
"""A whole session takes 40 ms."""


@dataclass(frozen=True, slots=True)
class Line:
    """How a call goes."""

    player: Player
    buffer_ms: int
    report_ms: int | None
    slow_ms: dict[int, int]
    sentences: list[list[tuple[int, int]]]
    """Chunks: after so many ms comes audio of so many ms."""
    written_ms: list[int]
    """How long the model takes for what follows each sentence."""
    coughs_ms: list[int]
    """Waits before coughs, from the first audio on."""
    hold_ms: int

    @property
    def is_prompt(self) -> bool:
        """Whether no write takes any time."""
        return not self.slow_ms


_CHUNK = st.tuples(st.sampled_from([0, 0, 50, 300]), st.sampled_from([20, 170, 400, 900]))
LINES = st.builds(
    Line,
    player=st.sampled_from([Player.PAUSES, Player.PLAYS_OUT, Player.FLUSHES, Player.FLUSHES]),
    buffer_ms=st.sampled_from([0, 40, CLIENT_BUFFER_MS]),
    report_ms=st.sampled_from([None, 0, 30, 90]),
    slow_ms=st.dictionaries(st.integers(4, 40), st.sampled_from([30, 250, 700]), max_size=3),
    sentences=st.lists(st.lists(_CHUNK, min_size=2, max_size=4), min_size=1, max_size=3),
    written_ms=st.lists(st.sampled_from([0, 0, 400, 1_500]), min_size=3, max_size=3),
    coughs_ms=st.lists(st.integers(0, 900), min_size=1, max_size=4),
    hold_ms=st.sampled_from([200, 400, 900]),
)


class Speaking(FakeSynthesizer):
    """Speaks the chunks of a line; the samples of the reply count up from 0."""

    def __init__(self, sentences: Sequence[Sequence[tuple[int, int]]]) -> None:
        super().__init__()
        self._sentences = sentences
        self.spoken = bytearray()

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak."""
        del session, spec
        self.texts.append(text)
        for wait_ms, length_ms in self._sentences[len(self.texts) - 1]:
            await asyncio.sleep(wait_ms / 1_000)
            begin = len(self.spoken) // 2
            pcm = b"".join((place % 65_521).to_bytes(2, "little") for place in range(begin, begin + length_ms * PER_MS))
            self.spoken += pcm
            yield SpeechChunk(pcm)


def _script(line: Line) -> list[str | float]:
    """What the model writes, with its waits."""
    script: list[str | float] = []
    for number in range(len(line.sentences)):
        script += [f"This is sentence number {number}. ", line.written_ms[number] / 1_000]
    return script


async def _cough(session: SessionRunner, began_s: float) -> None:
    """A sound without words."""
    position = round((asyncio.get_running_loop().time() - began_s) * 1_000) * PER_MS
    session._post(inputs.SpeechStarted(position, position))
    await asyncio.sleep(SOUND_MS / 1_000)
    end = position + SOUND_MS * PER_MS
    session._post(inputs.SpeechEnded(end, end))


async def heard(line: Line) -> tuple[ModelClient, bytes]:
    """The client of such a call once it has heard all, and what the reply was."""
    client = ModelClient(line.player, line.buffer_ms, line.report_ms, line.slow_ms)
    world = World(synthesizer=Speaking(line.sentences), sink=client)
    world.llm.scripts = [[*_script(line)]]
    policy = {"contested_timeout_ms": line.hold_ms}
    began_s = asyncio.get_running_loop().time()
    session, ended = await world.open(dataclasses.replace(REQUEST, player=line.player, policy=policy))
    assert isinstance(session, SessionRunner)
    client.session = session
    wire = asyncio.create_task(client.run())
    session.type_text("Count.")
    await client.wait_for(TurnReport)
    for wait_ms in line.coughs_ms:
        await asyncio.sleep(wait_ms / 1_000)
        await _cough(session, began_s)
    done = asyncio.create_task(client.wait_for(ReplyFinished))
    await asyncio.wait({done, ended}, return_when=asyncio.FIRST_COMPLETED)
    assert done.done(), ended.exception()
    await asyncio.sleep(2)
    client.advance()
    (finished,) = client.of(ReplyFinished)
    assert isinstance(finished, ReplyFinished)
    assert finished.outcome is ReplyOutcome.COMPLETED
    session.end()
    await ended
    client.close()
    await wire
    assert isinstance(world.synthesizer, Speaking)
    assert finished.total_samples == len(world.synthesizer.spoken) // 2
    return client, bytes(world.synthesizer.spoken)


SLOW = Line(
    player=Player.FLUSHES,
    buffer_ms=40,
    report_ms=None,
    slow_ms={8: 700},
    sentences=[[(0, 900), (0, 400)]],
    written_ms=[400],
    coughs_ms=[651],
    hold_ms=200,
)
"""The clock takes for heard what the wire has not written when the player is flushed."""


@FEWER
@example(SLOW)
@example(dataclasses.replace(SLOW, report_ms=30, slow_ms={8: 700, 16: 700}, coughs_ms=[651, 137, 137]))
@given(LINES)
def test_what_a_client_hears_of_a_held_reply_is_the_reply(line: Line) -> None:
    """A client that pauses or plays out hears each byte once. So does one that was flushed, if it tells in time where
    it was; else it hears again no more than its buffer, and misses nothing that it was not sent.
    """

    async def main() -> None:
        async with asyncio.timeout(LONGEST_S):
            client, spoken = await heard(line)
        event(f"{line.player.name}, {len(client.breaks)} breaks, prompt {line.is_prompt}, reports {line.report_ms}")
        begin, most, is_behind, parts = 0, 0, False, bytearray()
        for each in client.breaks:
            assert each.heard is not None
            most, was_behind, is_behind = max(most, each.heard), is_behind, each.again is None
            if each.again is None:
                continue
            parts += spoken[2 * begin : 2 * each.heard]
            begin = each.again
            assert begin <= each.received, "it was never sent what lies between"
            if each.is_told and not was_behind:
                assert begin == each.resumed == most
            elif line.is_prompt and line.report_ms is None:
                assert 0 <= each.heard + PER_MS - begin <= (CLIENT_BUFFER_MS + 1) * PER_MS
        assert bytes(client.heard) == bytes(parts + spoken[2 * begin :])

    virtual_time.run(main())
