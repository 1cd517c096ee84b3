"""Reads journals of version 1, as commit 8881cd2 writes them, in the words of today's conversation. Pure.

What today's facts tell beyond them is reckoned: how far input had been received, from the positions that facts have and
from the time between them; when input was a backlog, from that, by `session/backlog.py`. Each sound counts as a voice.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.chat import Toolbox
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.instant import NS_PER_S, Instant, samples_to_ns
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.plain import from_plain, to_plain
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.backlog import Backlog
from voice_gateway.session.journal.codec import FACTS, LATER, RESERVED
from voice_gateway.turn import inputs

VERSION = 1
HEARD = frozenset({"SpeechStarted", "SpeechEnded", "TranscriptRevised", "SegmentFinal", "CommitRequested"})
"""Facts that tell how much input had been received."""

OLD_PATIENCE_MS = 7_500
"""The old core ended a session at the sixth failure of recognition: then. Today it is a setting (ADR 0017)."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OldCall:
    """One call of the core: what it was told, in today's words, and what it ordered then."""

    at: Instant
    facts: tuple[inputs.Input, ...]
    """The fact, and what today is told beside it; empty: a deadline had come."""
    effects: list[Plain] | None
    """None: the core raised an error."""


def read(text: str) -> tuple[Agreement, list[OldCall]]:
    """A whole journal that `full_journals` kept.

    Raises:
        ValueError: it is of another version.
    """
    head, *lines = map(json.loads, text.removesuffix("\n").split("\n"))
    if head["version"] != VERSION:
        raise ValueError(f"the journal is of version {head['version']}; this program reads version {VERSION}")
    agreed = agreement(head)
    return agreed, list(_calls(lines, Instant(head["clock_ns"]), agreed.input_rate_hz))


def agreement(head: Plain) -> Agreement:
    """What was agreed, of the first line."""
    session = head["session"]
    return Agreement(
        SessionId(session["session_id"]),
        head["transport"],
        session["input_rate_hz"],
        session["asr_rate_hz"],
        session["output_rate_hz"],
        session["language_code"],
        session["language_code"],
        session["voice"],
        Persona(**head["persona"]),
        TurnPolicy(**session["policy"]),
        toolbox=from_plain(Toolbox, head["toolbox"], "toolbox"),
        player=Player.PAUSES if session["can_pause"] else Player.NEVER_HELD,
        backend_patience_ms=OLD_PATIENCE_MS,
    )


def fact(line: Plain, received_samples: int) -> inputs.Input:
    """The fact of a line; input had been received up to `received_samples`."""
    name = line["fact"]
    told = {**LATER.get(name, {}), **{key: value for key, value in line.items() if key not in RESERVED}}
    if name in HEARD:
        told["received_samples"] = received_samples
    if name == "SettingsChanged":
        told["change"] = _change(told["change"])
    converted: inputs.Input = from_plain(FACTS[name], told, name)
    return converted


def received(lines: Iterable[Plain], rate_hz: int) -> list[int]:
    """How far input had been received at each line: as it says, else as time and the positions of facts say.

    Never more than the next line that says it.
    """
    lines = list(lines)
    reckoned: list[int] = []
    before, since = 0, 0
    for index, line in enumerate(lines):
        told: int | None = line.get("received_samples")
        if told is None:
            next_told = next((each["received_samples"] for each in lines[index:] if "received_samples" in each), None)
            by_time = before + (line["t"] - since) * rate_hz // NS_PER_S
            by_time = by_time if next_told is None else min(by_time, next_told)
            told = max(before, by_time, line.get("at_samples", 0) if line.get("fact") in HEARD else 0)
            told = max(told, line.get("end_samples", 0))
        reckoned.append(told)
        before, since = told, line["t"]
    return reckoned


def _change(change: Plain) -> Plain:
    language, policy = change.pop("language_code"), change["policy"]
    if policy is not None:
        change["policy"] = to_plain(TurnPolicy(**policy))
    return {**change, "heard_language": language, "spoken_language": language, "reply_modality": None}


def _calls(lines: list[Plain], start: Instant, rate_hz: int) -> Iterator[OldCall]:
    backlog, before = Backlog(), 0
    backlog.heard(audio_ns=0, gap_ns=0, unread_ns=0, received_samples=0, now=start)
    for line, samples in zip(lines, received(lines, rate_hz), strict=True):
        at = Instant(start + line["t"])
        facts: list[inputs.Input] = []
        if line.get("fact") in HEARD:
            audio_ns = samples_to_ns(samples - before, rate_hz)
            facts += backlog.heard(audio_ns=audio_ns, gap_ns=0, unread_ns=0, received_samples=before, now=at)
            before = samples
        if "fact" in line:
            facts.append(fact(line, samples))
        if line.get("fact") == "SpeechStarted":
            facts.append(inputs.VoicingHeard())
        yield OldCall(at, tuple(facts), line["effects"])
