"""Real speech through the whole gateway against the acceptance of conversations: pauses, interruptions, sounds, echo.

    .venv/bin/python -m accept.converse [scene ...]

Starts local-models and the gateway, talks to them in real time over sockets and prints one line per criterion,
`name | limit | measured | PASS or FAIL`, and below it what was wrong. Takes about eight minutes.
Exit status 1: at least one failed.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from voice_client.device import VirtualDevice

from accept import stack
from accept.caller import Caller, EchoingRoom, LateSpeaker
from accept.scenes import (
    Outcome,
    addition,
    echo,
    harmless_sound,
    interruption,
    pause_inside,
    question,
    single_word,
)
from accept.speech import (
    ADDITIONS,
    ADDITIONS_BEFORE_MS,
    ASKING,
    ASSENT,
    BOOKINGS,
    FRAGMENTS,
    INTERRUPTIONS_AFTER_MS,
    QUESTIONS,
    REAL_INTERRUPTION,
    SPEAKERS,
    STOP_AND_ASK,
    STORY,
    WORDS,
    Studio,
)

ROOT = Path(__file__).resolve().parent.parent
SIDE_BY_SIDE = 2
"""Callers at once where latency is not measured: each hears and is heard in real time on two cores."""
VOICE_TO_VOICE_MS = 700
LONGEST_PAUSE_MS = 1_500
TICK_MS = 40
"""Two ticks of 20 ms: what the pacer and this client round to."""
MINUTE_MS = 60_000
WORD_AFTER_MS, WORD_STEP_MS = 1_900, 130
"""When a single word is said after the agent has begun to speak, and how much later the next one."""

Scene = Callable[[str, Studio], Coroutine[Any, Any, bool]]


def main() -> int:
    """Play the scenes that were asked for, all by default; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], help="all when none is named")
    wanted = parser.parse_args().scenes or list(SCENES)
    with stack.running(logs=ROOT / "demo" / "logs") as servers:
        studio = Studio(servers.riva)
        verdicts = asyncio.run(_play([SCENES[name] for name in wanted], servers.gateway, studio))
    return 0 if all(verdicts) else 1


async def _play(scenes: Sequence[Scene], gateway: str, studio: Studio) -> list[bool]:
    """One after the other, on one loop: grpc.aio wants no other."""
    return [await scene(gateway, studio) for scene in scenes]


def tell(name: str, outcomes: Sequence[Outcome], measured: str = "", *, is_good: bool = True) -> bool:
    """Print the line of a criterion, and what was wrong; return the verdict."""
    wrong = [outcome for outcome in outcomes if outcome.trouble]
    is_passed = is_good and not wrong
    counted = measured or f"{len(outcomes) - len(wrong)} of {len(outcomes)}"
    print(f"{name} | {counted} | {'PASS' if is_passed else 'FAIL'}", flush=True)
    for outcome in wrong:
        print(f"    {outcome.name}: {outcome.trouble}", flush=True)
    return is_passed


async def side_by_side(
    gateway: str,
    deeds: Sequence[Callable[[Caller], Awaitable[Outcome]]],
    count: int = SIDE_BY_SIDE,
    device: type[VirtualDevice] = VirtualDevice,
) -> list[Outcome]:
    """Share the deeds out among callers that talk at the same time."""

    async def one(mine: Sequence[Callable[[Caller], Awaitable[Outcome]]]) -> list[Outcome]:
        async with Caller(gateway, device) as caller:
            return [await deed(caller) for deed in mine]

    shared = await asyncio.gather(*(one(deeds[start::count]) for start in range(count)))
    return [outcome for outcomes in shared for outcome in outcomes]


async def pauses(gateway: str, studio: Studio) -> bool:
    """20 turns with a pause inside."""
    parts = [(" ... ".join(FRAGMENTS[index]), *studio.fragment(index)) for index in range(len(FRAGMENTS))]
    deeds = [lambda caller, part=part: pause_inside(caller, f"{part[0]} ({part[3]} ms)", *part[1:]) for part in parts]
    return tell("turns with a pause inside, answered once | all", await side_by_side(gateway, deeds))


