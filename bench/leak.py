"""What a reply that is cut off leaves behind: the memory of a process that interrupts 2,000 of them.

The client of synthesis is in a process of its own, because the server's side of a cancelled call costs memory as well.
"""

import asyncio
import os
import sys
from typing import Final

from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import VoiceSpec
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
from voicegateway_testkit.process_meter import resident_bytes

from bench.process import ROOT, Bench
from bench.report import Comparison, Line

WARM_REPLIES: Final = 200
"""By then pools and caches have their size."""
REPLIES: Final = 2_000
LIMIT_MIB: Final = 8
_CHUNK_EVERY_MS: Final = 1
_CUT_OFF_S: Final = 0.002
"""After the first audio, in the midst of more: what leaks is the message that comes while its reader is cancelled."""
_TEXT: Final = "Good morning to everybody who is here."
_MIB: Final = 1_048_576
_VOICE: Final = VoiceSpec("en-US", "", 22_050)


async def measure_leak(bench: Bench) -> tuple[list[str], list[Line]]:
    """Interrupt replies while their audio comes, and see what stays."""
    bench.say(f"interrupting {REPLIES} replies")
    async with FakeTts(timing=TtsTiming(first_audio_ms=0, chunk_every_ms=_CHUNK_EVERY_MS)) as fake:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.leak", fake.address, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await client.communicate()
    if client.returncode:
        raise SystemExit(f"bench: the client of synthesis ended with {client.returncode}")
    warm_mib, final_mib = map(float, output.split())
    told = [f"RSS after {WARM_REPLIES} interrupted replies {warm_mib:.1f} MiB, after {REPLIES} {final_mib:.1f} MiB"]
    return told, [
        Line(
            "memory that interrupted replies leave",
            final_mib - warm_mib,
            "MiB",
            LIMIT_MIB,
            comparison=Comparison.NONE,
        )
    ]


async def interrupt(client: RivaSynthesizer, number: int) -> None:
    """Begin a reply and cancel it as a session does that is interrupted."""
    has_audio = asyncio.Event()

    async def speak() -> None:
        async for _ in client.synthesize(SessionId(f"s{number}"), _VOICE, _TEXT):
            has_audio.set()

    task = asyncio.create_task(speak())
    await has_audio.wait()
    await asyncio.sleep(_CUT_OFF_S)
    task.cancel()
    await asyncio.wait((task,))


async def interrupt_all(address: str) -> None:
    """Interrupt `REPLIES` replies; print the memory in MiB early and at the end."""
    client = RivaSynthesizer(RivaTtsSettings(RivaSettings((address,))))
    for number in range(1, REPLIES + 1):
        await interrupt(client, number)
        if number in {WARM_REPLIES, REPLIES}:
            print(resident_bytes(os.getpid()) / _MIB, flush=True)
    await client.pool.close()


if __name__ == "__main__":
    asyncio.run(interrupt_all(sys.argv[1]))
