"""The patterns by which `speakable` finds what is not read aloud.

All of them are linear: what repeats without end is possessive, so that nothing is tried twice from one place, and what
stops it also stops the next place from which it could be tried. `tests/turn/text/test_turn_text_cost.py` checks it.
"""

import re

ANY = re.compile(r"[^A-Za-z0-9\s.,;!?'\"\u2019]|www\.", re.IGNORECASE)
"""A sentence without this has nothing to leave out but white space."""
_BEFORE_FENCE = r"^[^\S\n]*+(?:(?:[-*+>]|\d{1,3}[.)])[^\S\n]++)*+"
"""What a line begins with: a list or a quotation may hold a block."""
OPENING_FENCE = re.compile(
    rf"{_BEFORE_FENCE}(?P<run>`{{3,}}+|~{{3,}}+)[^`\n]*+\n"
    r"|(?:(?<=[.:!?])\s++|(?<=\s)(?=`++\w))(?P<late>`{3,}+)[\w+.#-]*+[^\S\n]*+\n",
    re.MULTILINE,
)
"""Begins a line, or stands behind "Here it is:" or with the name of a language, and is all of what is left of the line:
"okay~~~" is drawn out, and three backticks in a line are marks like one."""
OPENING_SENTENCE = re.compile(r"\s*+(?P<run>`{3,}+)(?P<late>)[\w+.#-]*+[^\S\n]*+\n")
"""The same of a sentence that begins no line."""
CLOSING_FENCE = re.compile(
    rf"{_BEFORE_FENCE}(?P<run>`{{3,}}+|~{{3,}}+)|(?<!`)(?P<late>`{{3,}}+)[^\S\n]*+$", re.MULTILINE
)
"""Begins a line, whatever follows, or ends one."""
COMMENT = re.compile(r"<!--(?:[^<>-]|-(?!->))*+-->")

_LABEL = r"(?P<kept>(?:[^\[\]\n]|\[[^\[\]\n]*+\])*+)"
_TITLE = r"(?:\s++(?:\"[^\"\[\]]*+\"|'[^'\[\]]*+'))?+"
_TARGET = rf"\([^\S\n]*+(?:<[^<>\[\]\n]*+>|(?:[^()\s\[\]<>]|\([^()\s\[\]]*+\))*+){_TITLE}\s*+\)"
"""Parentheses inside the target come in pairs; a title may follow."""
IMAGE = re.compile(rf"!\[(?P<kept>[^\[\]\n]*+)\]{_TARGET}")
LINK = re.compile(rf"(?<![A-Za-z0-9_])\[{_LABEL}\]{_TARGET}")
"""Not `f[i](x)`, which is a program."""
REFERENCE = re.compile(r"(?<![A-Za-z0-9_])\[(?!\d{1,3}\]\[\d{1,3}\])(?P<kept>[^\[\]\n]++)\]\[[^\[\]\n]*+\]")
"""Two numbers are two citations."""
DEFINITION = re.compile(
    r"^[^\S\n]{0,3}\[[^\[\]^\n]++\]:[^\S\n]++(?:https?://|www\.|[/#<])\S*+"
    r"(?:[^\S\n]++(?:\"[^\"\n]*+\"|'[^'\n]*+'|\([^()\n]*+\)))?+[^\S\n]*+$",
    re.MULTILINE,
)
"""The definition of a reference: `[1]: https://example.org "Title"`, and nothing else in its line."""
FOOTNOTE = re.compile(r"\[\^[^\[\]\n]++\]:?")
_NUMBERS = r"\d{1,3}(?:(?:, ?|[\u2013-])\d{1,3}){0,20}"
CITATION = re.compile(
    rf"(?:(?<=[^\W\d_][^\W\d_])|(?<=[.,;:!?)\"\u201d\u3002\uff0c]))\[(?!0){_NUMBERS}\](?:\[{_NUMBERS}\]){{0,20}}"
    r"(?![(\[]|\.\w| ?[=+*/-])"
)
"""Behind a word or a mark, without a space; `a[1]`, `list[0]` and `list[1] = 5` are programs, and `the interval [0, 1]`
is read."""
CITATION_AT_END = re.compile(
    r"(?<=[^\s=:]) \[\d{1,3}\]"
    r"(?:(?:,? ?\[\d{1,3}\]){0,20}(?=[.,;:!?\u3002\uff0c]|\s*+\Z)|(?:\[\d{1,3}\]){1,20}(?= [^\W_]))"
)
"""Numbers alone behind a word, before a mark or the end: how models cite. Several that touch are never words."""
READ_NUMBER = re.compile(
    r"(?:^\s*+|(?<!\S)(?:press|dial|type|enter|choose|select|option|step|key|button|number|line|item|table|figure|"
    r"see|room|gate|page|score|row|column|cell|entry|element|index|position|pixel|matrix|array|grid|"
    r"is|are|was|were|in|of|on|to|by|with|or|and|dr\u00fccken|w\u00e4hlen|oder|und|appuyez|sur|ou|et|pulse|marque|o|y)\s)\[\d{1,3}\]"
    r"|\s\[\d{1,3}\]\s(?!\[)",
    re.IGNORECASE,
)
"""Where a number in brackets is a word of the sentence: where one is, all are: "Press [1], [2] or [3]."."""

