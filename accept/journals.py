"""Do journals of commit 8881cd2 still say the same conversation?

    .venv/bin/python -m accept.journals FOLDER

FOLDER holds journals that `full_journals` kept. Each is played to a new core in open loop: facts at their instants, the
core's own deadlines between them. Facts name what the old core ordered; they are told of what the new core ordered for
the same purpose, as soon as it has. Prints each journal that differs, with the lines of the conversation that only one
of the two cores says, and a table. Exit status 1: a difference has no reason in `journal_differences.toml`.
"""

import sys
import tomllib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import ndiff
from itertools import chain
from pathlib import Path
from typing import Any

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.plain import to_plain
from voice_gateway.turn import inputs
from voice_gateway.turn.core import Core

from accept.old_journals import OldCall, Plain, read

REASONS = Path(__file__).with_name("journal_differences.toml")
NO_REASON = "NO REASON"
REPLY_ORDERED: dict[type[Any], str] = {
    inputs.PlayoutStarted: "Play",
    inputs.PlayoutStarved: "Play",
    inputs.PlaybackReported: "Play",
    inputs.PlayoutCompleted: "EndPlay",
}
"""What a core orders before it can be told these."""


class Ordered:
    """What a core has ordered, by what it is for."""

    def __init__(self) -> None:
        self.purposes: dict[tuple[str, Any], Any] = {}
        """(kind, id) to purpose."""
        self.takes: dict[tuple[int, int], int] = {}
        """The latest take of each sentence."""

    def texts(self, reply: int) -> dict[int, str]:
        """The sentences of a reply, in order of their numbers."""
        return {key[1]: text for (kind, key), text in self.purposes.items() if kind == "sentence" and key[0] == reply}

    def take(self, batch: list[Plain]) -> None:
        """Take a batch of effects."""
        for effect in batch:
            match effect[""]:
                case "OpenRecognition":
                    self.purposes["stream", effect["stream"]] = effect["stream"]
                case "StartReply":
                    self.purposes["reply", effect["reply"]] = _question(effect["messages"])
                case "Synthesize":
                    self.purposes.setdefault(("reply", effect["reply"]), effect["text"])
                    sentence = effect["reply"], effect["sentence"]
                    self.purposes["sentence", sentence] = effect["text"]
                    self.takes[sentence] = effect.get("take", 1)
                case "RunTool":
                    self.purposes["call", effect["call"]] = effect["name"], effect["arguments_json"]
                case "Emit" if effect["event"][""] == "ToolCalled":
                    called = effect["event"]
                    self.purposes["call", called["call"]] = called["name"], called["arguments_json"]
                case "Play" | "EndPlay" as name:
                    self.purposes[name, effect["reply"]] = None


def _question(messages: list[Plain]) -> tuple[str, int]:
    """What the user said last, and how many tools have returned since."""
    roles = [message["role"] for message in messages]
    last = max((index for index, role in enumerate(roles) if role == "user"), default=0)
    return messages[last]["text"] if messages else "", roles[last:].count("tool")


class Twin:
    """A new core, which is told what the old one was told."""

    def __init__(self, agreed: Agreement) -> None:
        self._core = Core(agreed)
        self._old, self._new = Ordered(), Ordered()
        self._pairs: dict[tuple[str, Any], Any] = {}
        self._waiting: dict[tuple[str, Any], deque[inputs.Input]] = {}
        self.batches: list[list[Plain]] = []

    @property
    def untold(self) -> int:
        """How many facts are about what the new core never ordered."""
        return sum(map(len, self._waiting.values()))

    def take(self, call: OldCall) -> None:
        """Go on to the instant of a call, and tell its fact."""
        while (deadline := self._core.deadline()) is not None and deadline <= call.at:
            self._keep(self._core.on_deadline(deadline))
            self._tell(deadline)
        for fact in call.facts:
            self._waiting.setdefault(_lane(fact), deque()).append(fact)
            self._tell(call.at)
        self._old.take(call.effects or [])

    def _keep(self, batch: tuple[Any, ...]) -> None:
        plain = [to_plain(effect, with_names=True) for effect in batch]
        self._new.take(plain)
        self.batches.append(plain)

    def _tell(self, now: Instant) -> None:
        """Tell all that can be told."""
        is_moving = True
        while is_moving:
            is_moving = False
            for lane in self._waiting.values():
                while lane and (fact := self._renamed(lane[0])) is not None:
                    lane.popleft()
                    is_moving = True
                    self._keep(self._core.handle(fact, now))

    def _renamed(self, fact: inputs.Input) -> inputs.Input | None:
        """The fact with the ids of the new core; None: it has not ordered what the fact is about."""
        ids: dict[str, Any] = {}
        for kind in ("stream", "reply", "call"):
            if (old := getattr(fact, kind, None)) is not None:
                ids[kind] = self._paired(kind, old)
        if (sentence := getattr(fact, "sentence", None)) is not None and ids["reply"] is not None:
            ids["sentence"] = self._sentence(fact.reply, sentence, ids["reply"])  # type: ignore[union-attr]  # it has one
            ids["take"] = self._new.takes.get((ids["reply"], ids["sentence"]), 1)
        if None in ids.values():
            return None
        order = REPLY_ORDERED.get(type(fact))
        if order is not None and (order, ids["reply"]) not in self._new.purposes:
            return None
        return replace(fact, **ids) if ids else fact

    def _paired(self, kind: str, old: int) -> int | None:
        """The newest of the new core that has the purpose of the old one, and no pair yet."""
        if (kind, old) not in self._pairs:
            purpose = self._old.purposes.get((kind, old))
            taken = {new for (each, _), new in self._pairs.items() if each == kind}
            of_kind = [(new, for_) for (each, new), for_ in self._new.purposes.items() if each == kind]
            fitting = [new for new, for_ in of_kind if for_ == purpose and new not in taken]
            if not fitting:
                return None
            self._pairs[kind, old] = max(fitting)
        paired: int = self._pairs[kind, old]
        return paired

    def _sentence(self, old_reply: int, sentence: int, new_reply: int) -> int | None:
        """The sentence of the new reply that has the same text, for the same time."""
        texts = self._old.texts(old_reply)
        times = list(texts.values())[: list(texts).index(sentence) + 1].count(texts[sentence])
        fitting = [number for number, text in self._new.texts(new_reply).items() if text == texts[sentence]]
        return fitting[times - 1] if len(fitting) >= times else None


