"""Each word of every final transcript is kept: in the history, once, or disregarded for a reason that is stated."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from gateway_kit.phone_call import LANGUAGE
from gateway_kit.simulated.call import Call, Step
from voice_gateway.domain import events
from voice_gateway.domain.ids import ReplyId
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.echo import beyond_echo
from voice_gateway.turn.text.heard import count_words


def every_word_is_kept(call: Call) -> None:
    """What users say is in the history, once.

    Left out is only what is the agent's own voice, and what was said while some of a reply had been heard and only
    acknowledges, or is a word in a sound that has no voice. Each final is asked for when it comes. Names are looked for
    in the end, since each is said only once, however often it is transcribed; but not where all input is pushed faster
    than real time: there several streams may break before any of them is final.
    """
    names, left = set[str](), set[ReplyId]()
    aloud = defaultdict[ReplyId, str](str)
    for (before, step), is_voiced in zip(pairwise(call.steps), _voiced(call.steps[1:]), strict=True):
        for effect in step.effects:
            if isinstance(effect, effects.Synthesize):
                aloud[effect.reply] += f" {effect.text}"
        match step.fact:
            case inputs.SegmentFinal(text=text) if step.is_taken and text:
                parts = _users_parts(text, [aloud[reply] for reply in left])
                own = next((own for own in parts if _is_kept(step, own)), None)
                may_be_lost = _may_be_disregarded(before, step, text, is_voiced=is_voiced)
                assert own is not None or may_be_lost, f"{text!r} is lost"
                names.update(_names(own or ""))
            case inputs.PlayoutStarted(reply):
                left.add(reply)
            case inputs.TextTyped(text=text) if step.is_taken:
                names.update(_names(text))
    if call.line.is_pushed:
        return
    said = Counter(_names(call.said()))
    assert not names - {*said}, f"lost: {names - {*said}}"
    twice = {name for name, count in said.items() if count > 1}
    assert not twice, f"said more than once: {twice}"


def _voiced(steps: Iterable[Step]) -> Iterator[bool]:
    """Before each step, whether a voice was heard in the sound that began last, since the last final."""
    is_voiced = False
    for step in steps:
        yield is_voiced
        if isinstance(step.fact, inputs.SpeechStarted | inputs.SegmentFinal):
            is_voiced = False
        elif isinstance(step.fact, inputs.VoicingHeard):
            is_voiced = True


def _names(text: str) -> list[str]:
    return [word for word in _words(text) if word.startswith("thing")]


def _is_kept(step: Step, text: str) -> bool:
    """Whether the words are in the running turn, or in a turn that is committed now."""
    return not Counter(_words(text)) - _known(step)


def _known(step: Step) -> Counter[str]:
    committed = " ".join(
        effect.event.text
        for effect in step.effects
        if isinstance(effect, effects.Emit) and isinstance(effect.event, events.Transcript) and effect.event.is_final
    )
    return Counter(_words(f"{committed} {step.text}"))


def _users_parts(text: str, aloud: Iterable[str]) -> Iterator[str]:
    """The whole text, then what of it is no echo of what a reply that has left had said by some word of it."""
    yield text
    for spoken in aloud:
        words = spoken.split()
        for end in range(1, len(words) + 1):
            yield beyond_echo(text, " ".join(words[:end]))


def _may_be_disregarded(before: Step, step: Step, text: str, *, is_voiced: bool) -> bool:
    has_heard = any(then.heard is not None and then.heard[1] > 0 for then in (before, step))
    is_over = any(
        isinstance(effect, effects.Emit) and isinstance(effect.event, events.ReplyFinished) for effect in step.effects
    )
    is_noise = count_words(text) == 1 and not is_voiced
    return (has_heard or is_over) and (is_backchannel(text, LANGUAGE) or is_noise)


def _words(text: str) -> list[str]:
    """Without the marks that a fragment loses when the turn goes on behind it."""
    return [word.strip(".,;:\u2026") for word in text.casefold().split()]


OF_PLAUSIBLE_CALLS = (every_word_is_kept,)
