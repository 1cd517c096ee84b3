"""What is passed on as JSON is read by others, who take less than Python does."""

import pytest
from voice_gateway.domain import strict_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5e3, true, null, "NaN"]}', {"a": [1, -2500.0, True, None, "NaN"]}),
        ("1e308", 1e308),
        ("1e-999", 0.0),
        ("-" + "9" * 308, -int("9" * 308)),
        ('["\\ud83d\\ude00", "\\\\ud800"]', ["\U0001f600", "\\ud800"]),
        ('"' + "[" * 200 + '"', "[" * 200),
        ("[" * 100 + "]" * 100, None),
        ('{"a":' * 100 + '"\\ud83d\\ude00"' + "}" * 100, None),
        ('{"a":[' * 50 + "]}" * 50, None),
        ("[" + "[]," * 200 + "{}]", [*([[]] * 200), {}]),
    ],
    ids=[
        "each kind",
        "large",
        "small",
        "whole",
        "a pair and no half",
        "brackets in a string",
        "nested",
        "nested objects",
        "nested in turn",
        "side by side",
    ],
)
def test_json_is_read(text: str, value: object) -> None:
    """The limits are of numbers and of nesting, and not of length."""
    assert strict_json.loads(text) == value or value is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        '{"a": -Infinity}',
        "1e309",
        '{"a": [-1e999]}',
        "1" + "0" * 309,
        "1" + "0" * 5_000,
        '{"a": "\\ud800"}',
        '{"\\uDFFF": 1}',
        '{"a": "\\ud800", "a": 1}',
        '{"a":' * 500 + '"\\ud83d\\ude00"' + "}" * 500,
        '{"a":' + "[" * 500 + "]" * 500 + ',"a":1}',
        '"\udcff"',
        "[" * 101 + "]" * 101,
        '{"a":' * 101 + "1" + "}" * 101,
        '{"a":[' * 51 + "]}" * 51,
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_what_others_would_not_read_is_refused(text: str) -> None:
    """One typed error for all of it, whoever calls and however deep in the stack."""
    with pytest.raises(ValueError, match=r"."):
        strict_json.loads(text)
    assert not strict_json.is_object(text)


@pytest.mark.parametrize(("text", "is_object"), [("{}", True), ('{"a": {}}', True), ("[]", False), ('"{}"', False)])
def test_objects_are_told(text: str, is_object: bool) -> None:  # noqa: FBT001  a table
    """Arguments and schemas are objects; anything else in their place is not."""
    assert strict_json.is_object(text) is is_object


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[NaN]", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("[1e999]", "a number that is too large"),
        ("1" + "0" * 309, "a number that is too large"),
        ("[" * 101 + "]" * 101, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=["NaN", "Infinity", "exponent", "digits", "a little", "much"],
)
def test_who_wrote_what_others_would_not_read_is_told_why(text: str, why: str) -> None:
    """The words reach the model that wrote the text, or the client, and say what is to be changed."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        strict_json.loads(text)
