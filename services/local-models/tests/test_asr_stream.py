"""One recognition stream with a scripted engine: what is decoded when, and in which order results leave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from asr_support import LoudnessModel, ScriptedEngine, both_workers_busy, pcm, settings
from local_models.audio import BadAudio
from local_models.engines.pool import InferencePool, PoolFullError, Priority
from local_models.engines.recognition import RecognitionError
from local_models.riva.asr_codec import Hypothesis, HypothesisKind, Mode, StreamSettings
from local_models.riva.asr_ears import Ears, Heard
from local_models.riva.asr_stream import MAX_OUTSTANDING, RecognitionStream

INTERIM, SUSPECTED_END, FINAL = HypothesisKind.INTERIM, HypothesisKind.SUSPECTED_END, HypothesisKind.FINAL


class Bench:
    """A stream, its engine, and what it has said so far."""

    def __init__(self, stream: RecognitionStream, engine: ScriptedEngine, pool: InferencePool, ears: Ears) -> None:
        self.stream = stream
        self.ears = ears
        self.engine = engine
        self.pool = pool
        self._results = stream.hypotheses()

    async def next(self) -> Hypothesis:
        return await anext(self._results)

    async def rest(self) -> list[Hypothesis]:
        return [hypothesis async for hypothesis in self._results]

    async def quiet(self) -> None:
        """Wait until the pool has nothing left to do."""
        await self.pool.submit(Priority.INTERIM, lambda: None).future  # nothing is queued before it any more
        async with both_workers_busy(self.pool):  # and neither worker is still at it
            await asyncio.sleep(0)


@asynccontextmanager
async def bench(
    stream_settings: StreamSettings | None = None,
    *,
    max_pending_jobs: int = 32,
    clock: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Bench]:
    """A clock that stands still thins nothing out: what is decoded depends on the audio alone."""
    engine = ScriptedEngine()
    if stream_settings is None:
        stream_settings = settings(engine)
    assert isinstance(stream_settings.engine, ScriptedEngine)
    ears, pool = Ears(LoudnessModel()), InferencePool(max_pending_jobs=max_pending_jobs)
    stream = RecognitionStream(ears, pool, stream_settings, clock)
    try:
        yield Bench(stream, stream_settings.engine, pool, ears)
    finally:
        stream_settings.engine.gate.set()
        stream.close()
        pool.close()
        ears.close()


def told(hypotheses: list[Hypothesis]) -> list[tuple[HypothesisKind, str, int]]:
    return [(hypothesis.kind, hypothesis.text, hypothesis.audio_processed_ms) for hypothesis in hypotheses]


async def test_an_utterance_is_told_in_order_with_one_decode_for_its_end() -> None:
    """Interim, first pass, final; the pause's decode serves both passes, and audio time tells when each was decided."""
    async with bench() as it:
        await it.stream.hear(pcm("-10 w20"))
        assert told([await it.next()]) == [(INTERIM, "w20", 960)]
        await it.stream.hear(pcm("-20"))
        await it.stream.finish()
        assert told(await it.rest()) == [(SUSPECTED_END, "w20", 37 * 32), (FINAL, "w20", 45 * 32)]
        assert it.engine.calls == ["w20", "w20"]


async def test_the_decode_for_the_final_begins_at_the_first_silence() -> None:
    """Two silent frames after speech the engine already works on the utterance, long before any pass."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        await it.stream.hear(pcm("-10 w20 -2"))
        await it.quiet()
        assert it.engine.calls == ["w20"]


async def test_a_decode_ahead_is_shown_at_once_to_who_wants_interims() -> None:
    """The text at the first silence is newer than any interim: the client gets it before the first pass."""
    async with bench() as it:
        it.engine.gate.clear()
        await it.stream.hear(pcm("-10 w12 -2"))
        it.engine.gate.set()
        assert told([await it.next()]) == [(INTERIM, "w12", 24 * 32)]


async def test_a_decode_ahead_is_dropped_when_speech_goes_on() -> None:
    """A decode that is still queued when speech resumes never runs."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        async with both_workers_busy(it.pool):
            await it.stream.hear(pcm("-10 w20 -3 w10"))
        await it.stream.finish()
        assert told(await it.rest()) == [(FINAL, "w30", 43 * 32)]
        assert it.engine.calls == ["w30"]


