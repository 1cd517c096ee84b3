"""Small faults that are put into the functions of a module, one at a time: mutmut's, and some of our own."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, chain

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutant_records import Place
from mutmut.mutation.mutators import mutation_operators

_REMOVED = (cst.Expr, cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Return, cst.Raise, cst.Break, cst.Continue)
_BLANK = cst.Module([])


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the characters of a source from `start` to `end` are replaced."""

    place: Place
    line: int
    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """The source of the module, with the fault."""
        return source[: self.start] + self.text + source[self.end :]


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Every fault in every function of a module, in the order of the source; none of them twice."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    line_starts = list(accumulate((len(line) for line in source.splitlines(keepends=True)), initial=0))
    found: dict[str, Mutant] = {}
    for function, body in _functions(wrapper.module, ()):
        for node, changed in _faults(body):
            span = positions[node]
            start = line_starts[span.start.line - 1] + span.start.column
            end = line_starts[span.end.line - 1] + span.end.column
            text = _BLANK.code_for_node(changed)
            around = slice(line_starts[span.start.line - 1], line_starts[span.end.line])
            was, becomes = source[around], source[around.start : start] + text + source[end : around.stop]
            place = Place(module, function, " ".join(was.split()), " ".join(becomes.split()))
            mutant = Mutant(place, span.start.line, start, end, text)
            if place.was != place.becomes and _is_python(applied := mutant.applied(source)):
                found.setdefault(applied, mutant)
    return sorted(found.values(), key=lambda each: (each.start, each.end, each.text))


def _functions(node: cst.CSTNode, names: tuple[str, ...]) -> Iterator[tuple[str, cst.CSTNode]]:
    """The functions and methods by their qualified names; what is inside a function belongs to it."""
    for child in node.children:
        if isinstance(child, cst.FunctionDef):
            yield ".".join((*names, child.name.value)), child.body
        elif isinstance(child, cst.ClassDef):
            yield from _functions(child.body, (*names, child.name.value))


def _faults(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Nodes, and what each may be replaced by."""
    if isinstance(node, cst.Annotation) or _is_docstring(node):
        return
    if not isinstance(node, cst.BaseCompoundStatement):  # their parts are mutated one by one
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                yield from ((node, changed) for changed in operator(node))
    yield from _own_faults(node)
    yield from chain.from_iterable(map(_faults, node.children))


def _own_faults(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """A statement is left out, a condition always or never holds or loses one half, a loop is skipped."""
    if isinstance(node, _REMOVED):
        yield node, cst.Pass()
    if isinstance(node, cst.If | cst.CompIf):
        yield node.test, cst.Name("True")
    if isinstance(node, cst.If | cst.CompIf | cst.While):
        yield node.test, cst.Name("False")
    if isinstance(node, cst.BooleanOperation):
        yield node, node.left
        yield node, node.right
    if isinstance(node, cst.For):
        yield node.iter, cst.Tuple([])


def _is_docstring(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)


def _is_python(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True
