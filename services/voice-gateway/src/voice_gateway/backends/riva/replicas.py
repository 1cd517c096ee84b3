"""Which address gets the next call. It is told of outcomes and never makes a call itself."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from voice_gateway.backends.riva.failures import Blame, CallFailedError

_log = logging.getLogger(__name__)

Offers = Mapping[str, tuple[str, ...]]
"""Language codes and the voices of each; a recogniser has languages without voices."""


class ReplicaState(Enum):
    """What is known of an address."""

    UNPROBED = "unprobed"
    ANSWERING = "answering"
    FAILING = "failing"


@dataclass(slots=True, eq=False)
class Replica:
    """One address of a service."""

    address: str
    stub: Any
    """The generated stub on this address's channel; Riva's stubs have no types."""
    state: ReplicaState = ReplicaState.UNPROBED
    calls: int = 0
    """Calls running now; each call counts itself in and out."""
    offers: Offers | None = None
    """What it last said it serves; None before its first answer."""
    on_failure: Callable[[str], None] | None = None
    """Called with the address for every failure that is its fault."""

    def note_answer(self) -> None:
        """It answered a probe or a call."""
        if self.state is ReplicaState.FAILING:
            _log.info("backend address answers again", extra={"address": self.address})
        self.state = ReplicaState.ANSWERING

    def note_failure(self, failure: CallFailedError, *, detail: str = "") -> None:
        """It failed a probe or a call; if that was the address's fault, only an answer redeems it.

        Args:
            failure: what happened.
            detail: more of it, for the log; nothing that anybody said.
        """
        if failure.blame is not Blame.REPLICA:
            return
        if self.on_failure is not None:
            self.on_failure(self.address)
        if self.state is not ReplicaState.FAILING:
            told = {"address": self.address, "cause": failure.cause}
            _log.warning("backend address fails", extra=told | ({"detail": detail} if detail else {}))
        self.state = ReplicaState.FAILING

    def serves(self, language_code: str) -> bool:
        """True unless it has said what it serves and the language is not among it."""
        return self.offers is None or language_code in self.offers


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """All addresses of one service."""

    replicas: tuple[Replica, ...]

    @property
    def is_healthy(self) -> bool:
        """True while at least one address answers."""
        return any(replica.state is ReplicaState.ANSWERING for replica in self.replicas)

    @property
    def offers(self) -> Offers:
        """What all addresses together last said they serve, failing ones included; empty before the first answer."""
        return merge_offers(replica.offers for replica in self.replicas if replica.offers is not None)

    def in_order(self, language_code: str) -> tuple[Replica, ...]:
        """Addresses to try one after the other: fewest calls first.

        Those that fail come last instead of never: a probe may not have seen yet that they are back, and a call that
        has nowhere else to go loses nothing by trying. Addresses without the language are left out unless none has it.
        """
        suitable = [replica for replica in self.replicas if replica.serves(language_code)] or self.replicas
        return tuple(sorted(suitable, key=lambda replica: (replica.state is ReplicaState.FAILING, replica.calls)))


def merge_offers(offers: Iterable[Offers]) -> Offers:
    """One listing of several: languages and their voices in order of first mention, none twice."""
    merged: dict[str, dict[str, None]] = {}
    for offer in offers:
        for language_code, voices in offer.items():
            merged.setdefault(language_code, {}).update(dict.fromkeys(voices))
    return {language_code: tuple(voices) for language_code, voices in merged.items()}
