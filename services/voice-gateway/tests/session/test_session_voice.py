"""Who speaks, by the sound alone: edges, positions, and one bank for all sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeVoiceModel
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.session.hearing import Hearing
from voice_gateway.session.own_voice import OwnVoice
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.voice import MAX_BATCH, MAX_CHUNKS_A_TICK, MAX_TICK_CHUNKS, Ear, Onset, VoiceBank
from voice_gateway.turn.inputs import SpeechEnded, SpeechStarted

CHUNK = 512
STALL_MS = 500
LOUD = b"\x00\x10" * CHUNK
SILENT = bytes(2 * CHUNK)
Edge = SpeechStarted | SpeechEnded


@dataclass
class Counting(FakeVoiceModel):
    """Writes down how many chunks each run has."""

    sizes: list[int]

    def probabilities(self, states: Sequence[None], chunks: Sequence[bytes]) -> list[float]:
        """Judge."""
        self.sizes.append(len(chunks))
        return super().probabilities(states, chunks)


def edges(probabilities: Sequence[float]) -> list[tuple[int, int]]:
    """(chunk at which the edge was settled, its position in chunks) of each edge."""
    onset = Onset(onset_ms=96, pause_ms=160, stall_ms=STALL_MS)
    found = [(index, onset.add(probability)) for index, probability in enumerate(probabilities)]
    return [(index, edge // CHUNK) for index, edge in found if edge is not None]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.9] * 2 + [0.1] * 9, []),
        ([0.1] * 4 + [0.9] * 5, [(6, 4)]),
        ([0.9] * 5 + [0.1] * 5, [(2, 0), (9, 5)]),
        ([0.9] * 5 + [0.1] * 4 + [0.9] + [0.1] * 5, [(2, 0), (14, 10)]),
        ([0.9] * 5 + [0.4] * 20, [(2, 0)]),
        ([0.9, 0.4] * 10, []),
    ],
)
def test_edges_take_their_time(probabilities: list[float], expected: list[tuple[int, int]]) -> None:
    """96 ms of speech begin it, 160 ms of silence end it, each told at where it began; in between nothing changes."""
    assert edges(probabilities) == expected


@given(st.lists(st.floats(0, 1), max_size=200))
def test_edges_alternate_and_move_on(probabilities: list[float]) -> None:
    """Positions of edges never go back and never lie ahead of what was heard."""
    found = edges(probabilities)
    positions = [position for _, position in found]
    assert positions == sorted(positions)
    assert all(position <= index for index, position in found)


def listen(rate_hz: int, pcm: bytes, *, forget: int = 0) -> list[Edge]:
    """The edges of a session that hears `pcm` in pieces of 20 ms, a tick after each."""
    told: list[object] = []

    async def main() -> None:
        bank = VoiceBank(FakeVoiceModel(), Pacer())
        hearing = Hearing(rate_hz, rate_hz)
        ear = Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), told.append)
        bank.add(ear)
        piece = rate_hz // 50 * 2
        for start in range(0, len(pcm), piece):
            hearing.hear(pcm[start : start + piece], start // 2)
            hearing.forget(forget)
            bank.tick(Instant(0))
        bank.remove(ear)

    virtual_time.run(main())
    return [fact for fact in told if isinstance(fact, Edge)]


@pytest.mark.parametrize("rate_hz", [16_000, 8_000, 48_000])
def test_positions_are_the_clients(rate_hz: int) -> None:
    """Half a second of sound after half a second of silence is told where it is, at any rate of the recogniser."""
    half = rate_hz // 2
    told = listen(rate_hz, bytes(2 * half) + b"\x00\x10" * half + bytes(2 * half))
    assert [type(edge) for edge in told] == [SpeechStarted, SpeechEnded]
    assert told[0].at_samples == pytest.approx(half, abs=rate_hz // 20)
    assert told[1].at_samples == pytest.approx(2 * half, abs=rate_hz // 20)


def test_sound_that_was_transcribed_is_judged_all_the_same() -> None:
    """What was transcribed before the ear came to it is kept for the ear, so that positions stay true."""
    told: list[object] = []

    async def main() -> None:
        bank = VoiceBank(FakeVoiceModel(), Pacer())
        hearing = Hearing(16_000, 16_000)
        bank.add(Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), told.append))
        hearing.hear(SILENT * 10, 0)
        hearing.forget(CHUNK * 10)
        hearing.hear(LOUD * 4, CHUNK * 10)
        bank.tick(Instant(0))

    virtual_time.run(main())
    assert told == [SpeechStarted(CHUNK * 10, CHUNK * 14)]


def test_one_run_judges_many_sessions_and_a_flood_waits() -> None:
    """Chunks of different sessions share a run up to its limit; a session that pushes takes its share and no more.

    How long each run took is told.
    """
    sizes: list[int] = []
    took_s: list[float] = []

    async def main() -> None:
        bank = VoiceBank(Counting(sizes), Pacer(), took_s.append)
        for index in range(MAX_BATCH + 4):
            hearing = Hearing(16_000, 16_000)
            bank.add(Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), lambda _: None))
            hearing.hear(SILENT * (100 if index == 0 else 1), 0)
        bank.tick(Instant(0))

    virtual_time.run(main())
    assert sizes == [MAX_BATCH, 4] + [1] * (MAX_CHUNKS_A_TICK - 1)
    assert len(took_s) == len(sizes)
    assert min(took_s) >= 0


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_audio_that_is_pushed_waits_on_the_tape(rate_hz: int) -> None:
    """A minute at once: the ear holds a few chunks of it and comes to the rest in time, and there is no room until
    then, though the recogniser has it all.
    """
    told: list[object] = []

    async def main() -> None:
        bank = VoiceBank(FakeVoiceModel(), Pacer())
        hearing = Hearing(rate_hz, rate_hz)
        ear = Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), told.append)
        bank.add(ear)
        hearing.hear(b"\x00\x10" * (60 * rate_hz), 0)
        hearing.forget(60 * rate_hz)
        ticks = 0
        while not hearing.has_room():
            bank.tick(Instant(0))
            ticks += 1
            assert len(ear._pending) < 8 * len(SILENT)
        chunks = 55 * 16_000 // CHUNK
        assert ticks == pytest.approx(chunks // MAX_CHUNKS_A_TICK, abs=2)

    virtual_time.run(main())
    assert told == [SpeechStarted(0, 60 * rate_hz)]


def test_floods_together_leave_time_for_others() -> None:
    """Thirty sessions that push hold the loop no longer than the bank may take of one tick."""
    sizes: list[int] = []

    async def main() -> None:
        bank = VoiceBank(Counting(sizes), Pacer())
        for _ in range(30):
            hearing = Hearing(16_000, 16_000)
            bank.add(Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), lambda _: None))
            hearing.hear(SILENT * 100, 0)
        bank.tick(Instant(0))

    virtual_time.run(main())
    assert MAX_TICK_CHUNKS <= sum(sizes) < MAX_TICK_CHUNKS + 30


def test_a_client_that_stops_sending_has_stopped_speaking() -> None:
    """Muted in the middle of a word: after `input_stall_ms` without audio that counts as silence, once."""
    told: list[object] = []

    async def main() -> None:
        bank = VoiceBank(FakeVoiceModel(), Pacer())
        hearing = Hearing(16_000, 16_000)
        bank.add(Ear(hearing, Onset(96, 160, STALL_MS), OwnVoice(16_000), bank.new_state(), told.append))
        hearing.hear(LOUD * 4, 0)
        for milliseconds in (0, STALL_MS - 1, STALL_MS, 2 * STALL_MS):
            bank.tick(after_ms(Instant(0), milliseconds))
            told.append(milliseconds)
        hearing.hear(LOUD * 4, CHUNK * 4)
        bank.tick(after_ms(Instant(0), 3 * STALL_MS))

    virtual_time.run(main())
    assert told == [
        *(SpeechStarted(0, 4 * CHUNK), 0, STALL_MS - 1),
        *(SpeechEnded(4 * CHUNK, 4 * CHUNK), STALL_MS, 2 * STALL_MS),
        SpeechStarted(4 * CHUNK, 8 * CHUNK),
    ]


def batches(pcm: bytes, pause_ms: int = 160) -> list[bool]:
    """What an ear that hears `pcm` asks of the feed, in order: batches, or every frame at once."""
    batched: list[bool] = []

    class Noting(Hearing):
        def set_batched(self, *, is_batched: bool) -> None:
            batched.append(is_batched)
            super().set_batched(is_batched=is_batched)

    async def main() -> None:
        bank = VoiceBank(FakeVoiceModel(), Pacer())
        hearing = Noting(16_000, 16_000)
        bank.add(Ear(hearing, Onset(96, pause_ms, STALL_MS), OwnVoice(16_000), bank.new_state(), lambda _: None))
        hearing.hear(pcm, 0)
        for _ in range(len(pcm) // len(SILENT) // MAX_CHUNKS_A_TICK + 1):
            bank.tick(Instant(0))

    virtual_time.run(main())
    return batched


def test_somebody_waits_from_the_first_pause() -> None:
    """The first chunk without speech makes every frame go out at once, speech makes batches of them again."""
    assert batches(SILENT + LOUD * 4 + SILENT * 2 + LOUD) == [True, True, False, False, True]


def test_somebody_waits_also_where_one_chunk_is_a_pause() -> None:
    """The shortest `pause_ms` ends speech with its first silent chunk, from which on the final is waited for, too."""
    assert batches(LOUD * 3 + SILENT, pause_ms=32) == [True, False]


def test_nobody_waits_for_the_words_of_a_cough() -> None:
    """A sound without words gets no final, which must not cost a message a frame for the rest of a silent call."""
    batched = batches(LOUD * 4 + SILENT * 200)
    assert (batched[-2:], batched.count(True)) == ([False, True], 3)
