"""Runs and summaries with plain numbers, for the tests of `voice-client load`."""

from typing import Any

from voice_client.load.scores import ServerCost, Spread, Summary

NS_PER_MS = 1_000_000


def summary(calls: int = 10, **changes: Any) -> Summary:
    """A run in which all went well; p95 of voice to voice is 600 ms."""
    numbers: dict[str, Any] = {
        "seconds": 30.0,
        "turns": 50,
        "unanswered": 0,
        "cut_in_on": 0,
        "voice_to_voice": Spread(50, 550.0, 600.0, 610.0),
        "after_frame": Spread(50, 550.0, 600.0, 610.0),
        "added": None,
        "silence": Spread(4, 120.0, 150.0, 150.0),
        "ignored_interruptions": 0,
        "gaps": 0,
        "gap_ms": 0.0,
        "audio_frames": 5_000,
        "late_audio_frames": 0,
        "frames": 15_000,
        "late_frames": 0,
        "held_up_frames": 0,
        "failed": {},
        "notices": {},
        "said_words": 0,
        "lost_words": 0,
        "tool_cpu_s_per_call_minute": 0.2,
        "server": ServerCost(cpu_s_per_call_minute=0.5),
    }
    return Summary(calls=calls, **(numbers | changes))
