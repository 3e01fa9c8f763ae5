"""The short way to canonical N-Quads: for documents that use nothing but the terms of the pinned contexts.

A strict part of JSON-LD 1.1 expansion and of RDF Dataset Canonicalization 1.0, whose terms are read from the
contexts themselves. Whatever lies outside of it is not judged here: the answer is then None, and the
caller takes the long way. An answer is byte for byte that of the long way.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lms.certs.core.addresses import is_address
from lms.certs.core.strict_json import Document

_RDF_TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_XSD_BOOLEAN = f"{_XSD}boolean"
# Datatypes whose values RDF writes in a form of its own, or leaves out.
_RDF_TEXT = "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"
_OWN_FORM = {f"{_XSD}string", f"{_XSD}double", _RDF_TEXT, "@json"}
_ALIASES = {"@id", "@type"}
_WORDS = {"id", "type", "@context"}
_BLANK = "_:"
_PARTS = {"@id", "@type", "@container", "@context"}
_CONTAINERS = {None, "@set", "@graph"}
_MOST_CONTEXTS = 8
_MOST_DERIVED = 500

Terms = dict[str, "_Term"]
Quad = tuple[str, str, str, str]


class _Unknown(Exception):
    """Say that the short way does not know this."""


@dataclass(frozen=True, slots=True)
class _Term:
    """What a context says of one term; one of which it says more has no `iri`, and `more` keeps that."""

    iri: str
    kind: str | None = None
    container: str | None = None
    scoped: Mapping[str, Any] | None = None
    more: object = None

    @property
    def graph(self) -> bool:
        """Say whether values stand in a graph of their own."""
        return self.container == "@graph"


class _Context:
    """The terms in force at one place of a document."""

    def __init__(self, terms: Terms, room: list[int] | None = None) -> None:
        self.terms = terms
        self.properties: dict[str, tuple[_Term, str]] = {}
        """Those of the terms that were asked for."""
        self._derived: dict[Hashable, _Context] = {}
        self._room = [_MOST_DERIVED] if room is None else room

    def term(self, name: str) -> _Term:
        """Return what a property means."""
        found = self.terms.get(name)
        if found is None and self._is_absolute(name):
            return _Term(name)
        if found is None or not found.iri or found.iri in _ALIASES:
            raise _Unknown
        return found

    def property(self, name: str) -> tuple[_Term, str]:
        """Return what a property means, and how RDF writes it."""
        term = self.term(name)
        found = (term, f"<{term.iri}>")
        if name in self.terms:  # there are only so many of these
            self.properties[name] = found
        return found

    def vocabulary(self, name: str) -> str:
        """Return what a type, or a value that is itself a term, means."""
        return self.term(name).iri

    def identifier(self, text: object) -> str:
        """Return an absolute identifier as RDF writes it."""
        if not isinstance(text, str) or not self._is_absolute(text):
            raise _Unknown
        return f"<{text}>"

    def with_types(self, types: tuple[str, ...]) -> "_Context":
        """Return the terms in force inside a node of these types, but not inside its own nodes."""
        return self._derived.get(types) or self._keep(types, self._typed(types))

    def _typed(self, types: tuple[str, ...]) -> "_Context":
        found = self
        for name in types:
            term = self.terms.get(name)
            if term is not None and term.scoped is not None:
                found = _Context(_extend(found.terms, term.scoped, override=False), self._room)
        return found

    def inside(self, term: _Term) -> "_Context":
        """Return the terms in force in the value of a property, and in everything below."""
        if term.scoped is None:
            return self
        about = id(term.scoped)  # a part of a pinned context: it stays where it is
        if about in self._derived:
            return self._derived[about]
        return self._keep(about, _Context(_extend(self.terms, term.scoped, override=True), self._room))

    def _keep(self, about: Hashable, derived: "_Context") -> "_Context":
        """Keep what was derived for the next time, as long as there is room: documents may name anything."""
        if self._room[0] > 0:
            self._room[0] -= 1
            self._derived[about] = derived
        return derived

    def _is_absolute(self, text: str) -> bool:
        if not is_address(text):
            return False
        prefix, _, rest = text.partition(":")
        return rest.startswith("//") or prefix not in self.terms


def short_way(document: Document, pinned: Callable[[], Mapping[str, Document]]) -> bytes | None:
    """Return the canonical N-Quads of a document, or None for one that only the long way can judge.

    Source: JSON-LD 1.1; RDF Dataset Canonicalization 1.0, the part without the N-degree hash.
    """
    try:
        walk = _Walk(document.get("@context"), pinned)
        walk.node(document, walk.outermost, "")
        return _canonical(walk.quads)
    except (_Unknown, RecursionError):
        return None


class _Walk:
    """One pass over a document, collecting its quads; blank nodes are counted as they come."""

    def __init__(self, addresses: object, pinned: Callable[[], Mapping[str, Document]]) -> None:
        self.addresses = _addresses(addresses)
        self.outermost = _outermost(self.addresses, pinned)
        self.quads: set[Quad] = set()
        self._blanks = 0

    def node(self, element: Document, context: _Context, graph: str) -> str:
        """Add the quads of one node and return its name."""
        self._check_context(element, context)
        types = _types(element)
        inner = context.with_types(tuple(sorted(set(types)))) if types else context
        subject = inner.identifier(element["id"]) if "id" in element else self._blank()
        add = self.quads.add
        for name in types:
            add((subject, _RDF_TYPE, f"<{context.vocabulary(name)}>", graph))
        known = inner.properties
        for key, value in element.items():
            if key in _WORDS:
                continue
            term, predicate = known.get(key) or inner.property(key)
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict):
                    found = self._inner_node(item, context.inside(term), graph, inside=term.graph)
                else:
                    found = _value(item, term, inner)
                add((subject, predicate, found, graph))
        return subject

    def _inner_node(self, element: Document, context: _Context, graph: str, *, inside: bool) -> str:
        """Add a node that is a value: in the same graph, or `inside` one of its own."""
        if not inside:
            return self.node(element, context, graph)
        name = self._blank()
        self.node(element, context, name)
        return name

    def _check_context(self, element: Document, context: _Context) -> None:
        """Let a context be said again where the same one is in force: that changes nothing."""
        if "@context" in element and not (
            context is self.outermost and set(_addresses(element["@context"])) <= set(self.addresses)
        ):
            raise _Unknown
        if element.keys() <= {"@context"}:
            raise _Unknown

    def _blank(self) -> str:
        self._blanks += 1
        return f"_:b{self._blanks}"


def _addresses(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not 0 < len(listed) <= _MOST_CONTEXTS or not all(isinstance(item, str) for item in listed):
        raise _Unknown
    return tuple(listed)


def _types(element: Document) -> list[str]:
    types = element.get("type", [])
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
        raise _Unknown
    if "type" in element and not types:
        raise _Unknown
    return types


def _outermost(addresses: tuple[str, ...], pinned: Callable[[], Mapping[str, Document]]) -> _Context:
    found = _read(addresses, pinned)
    if found is None:
        raise _Unknown
    return found


@lru_cache(maxsize=16)
def _read(addresses: tuple[str, ...], pinned: Callable[[], Mapping[str, Document]]) -> _Context | None:
    terms: Terms = {}
    contexts = pinned()
    try:
        for address in addresses:
            if address not in contexts:
                return None
            terms = _extend(terms, contexts[address]["@context"], override=False)
    except _Unknown:
        return None
    return _Context(terms) if terms["id"].iri == "@id" and terms["type"].iri == "@type" else None


def _extend(terms: Terms, local: Mapping[str, Any], *, override: bool) -> Terms:
    """Return the terms with those of one more context; protected ones are only ever said again alike."""
    extended = dict(terms)
    for name, definition in local.items():
        if name == "@protected":
            continue
        if name.startswith("@"):
            raise _Unknown
        term = _define(definition, local, terms)
        if not override and name in terms and terms[name] != term:
            raise _Unknown
        extended[name] = term
    return extended


def _define(definition: object, local: Mapping[str, Any], terms: Terms) -> _Term:
    entry = {"@id": definition} if isinstance(definition, str) else definition
    strange = _Term("", more=definition)
    if not isinstance(entry, dict) or not entry.keys() <= _PARTS:
        return strange
    iri, kind, container = entry.get("@id"), entry.get("@type"), entry.get("@container")
    if iri in _ALIASES and len(entry) == 1:
        return _Term(str(iri))
    scoped = entry.get("@context", {})
    known_kind = kind in {None, "@id", "@vocab"} or (kind not in _OWN_FORM and _is_iri(kind, local, terms))
    known_rest = container in _CONTAINERS and isinstance(scoped, dict)
    if not known_kind or not known_rest or not _is_iri(iri, local, terms):
        return strange
    return _Term(str(iri), kind, container, scoped or None)


def _is_iri(text: object, local: Mapping[str, Any], terms: Terms) -> bool:
    if not isinstance(text, str) or not is_address(text):
        return False
    prefix, _, rest = text.partition(":")
    return rest.startswith("//") or (prefix not in local and prefix not in terms)


def _value(item: object, term: _Term, context: _Context) -> str:
    if term.container == "@graph":
        raise _Unknown
    if isinstance(item, bool):
        return _boolean(term, value=item)
    if not isinstance(item, str):
        raise _Unknown
    if term.kind == "@id":
        return context.identifier(item)
    if term.kind == "@vocab":
        return f"<{context.inside(term).vocabulary(item)}>"
    return _literal(item, term.kind)


def _boolean(term: _Term, *, value: bool) -> str:
    if term.kind in {"@id", "@vocab"}:
        raise _Unknown
    return _literal("true" if value else "false", term.kind or _XSD_BOOLEAN)


def _literal(text: str, kind: str | None) -> str:
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    escaped = escaped.replace('"', '\\"')
    return f'"{escaped}"' if kind is None else f'"{escaped}"^^<{kind}>'


def _canonical(quads: Iterable[Quad]) -> bytes:
    """Name the blank nodes by what is said of them; two of which the same is said need the long way."""
    lines: list[str] = []
    unnamed: list[Quad] = []
    mentions: dict[str, list[Quad]] = {}
    for quad in quads:
        blanks = [part for part in (quad[0], quad[2], quad[3]) if part[:2] == _BLANK]
        if not blanks:
            lines.append(_line(*quad))
            continue
        unnamed.append(quad)
        for part in blanks:
            mentions.setdefault(part, []).append(quad)
    hashes = {_first_degree(blank, mine): blank for blank, mine in mentions.items()}
    if len(hashes) != len(mentions):
        raise _Unknown
    names = {hashes[found]: f"_:c14n{place}" for place, found in enumerate(sorted(hashes))}
    name = names.get
    lines += [_line(name(s, s), p, name(o, o), name(g, g)) for s, p, o, g in unnamed]
    return "".join(sorted(lines)).encode("utf-8")


def _first_degree(blank: str, quads: Iterable[Quad]) -> str:
    lines = []
    for subject, predicate, thing, graph in quads:
        parts = [
            part if part[:2] != _BLANK else "_:a" if part == blank else "_:z"
            for part in (subject, thing, graph)
        ]
        lines.append(_line(parts[0], predicate, parts[1], parts[2]))
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8")).hexdigest()


def _line(subject: str, predicate: str, thing: str, graph: str) -> str:
    return f"{subject} {predicate} {thing} {graph} .\n" if graph else f"{subject} {predicate} {thing} .\n"
