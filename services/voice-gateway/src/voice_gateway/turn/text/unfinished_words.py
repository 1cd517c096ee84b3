"""The English words by which `unfinished` judges how an utterance ends. Small letters, contractions taken apart."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILLERS = _words("um uh er erm uhm umm uhh ehm")
NEVER_LAST = FILLERS | _words(
    "and or but because cause if unless although whether whereas except plus nor "
    "the a an my your our their every very gonna wanna gotta kinda let's"
)
"""What no sentence ends with; all but the first line of words belong to a noun or verb that is to come."""
PREPOSITIONS = _words(
    "of to for from with at by into onto about between during without against towards toward among via per than as in "
    "on until till since upon like"
)
"""Without those that end sentences as adverbs ("before", "over", "up")."""
COPULAS = _words("am is are was were")
MODALS = _words("will would can could shall should may might must")
AUXILIARIES = COPULAS | MODALS | _words("be been have has had")
DO_WORDS = _words("do does did")
FINITE = COPULAS | MODALS | DO_WORDS | _words("have has had")
"""What stands before the subject in a question."""
QUESTION_WORDS = _words("what who whom whose which where when why how")
SUBJECTS = _words("i you he she it we they there this that")
NOMINATIVES = _words("i he she we they")
JOINING = _words("and or but because if when while that although unless so as than until since whether before after")
ANSWERING = _words(
    "yes yeah yep yup no nope sure okay ok right indeed certainly course well oh correct true definitely maybe perhaps"
)
"""What a short answer begins with: "yes I am"."""
THINKING = _words("think thought hope guess believe suppose know knew sure afraid bet wish say said told assume")
"""What a short answer is the object of: "I think it is"."""
ASKING = THINKING | _words(
    "tell me us wonder wondering remember ask asked see show understand explain forgot idea is was about are not care "
    "matter depends check find out"
)
"""What stands before an indirect question: "tell me what it is made of"."""
CLAUSE_ENDERS = QUESTION_WORDS | _words("as than way all everything anything whatever wherever whenever whoever")
"""Before a subject, these let a clause end with its verb: "as soon as I can", "the way it is"."""
INDEFINITE = _words("something nothing anything someone nobody anyone somebody everything lot place one people things")
ARTICLES = _words("the a an my your our their his")
OBJECT_TAKERS = _words(
    "do know think say said mean me happened have want need eat cost get see buy recommend suggest use wrong like"
)
"""A preposition behind these takes an object that is still to come: "what do you know about"."""
BEFORE_INFINITIVE = _words("want like need have had has got going supposed able try trying cost take takes ought used")
SO_ENDERS = _words(
    "think thought hope believe guess suppose say said do did does even or if not why just is quite are was"
)
PARTICLES = {
    "on": _words(
        "turn turned turning put go going goes went come came hold hang move moved carry keep log sign try get bring "
        "switch switched power later early now so light lights"
    ),
    "in": _words(
        "come came log logged logging sign signed plug plugged check checked checking fill get got bring move moved "
        "step dial tune join stay drop zoom call break breaks give"
    ),
    "by": _words("stop come came drop pass go stand get"),
    "since": _words("ever long"),
    "about": _words("all"),
    "with": _words("deal dealt"),
    "to": _words("happy glad love"),
}
"""Verbs and adverbs that make one thing with the particle behind them: "come in", "from now on"."""
SEPARABLE = {
    "on": _words("turn turned turning switch switched power leave left keep kept"),
    "in": _words("let plug bring fill type log count sign check hand"),
}
"""Verbs that take their object before the particle: "turn the light on"."""
SHORT_OBJECTS = _words("it them me him her us this that")
LEADS = ANSWERING | FILLERS | _words("so and but hey hi hello please then alexa")
"""What may stand before a question's first word."""

ONLY_ENGLISH = NEVER_LAST - _words("a an or if plus er my our gonna") | _words(
    "with from would could should might been were between without against towards until about into you"
)
"""Last words that are not common in other languages."""
ENGLISH = (
    ONLY_ENGLISH
    | NOMINATIVES - {"he"}
    | _words(
        "you your my this that what which where when who how why yes it its are does did not have can want need like "
        "know think tell get got go going live come came call please name number book flight there here some any one "
        "two three let give show make look looking see say talk talking turn put time day today tomorrow yesterday "
        "next last first order change send buy pay people work house lot thing something nothing of set remind play "
        "add start open close told him she"
    )
)
"""Common words whose presence tells that the text is English."""
