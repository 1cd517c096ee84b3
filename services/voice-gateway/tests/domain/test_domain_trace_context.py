"""Which traces are lawful, by the W3C's grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.trace_context import MAX_STATE_CHARS, NO_TRACE, PARENT_CHARS, TraceContext, trace_context

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (PARENT, PARENT),
        ("cc" + PARENT[2:], "cc" + PARENT[2:]),
        ("cc" + PARENT[2:] + "-what the future brings\n", "cc" + PARENT[2:]),
    ],
)
def test_a_lawful_traceparent_is_kept(told: str, kept: str) -> None:
    """Of a later version the part that this one knows is kept, too."""
    assert trace_context(told, "") == TraceContext(kept)


@pytest.mark.parametrize(
    "told",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "-",
        PARENT + "0",
        "cc" + PARENT[2:] + ".what",
        "ff" + PARENT[2:],
        " " + PARENT,
        PARENT + "\n",
        PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        PARENT.replace("-", "_"),
        "\u0660" + PARENT[1:],
    ],
)
def test_an_unlawful_traceparent_is_ignored(told: str) -> None:
    """A caller with a broken tracer has its call all the same; without a parent its state means nothing."""
    assert trace_context(told, "a=1") == NO_TRACE


@pytest.mark.parametrize(
    "told",
    [
        "rojo=00f067aa0ba902b7",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "1@a-b*c/d_e= !~ x",
        " a=1 ,\tb=2,,",
        ",".join(f"k{number}=v" for number in range(32)),
        "a" * 254 + "=" + "b" * 256,
        "a" * 255 + "=" + "b" * 256,
    ],
)
def test_a_lawful_tracestate_is_kept_as_it_is(told: str) -> None:
    """White space round members and empty members are lawful; what the members mean is the business of others."""
    assert trace_context(PARENT, told) == TraceContext(PARENT, told)


@pytest.mark.parametrize(
    "told",
    [
        "a",
        "a=",
        "=1",
        "A=1",
        "@a=1",
        "a=1,a=2",
        "a=1,\nb=2",
        "Xa=1",
        "a=1=2",
        "a=\n",
        "a=\x7f",
        "a=\u00e9",
        "a" * 257 + "=1",
        ",".join(f"k{number}=v" for number in range(33)),
        "a=" + "b" * 257,
        "",
        ",",
        " \t, ,",
        "," * (MAX_STATE_CHARS + 1),
        "k=" + "v" * 256 + ",l=" + "v" * 252,
    ],
)
def test_an_unlawful_tracestate_is_ignored_alone(told: str) -> None:
    """It is ignored as a whole, and so are one without members and one of 513 characters; the parent stays."""
    assert trace_context(PARENT, told) == TraceContext(PARENT)


@pytest.mark.parametrize(
    ("parent", "state"),
    [("00-4bf9-00f0-01", ""), (PARENT.upper(), ""), (PARENT + "-", ""), ("", "a=1"), (PARENT, "?"), (PARENT, ",")],
)
def test_no_trace_is_unlawful(parent: str, state: str) -> None:
    """Also what did not come through a client's header, such as a snapshot's, is logged as it is; it is not shown."""
    with pytest.raises(ValueError, match=r"^traceparent or tracestate is unlawful$"):
        TraceContext(parent, state)


KEYS = st.from_regex(r"[a-z0-9][a-z0-9_*/@-]{0,4}", fullmatch=True)
VALUES = st.from_regex(r"[ !-+\--<>-~]{0,4}[!-+\--<>-~]", fullmatch=True)
STATES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4).map(
    lambda members: " ,\t".join(f"{key}={value}" for key, value in members.items())
)


@given(STATES)
def test_members_of_the_grammar_are_kept(state: str) -> None:
    """Every letter that the grammar has for keys and values is taken."""
    assert trace_context(PARENT, state).state == state


@given(st.text(), st.text() | STATES | st.tuples(STATES, st.text(), STATES).map("".join))
def test_what_is_kept_can_be_logged(parent: str, state: str) -> None:
    """Whatever a client sends, what is kept is short, printable ASCII, but for tabs between members of a state."""
    for told in (parent, PARENT + parent, "cc" + PARENT[2:] + "-" + parent):
        kept = trace_context(told, state)
        assert len(kept.parent) in (0, PARENT_CHARS)
        assert len(kept.state) <= MAX_STATE_CHARS
        shown = kept.parent + kept.state.replace("\t", "")
        assert shown.isascii()
        assert shown.isprintable()
        assert TraceContext(kept.parent, kept.state) == kept


def test_a_log_line_names_the_parent_alone() -> None:
    """A call without a trace has no empty field in its lines."""
    assert TraceContext(PARENT, "a=1").logged == {"traceparent": PARENT}
    assert NO_TRACE.logged == {}
