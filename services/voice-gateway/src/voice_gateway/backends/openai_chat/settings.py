"""How the gateway reaches its language model. `config` fills this; nothing here reads the environment."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OpenAiChatSettings:
    """One endpoint that speaks the OpenAI chat protocol.

    Raises:
        ValueError: `base_url` is not an http or https URL.
    """

    base_url: str = field(repr=False)
    """`http(s)://host[:port]`, with or without `/v1`; not shown, as it may carry a password."""
    model: str = ""
    """Name of the model; empty: the first that the endpoint lists."""
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token; empty for an endpoint that wants none."""
    temperature: float | None = 0.7
    """Range [0, 2]; None: the server's own."""
    max_tokens: int | None = 512
    """Longest reply, in tokens; None: the server's own."""
    max_tokens_field: str = "max_tokens"
    """Under which name that goes out: `max_completion_tokens` is OpenAI's since its models think."""
    context_tokens: int = 0
    """What the model takes, prompt and reply together; 0: what the endpoint says, else CONTEXT_TOKENS."""
    extra_body_json: str = "{}"
    """A JSON object: further fields of each request. No secret."""
    begins_in_thought: bool = False
    """The chat template opens a thought that the model only closes: what is before its end is not for the user."""
    first_token_deadline_ms: int = 5_000
    """A reply that has not begun by then, the one repetition included, has failed; a thought is a beginning."""
    total_deadline_ms: int = 60_000
    """A reply that has not ended by then has failed."""
    probe_deadline_ms: int = 2_000
    """An endpoint that has not listed its models by then is failing."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError("the language model's URL must begin with http:// or https://")
