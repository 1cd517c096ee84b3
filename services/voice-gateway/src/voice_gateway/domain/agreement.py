"""What client and server have agreed about a session, and what the client may change of it."""

from dataclasses import dataclass, fields, replace

from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from voice_gateway.domain.caller import UNKNOWN, Caller
from voice_gateway.domain.chat import NO_TOOLS, PROMPT_TOKENS, Tool, Toolbox
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext

_LEAST = {"asr_rate_hz": 1, "backend_patience_ms": 0, "prompt_tokens": 0, "idle_timeout_ms": 0}
"""The least value of each number for which the contract has no range."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a client changes during its session, as it was granted. None: it stays as it is.

    The fields mean what they mean in an Agreement.
    """

    heard_language: str | None = None
    spoken_language: str | None = None
    voice: str | None = None
    system_prompt: str | None = None
    policy: TurnPolicy | None = None
    """The whole policy, fields that do not change included."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes from then on."""
    reply_modality: Modality | None = None

    def merged(self, later: "Change") -> "Change":
        """This change and then `later`, as one."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        newer = {spec.name: getattr(later, spec.name) for spec in fields(later)}
        return Change(**values | {name: value for name, value in newer.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Agreement:
    """Everything that was agreed about one session. A conversation is made of it, and of nothing else.

    A client's wishes are a `SessionRequest` or `SessionUpdate`: they may leave things open, or may not be granted. What
    a server offers is its `SessionSettings`: one for all sessions.

    Raises:
        ValueError: a rate that the contract does not have, or a number that is too small.
    """

    session_id: SessionId
    transport: str
    """The door that the client came through, as in `SessionRequest.transport`."""
    input_rate_hz: int
    """Rate of the client's input sample clock, in which positions are told."""
    asr_rate_hz: int
    """Rate of the LINEAR_PCM that recognition gets."""
    output_rate_hz: int
    """Rate of reply audio."""
    heard_language: str
    """BCP-47: what the user speaks. Recognition has this language."""
    spoken_language: str
    """BCP-47: what the agent speaks. Synthesis has this language."""
    voice: str
    """Empty: the synthesis backend chooses."""
    persona: Persona
    policy: TurnPolicy
    reply_modality: Modality = Modality.AUDIO
    """Replies have it where the client asks for no other."""
    toolbox: Toolbox = NO_TOOLS
    """The server's tools, then the client's."""
    player: Player = Player.PAUSES
    """What the client's player does while a reply is held."""
    backend_patience_ms: int = 0
    """How long the session goes on without recognition; 0: no limit."""
    prompt_tokens: int = PROMPT_TOKENS
    """Tokens that a request to the language model may have, the reply not counted."""
    idle_timeout_ms: int = 0
    """The session ends after this time without audio, text or reply; 0: never."""
    client_label: str = ""
    """The client's own name for the call, for logs only."""
    caller: Caller = UNKNOWN
    trace: TraceContext = NO_TRACE

    def __post_init__(self) -> None:
        """Refuse values that no session can have, wherever they come from."""
        for name, offered in (("input_rate_hz", INPUT_RATES_HZ), ("output_rate_hz", OUTPUT_RATES_HZ)):
            if getattr(self, name) not in offered:
                rates = ", ".join(map(str, offered))
                raise ValueError(f"{name} is {getattr(self, name)}; it must be one of {rates}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")

    def apply(self, change: Change) -> "Agreement":
        """The agreement after a change."""
        persona = self.persona
        if change.system_prompt is not None:
            persona = replace(persona, system_prompt=change.system_prompt)
        toolbox = self.toolbox if change.tools is None else self.toolbox.with_client_tools(change.tools)
        names = ("heard_language", "spoken_language", "voice", "policy", "reply_modality")
        named = {name: getattr(change, name) for name in names}
        given = {name: value for name, value in named.items() if value is not None}
        return replace(self, persona=persona, toolbox=toolbox, **given)