async def test_a_first_pass_that_speech_has_overtaken_is_not_told() -> None:
    """A suspected end whose text is not there yet when speech resumes would only mislead."""
    async with bench() as it:
        it.engine.gate.clear()
        await it.stream.hear(pcm("-10 w20 -9 w10"))
        it.engine.gate.set()
        await it.stream.finish()
        assert SUSPECTED_END not in [hypothesis.kind for hypothesis in await it.rest()]


async def test_without_interims_only_finals_leave_and_none_is_decoded() -> None:
    """interim_results=false: no interim, no first pass, and no work for them."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        await it.stream.hear(pcm("-10 w90 -20 w50 -20"))
        await it.stream.finish()
        assert told(await it.rest()) == [(FINAL, "w90", 115 * 32), (FINAL, "w50", 185 * 32)]
        assert sorted(it.engine.calls) == ["w50", "w90"]  # by two threads


async def test_the_end_of_the_audio_makes_the_utterance_final() -> None:
    """Half-close in the middle of a word: everything heard is told."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        await it.stream.hear(pcm("-10 w20"))
        await it.stream.finish()
        assert told(await it.rest()) == [(FINAL, "w20", 960)]


async def test_silence_and_wordless_noise_say_nothing() -> None:
    """No empty transcripts: silence gives no result, and neither does noise in which no word is found."""
    async with bench() as it:
        it.engine.text = ""
        await it.stream.hear(pcm("-50 w20 -20"))
        await it.stream.finish()
        assert await it.rest() == []


async def test_words_have_times_from_the_start_of_the_stream() -> None:
    """The second utterance's word times go on from the first's."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        await it.stream.hear(pcm("-10 w20 -20 w10 -20"))
        await it.stream.finish()
        times = [(word.start_ms, word.end_ms) for final in await it.rest() for word in final.words]
        assert times == [(320, 960), (1600, 1920)]


async def test_at_most_one_interim_is_queued_and_it_hears_the_newest_audio() -> None:
    """Interims under load: while one waits, newer audio takes its place instead of lining up behind it."""
    async with bench() as it:
        async with both_workers_busy(it.pool):
            for _ in range(4):
                await it.stream.hear(pcm("w30"))
        assert (await it.next()).text == "w120"
        assert it.engine.calls == ["w120"]


async def test_no_interim_after_the_final_of_its_utterance() -> None:
    """An interim that is still being decoded when the utterance ends is not told any more."""
    async with bench() as it:
        it.engine.gate.clear()
        await it.stream.hear(pcm("-10 w20"))
        await it.stream.hear(pcm("-20"))
        it.engine.gate.set()
        await it.stream.finish()
        assert [hypothesis.kind for hypothesis in await it.rest()] == [SUSPECTED_END, FINAL]


async def test_a_long_utterance_is_decoded_in_pieces_and_told_whole() -> None:
    """Pieces of a long utterance are decoded once each; interims and the final carry the text from its beginning."""
    async with bench() as it:
        reading = asyncio.create_task(it.rest())
        await it.stream.hear(pcm("w260 -4"))
        await it.quiet()
        async with both_workers_busy(it.pool):  # the newest interim takes the place of those before it
            await it.stream.hear(pcm("w20"))
        await it.quiet()
        await it.stream.finish()
        assert told(await reading)[-2:] == [(INTERIM, "w260 w20", 284 * 32), (FINAL, "w260 w20", 284 * 32)]
        assert it.engine.calls.count("w260") == 1


async def test_interims_become_rarer_when_decoding_is_slow() -> None:
    """After an interim that took half a second, none is asked for until as much time has passed again."""
    seconds = 0.0
    async with bench(clock=lambda: seconds) as it:
        async with both_workers_busy(it.pool):
            await it.stream.hear(pcm("-10 w20"))
            seconds = 0.5
        assert (await it.next()).text == "w20"
        await it.stream.hear(pcm("w20"))
        await it.quiet()
        assert it.engine.calls == ["w20"]
        seconds = 1.0
        await it.stream.hear(pcm("w5"))
        assert (await it.next()).text == "w45"


async def test_a_file_sent_at_once_is_split_without_loss() -> None:
    """Audio of minutes in one call: every speech frame is in exactly one final, in order."""
    async with bench(settings(ScriptedEngine(), mode=Mode.OFFLINE, interim_results=False)) as it:
        hearing = asyncio.create_task(it.stream.hear(pcm("w700 -30 w50 -30 " * 4)))
        finishing = asyncio.create_task(after(hearing, it.stream))
        finals = await it.rest()
        await finishing
        assert sum(int(word[1:]) for final in finals for word in final.text.split()) == 4 * 750
        assert [final.audio_processed_ms for final in finals] == sorted(final.audio_processed_ms for final in finals)
        assert {final.kind for final in finals} == {FINAL}


async def after(hearing: asyncio.Task[None], stream: RecognitionStream) -> None:
    await hearing
    await stream.finish()


async def test_hearing_stops_while_too_much_is_undecoded() -> None:
    """A client that is faster than the engine is not read: memory stays bounded, and nothing is lost."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it:
        it.engine.gate.clear()
        utterances = 4 * MAX_OUTSTANDING
        hearing = asyncio.create_task(it.stream.hear(pcm("w10 -20 " * utterances)))
        await it.stream._until(lambda: len(it.stream._outbox) >= MAX_OUTSTANDING)
        await it.ears.run(lambda: Heard(np.zeros((0, 512), np.float32), ()))  # whatever was being heard has been heard
        assert not hearing.done()
        assert len(it.stream._outbox) == MAX_OUTSTANDING
        it.engine.gate.set()
        finishing = asyncio.create_task(after(hearing, it.stream))
        assert [final.text for final in await it.rest()] == ["w10"] * utterances
        await finishing


