"""Each word of every final transcript is kept: in the history, once, or disregarded for a reason that is stated."""

from collections import Counter

from gateway_kit.phone_call import LANGUAGE
from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain import events
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.echo import beyond_echo
from voice_gateway.turn.text.heard import count_words


def every_word_is_kept(call: Call) -> None:
    """What users say is in the history as often as they said it.

    Left out is only what is the agent's own voice, and what was said while some of a reply had been heard and only
    acknowledges, or is a word in a sound that has no voice.
    """
    kept, shown = Counter[str](), Counter[str]()
    aloud = ""
    for before, step in zip(call.steps, call.steps[1:], strict=False):
        aloud += "".join(f" {effect.text}" for effect in step.effects if isinstance(effect, effects.Synthesize))
        match step.fact:
            case inputs.SegmentFinal(text=text) if step.is_taken and text:
                own = text if _is_kept(step, text) else beyond_echo(text, aloud)
                if _is_kept(step, own):
                    kept.update(_words(own))
                else:
                    assert _may_be_disregarded(before, own), f"{text!r} is lost"
            case inputs.TranscriptRevised(text=text) if step.is_taken:
                shown.update(_words(text))
            case inputs.TextTyped(text=text) if step.is_taken:
                kept.update(_words(text))
    said = Counter(_words(call.said()))
    assert kept <= said, f"lost: {kept - said}"
    names = {word for word in said if word.startswith("thing")}
    twice = {name for name in names if said[name] > max(kept[name], min(1, shown[name]))}
    assert not twice, f"said more than once: {twice}"


def _is_kept(step: Step, text: str) -> bool:
    """Whether the words are in the running turn, or in a turn that is committed now."""
    committed = " ".join(
        effect.event.text
        for effect in step.effects
        if isinstance(effect, effects.Emit) and isinstance(effect.event, events.Transcript) and effect.event.is_final
    )
    return not Counter(_words(text)) - Counter(_words(f"{committed} {step.text}"))


def _may_be_disregarded(before: Step, own: str) -> bool:
    has_heard = before.heard is not None and before.heard[1] > 0
    return has_heard and (is_backchannel(own, LANGUAGE) or count_words(own) == 1)


def _words(text: str) -> list[str]:
    """Without the marks that a fragment loses when the turn goes on behind it."""
    return [word.strip(".,;:\u2026") for word in text.casefold().split()]


OF_PLAUSIBLE_CALLS = (every_word_is_kept,)