async def questions(gateway: str, studio: Studio) -> bool:
    """20 complete questions, one after the other."""
    spoken = [(text, studio.speak(text, index % SPEAKERS)) for index, text in enumerate(QUESTIONS)]
    deeds = [lambda caller, each=each: question(caller, *each) for each in spoken]
    outcomes = await side_by_side(gateway, deeds, count=1)
    latencies_ms = sorted(outcome.latency_ms for outcome in outcomes if outcome.latency_ms is not None)
    median_ms = statistics.median(latencies_ms) if latencies_ms else float("inf")
    is_fast = tell(
        f"voice to voice p50 | <= {VOICE_TO_VOICE_MS} ms",
        [],
        f"{median_ms:.0f} ms (from {latencies_ms[0]:.0f} to {latencies_ms[-1]:.0f})" if latencies_ms else "no answer",
        is_good=median_ms <= VOICE_TO_VOICE_MS,
    )
    return tell("complete questions, answered without a hold | all", outcomes) and is_fast


async def interruptions(gateway: str, studio: Studio) -> bool:
    """10 interruptions of a counting agent."""
    spoken = [studio.speak(STOP_AND_ASK, index) for index in range(SPEAKERS)]
    deeds = [
        lambda caller, index=index, after_ms=after_ms: interruption(caller, after_ms, spoken[index % SPEAKERS])
        for index, after_ms in enumerate(INTERRUPTIONS_AFTER_MS)
    ]
    return tell("interruptions, and the next answer knows the last number | all", await side_by_side(gateway, deeds))


async def additions(gateway: str, studio: Studio) -> bool:
    """20 things that users add before the reply is heard."""
    deeds = [
        lambda caller, added=added, booking=booking, before_ms=before_ms, index=index: addition(
            caller, added, studio.speak(booking, index % SPEAKERS), studio.speak(added, index % SPEAKERS), before_ms
        )
        for index, (added, booking) in enumerate(zip(ADDITIONS, BOOKINGS, strict=True))
        for before_ms in ADDITIONS_BEFORE_MS
    ]
    outcomes = await side_by_side(gateway, deeds, device=LateSpeaker)
    return tell("late additions, joined with the turn word for word | all", outcomes)


async def words(gateway: str, studio: Studio) -> bool:
    """10 single words over the agent, one of them the answer to its question."""
    asked = [(word, STORY, WORD_AFTER_MS + WORD_STEP_MS * index) for index, word in enumerate(WORDS)]
    asked.append((ASSENT, ASKING, WORD_AFTER_MS))
    deeds = [
        lambda caller, word=word, prompt=prompt, after_ms=after_ms: single_word(
            caller, word, prompt, studio.speak(word), after_ms
        )
        for word, prompt, after_ms in asked
    ]
    return tell("single words over the agent, answered | all", await side_by_side(gateway, deeds))


async def sounds(gateway: str, studio: Studio) -> bool:
    """10 sounds over a counting agent."""
    deeds = [
        lambda caller, index=index, sound=sound: harmless_sound(caller, sound, 1_500 + 170 * index)
        for index, sound in enumerate(studio.sounds())
    ]
    outcomes = await side_by_side(gateway, deeds)
    longest_ms = max(outcome.pause_ms or 0.0 for outcome in outcomes)
    is_short = tell(
        f"longest pause after a sound | <= {LONGEST_PAUSE_MS} ms",
        [],
        f"{longest_ms:.0f} ms",
        is_good=longest_ms <= LONGEST_PAUSE_MS + TICK_MS,
    )
    return tell("sounds with an onset, reply complete afterwards | all", outcomes) and is_short


async def own_voice(gateway: str, studio: Studio) -> bool:
    """A minute of the agent's own voice in its microphone."""
    async with Caller(gateway, EchoingRoom) as caller:
        outcomes = await echo(caller, MINUTE_MS, studio.speak(REAL_INTERRUPTION))
    return tell("own voice at -12 dB after 120 ms, then an interruption | all", outcomes)


SCENES: dict[str, Scene] = {
    "pauses": pauses,
    "questions": questions,
    "interruptions": interruptions,
    "additions": additions,
    "words": words,
    "sounds": sounds,
    "echo": own_voice,
}


if __name__ == "__main__":
    sys.exit(main())