async def test_a_final_without_a_place_in_the_queue_is_an_error() -> None:
    """An overloaded process refuses; it does not lose an utterance in silence."""
    stream_settings = settings(ScriptedEngine(), interim_results=False)
    async with bench(stream_settings, max_pending_jobs=2) as it, both_workers_busy(it.pool):
        for _ in range(2):
            it.pool.submit(Priority.FINAL, lambda: None)
        with pytest.raises(PoolFullError):
            await it.stream.hear(pcm("w20 -20"))


async def test_a_decode_ahead_without_a_place_is_made_up_for_at_the_end() -> None:
    """A queue that is full in a pause costs time, not the utterance."""
    stream_settings = settings(ScriptedEngine(), interim_results=False)
    async with bench(stream_settings, max_pending_jobs=1) as it:
        async with both_workers_busy(it.pool):
            filler = it.pool.submit(Priority.FINAL, lambda: None)
            await it.stream.hear(pcm("w20 -5"))
        await filler.future
        await it.stream.finish()
        assert told(await it.rest()) == [(FINAL, "w20", 25 * 32)]


async def test_an_interim_without_a_place_is_left_out() -> None:
    """A full queue thins interims out; the stream goes on."""
    async with bench(max_pending_jobs=1) as it:
        async with both_workers_busy(it.pool):
            filler = it.pool.submit(Priority.FINAL, lambda: None)
            await it.stream.hear(pcm("w40"))
        await filler.future
        await it.stream.finish()
        assert told(await it.rest()) == [(FINAL, "w40", 40 * 32)]


async def test_what_the_engine_raises_reaches_the_reader_of_results() -> None:
    """A broken engine is an error of the call, even when only an interim met it."""
    async with bench() as it:
        it.engine.error = RecognitionError("broken weights")
        await it.stream.hear(pcm("w40"))
        with pytest.raises(RecognitionError, match="broken weights"):
            await it.next()


async def test_bad_audio_is_reported_when_it_is_heard() -> None:
    """Audio that ends inside a sample is named as such at the half-close."""
    async with bench() as it:
        await it.stream.hear(b"\0\0\0")
        with pytest.raises(BadAudio):
            await it.stream.finish()


async def test_closing_takes_queued_work_back() -> None:
    """A client that has gone leaves nothing in the queue."""
    async with bench(settings(ScriptedEngine(), interim_results=False)) as it, both_workers_busy(it.pool):
        await it.stream.hear(pcm("w10 -20 " * 6))
        assert it.pool.pending_jobs == 6
        it.stream.close()
        it.stream.close()
        assert it.pool.pending_jobs == 0