AUTOLINK = re.compile(
    r"<(?:mailto:|tel:)?(?P<kept>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]++@[\w.-]++|(?:https?|ftp)://[^\s<>]++|\+?[0-9-]{3,20})>"
)
MAIL_SCHEME = re.compile(r"(?<![A-Za-z0-9])(?:mailto:|tel:)(?=[\w+])")
WEB = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:https?|ftp)://(?:www\.)?|www\.)"
    r"(?P<place>(?:[A-Za-z0-9._~:/?#@!$&'*+,;=%-]|\([A-Za-z0-9._~:/?#@!$&'*+,;=%-]*+\))*(?<![.,;:!?'*_]))",
    re.IGNORECASE,
)
"""The marks at its end belong to the sentence."""
PATH = re.compile(r"[A-Za-z0-9._~/()-]*")

_ATTRIBUTES = r"(?:\s++[A-Za-z_:][\w:.-]*+\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>=]++))*+\s*+/?"
_INLINE = "a abbr b big cite code del em font i ins kbd mark q s samp small span strong sub sup tt u var".replace(
    " ", "|"
)
_BLOCK = (
    "article aside blockquote body br center dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 head "
    "header hr html img li main nav ol p pre section summary table tbody td tfoot th thead tr ul"
).replace(" ", "|")
NAMED_TAG = re.compile(r"`</?(?P<kept>[A-Za-z](?:[^<>`\n/]|/(?!>))*+)/?>`")
"""Spoken of, and not used: the name in "a `<div>` element" is a word."""
_INLINE_OPENING = rf"<(?:{_INLINE}|{_INLINE.upper()}){_ATTRIBUTES}>"
BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK}|{_BLOCK.upper()}){_ATTRIBUTES}>")
INLINE_TAG = re.compile(rf"</(?:{_INLINE}|{_INLINE.upper()})\s*+>|{_INLINE_OPENING}")
"""HTML's own, with attributes as HTML writes them: `a<b and c>d` compares. A name like that of `<Del>`, of which the
first letter alone is a capital, is that of a key."""
OPEN_INLINE_TAG = re.compile(rf"{_INLINE_OPENING}(?![\s.,;:!?)]|\Z)")
"""The same in a sentence that closes no tag: its words follow at once. `vector<b>` has a parameter; `<Q>` is a key."""
KEY = re.compile(r"(?<![\w<>])<(?P<kept>[A-Za-z])>(?![\w<>])")
END_TAG = re.compile(r"</[A-Za-z][\w:-]*+\s*+>")
OPENING_TAG = re.compile(
    rf"(?<![\w<>])<[A-Za-z][A-Za-z0-9_-]*+{_ATTRIBUTES}>(?=\w)|\A\s*+<[A-Za-z][A-Za-z0-9_-]*+>[^\S\n]*+\n\Z"
)
"""Before a word that it is glued to, as in `<answer>Yes`, or alone in its line: a mark, whatever it is called."""
PLACEHOLDER = re.compile(r"(?<![\w<>])<(?P<kept>[^\W\d_]{2}(?:[^<>\n]*+)(?<=[^\s<>]{2}))>")
"""`<your name>`: its words are read. Not the `<int>` of `vector<int>`, nor what `x <y and z> w` compares."""
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

RULE = re.compile(r"^[^\S\n]*+([-*_=])(?:[^\S\n]*+\1){2,}+[^\S\n]*+$", re.MULTILINE)
TABLE_RULE = re.compile(r"^(?=[^\n]*--)[|: \t-]++$", re.MULTILINE)
QUOTE = re.compile(r"^[^\S\n]*+(?:>[^\S\n]*+)++(?=[^\s=])", re.MULTILINE)
HEADING = re.compile(r"^[^\S\n]*+#{1,6}[^\S\n]++", re.MULTILINE)
HEADING_END = re.compile(r"(?<=\s)#{2,6}[^\S\n]*+$", re.MULTILINE)
BULLET = re.compile(r"^[^\S\n]*+[-*+\u2022\u25e6\u25aa\u2013][^\S\n]++", re.MULTILINE)
TASK_BOX = re.compile(r"^\[[ xX]\][^\S\n]++", re.MULTILINE)

STARS = re.compile(r"(?<![*\\])\*{1,3}(?!\*)")
GLOB = re.compile(r"(?<!\S)\*\.\w|\*(?!\S)")
"""A star that is alone in its sentence, in `*.py`, or behind a price."""
KEYS = re.compile(r"\d[\d#]*+(?![\w*])")
"""Keys of a telephone, behind a star."""
QUOTED_KEYS = re.compile(rf"[\"'(\[\u201c\u201e\u2018\u00ab]\*{KEYS.pattern}")
"""The same with the star, behind a quotation mark or a bracket."""
UNDERSCORES = re.compile(r"(?<![\w\\])_{1,3}(?=\S)|(?<=[^\s\\])_{1,3}(?!\w)")
OTHER_EMPHASIS = re.compile(r"~~++|`")
ESCAPE = re.compile(r"\\(?P<kept>[*_`#\[\]()~>|+.!-])")

WIDE = re.compile(r"[\u200d\u20e3\u2100-\U0010ffff]")
LONE_JOINER = re.compile(r"(?<!\S)\u200d")
SPACES = re.compile(r" \s+|[^\S ]\s*")
"""White space other than a single space."""
CELL = re.compile(r" ?\| ?")
SPACED_CELL = re.compile(r" \| ")
LONE_BAR = re.compile(r"\A\| | \|\Z")
"""The bar of a table row that was cut at the end of a sentence. `|x|` and `a || b` are read."""
EMPTY_BRACKETS = re.compile(r"\( ?\)|\[ ?\]")
SPACE_BEFORE_MARK = re.compile(r" (?=[.,;:!?](?:\s|\Z))")


def is_tag_character(char: str) -> bool:
    """Whether it belongs to the flag of a region: Unicode's tag characters."""
    return "\U000e0000" <= char <= "\U000e007f"