def _lane(fact: inputs.Input) -> tuple[str, Any]:
    """Facts of one lane are told in their order."""
    for kind in ("stream", "reply", "call"):
        if (number := getattr(fact, kind, None)) is not None:
            return kind, number
    return "", None


# --- what was said -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    asked: str = ""
    told: str = ""
    heard: str | None = None
    """None: it was not interrupted."""


def said(batches: Iterable[list[Plain]]) -> Iterator[str]:
    """The conversation that effects tell: what was said, asked, heard and done, and how it ended."""
    replies: defaultdict[int, _Reply] = defaultdict(_Reply)
    for effect in chain.from_iterable(batches):
        match effect:
            case {"": "StartReply" | "AskAgain", "reply": reply, "messages": messages}:
                asked = (f"{each['role']} {each['text']!r}" for each in messages if each["role"] != "system")
                replies[reply].asked = " | ".join(asked)
            case {"": "Fail", "reason": reason}:
                yield f"failed {reason}"
            case {"": "RunTool", "name": name, "arguments_json": arguments}:
                yield f"tool of the server {name} {arguments}"
            case {"": "Emit", "event": {"reply": reply} as event}:
                yield from _told_of_reply(event, replies[reply])
            case {"": "Emit", "event": event}:
                yield from _told(event)


def _told_of_reply(event: Plain, reply: _Reply) -> Iterator[str]:
    match event:
        case {"": "ReplyText", "text": text}:
            reply.told += text
        case {"": "ReplyHeard", "heard_text": text}:
            reply.heard = text
        case {"": "ReplyFinished", "kind": kind, "outcome": outcome}:
            if reply.asked:
                yield f"asked {reply.asked}"
            yield f"{kind.lower()} {outcome.lower()} {(reply.told if reply.heard is None else reply.heard)!r}"


def _told(event: Plain) -> Iterator[str]:
    match event:
        case {"": "Transcript", "is_final": True, "text": text}:
            yield f"user {text!r}"
        case {"": "Notice", "reason": reason}:
            yield f"notice {reason}"
        case {"": "ToolCalled", "name": name, "arguments_json": arguments}:
            yield f"tool {name} {arguments}"
        case {"": "Ended", "cause": cause}:
            yield f"ended {cause}"


# --- comparing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """How the conversation of a journal is said today."""

    difference: tuple[str, ...]
    """What only the old core says, behind `-`, and what only the new one says, behind `+`; empty: all is the same."""
    untold: int


def compare(text: str) -> Compared:
    """Play a journal to a new core."""
    agreed, calls = read(text)
    twin = Twin(agreed)
    for call in calls:
        twin.take(call)
    before, after = list(said(call.effects or [] for call in calls)), list(said(twin.batches))
    lines = tuple(line for line in ndiff(before, after) if line[0] in "-+")
    return Compared(lines, twin.untold)


def main(folder: Path) -> int:
    """Compare, print, and return the exit status."""
    reasons = {(each["test"], tuple(each["difference"])): each["reason"] for each in _listed()}
    kinds: Counter[str] = Counter()
    untold = 0
    for path in sorted(folder.glob("*.jsonl")):
        compared = compare(path.read_text("utf-8"))
        kind = "the same"
        if compared.difference:
            kind = reasons.get((path.stem.rsplit(".", 1)[0], compared.difference), NO_REASON)
            print(path.stem, f"  {kind}", *(f"  {line}" for line in compared.difference), sep="\n")
        kinds[kind] += 1
        untold += compared.untold
    print("\njournals | how they are said today")
    for kind, number in kinds.most_common():
        print(f"{number:>8} | {kind}")
    print(f"{untold} facts were about what today's core never ordered, and were not told.")
    return int(bool(kinds[NO_REASON]) or not kinds)


def _listed() -> list[Plain]:
    listed: list[Plain] = tomllib.loads(REASONS.read_text())["differences"]
    return listed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
