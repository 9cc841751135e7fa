"""Writes a copy of a C++ source in which single places can be altered at run time.

Every comparison, condition, field update, bound and plain call in a function body becomes a call into mutant.hpp
that carries a number: `before(a, b)` becomes `mutant::before(17, a, b)`. When the environment variable
SLUICE_MUTANT names 17 or one of the numbers after it, that one place answers wrongly, in the way the number stands
for; otherwise the copy behaves as the source does. So all mutants are one build.

This is no C++ parser. It reads tokens and relies on how the code is formatted: a binary `<` has a space on both
sides, a template's has none; every file given to it goes through clang-format.
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n\\]|\\\n)*)
      |(?P<word>[A-Za-z_]\w*)
      |(?P<number>\d[\w.']*)
      |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      |(?P<sign><<=|>>=|<=>|->|::|\+\+|--|&&|\|\||[=!<>+\-*/%&|^]=|\[\[|\]\]|<<|[{}()\[\];:,.?=!<>+\-*/%&|^~])""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
COMPARISONS = {"==": "equal", "!=": "unequal", "<": "less", "<=": "at_most", ">": "more", ">=": "at_least"}
ASSIGNMENTS = {"=", "|=", "&=", "+=", "-="}
# What ends an operand of a comparison on its left and on its right: whatever binds more loosely.
LOOSER = set("( [ { } ; , ? : && || & | ^ return = |= &= += -= ! ) ]".split()) | set(COMPARISONS)
LOOSER_THAN_AND = set("( [ { } ; , ? : && || return = |= &= += -= ) ]".split())

# What each number of a place stands for, in the order in which mutant.hpp counts them.
VARIANTS = {
    "before": ["or equal", "one less", "operands swapped", "negated"],
    "after": ["or equal", "one more", "operands swapped", "negated"],
    "later": ["always the first", "always the second", "the earlier one"],
    "larger": ["always the first", "always the second", "the smaller one"],
    "smaller": ["always the first", "always the second", "the larger one"],
    "sequence_distance": ["operands swapped", "one more", "one less"],
    "equal": ["negated", "right side + 1", "right side - 1"],
    "unequal": ["negated", "right side + 1", "right side - 1"],
    "less": ["or equal", "operands swapped", "negated", "right side - 1"],
    "at_most": ["without equal", "operands swapped", "negated", "right side + 1"],
    "more": ["or equal", "operands swapped", "negated", "right side + 1"],
    "at_least": ["without equal", "operands swapped", "negated", "right side - 1"],
    "condition": ["always true", "always false"],
    "field": ["dropped", "+ 1", "- 1", "taken from the other side"],
    "initialiser": ["zero", "+ 1", "- 1", "taken from the other side"],
    "bound": ["+ 1", "- 1"],
    "set_bits": ["dropped"],
    "keep_bits": ["dropped"],
    "added": ["dropped", "+ 1", "- 1"],
    "done": ["dropped"],
    "lanes_positive": ["or zero", "negated", "above one"],
    "lanes_negative": ["or zero", "negated", "below minus one"],
    "lanes_equal": ["negated", "right side + 1", "right side - 1"],
    "lanes_select": ["always the first", "always the second", "the other one"],
    "lanes_larger": ["always the first", "always the second", "the smaller one"],
    "lanes_smaller": ["always the first", "always the second", "the larger one"],
    "mask": [f"bit {bit} flipped" for bit in range(38)],
}
CALLS = {"before": "before", "after": "after", "later": "later", "max": "larger", "min": "smaller",
         "sequence_distance": "sequence_distance",
         "is_positive": "lanes_positive", "is_negative": "lanes_negative", "is_equal": "lanes_equal",
         "select": "lanes_select", "larger": "lanes_larger", "smaller": "lanes_smaller"}
NUMBERS = {"uint32_t", "int32_t"}  # local variables of these types are bounds; of `unsigned`, sets of bits
ZEROS = {"0", "false", "Reason::none", "Outcome::accepted", "Lifetime::syn_sent"}
OTHER_SIDE = {"sender": "receiver", "own": "peer", "original": "reply", "scale_original": "scale_reply",
              "sequence": "acknowledgement"}
OTHER_SIDE |= {there: here for here, there in OTHER_SIDE.items()}


@dataclass
class Token:
    kind: str
    text: str
    begin: int
    end: int
    spaced: bool = False  # white space on both sides


@dataclass
class Mutant:
    number: int
    file: str
    line: int
    place: str    # the text that is altered
    change: str   # what is done to it


class Alteration:
    """One file: finds the places, numbers them from `first`, and has the altered text and the mutants."""

    def __init__(self, text, file, first):
        self.source, self.file, self.next_number = text, file, first
        self.mutants, self.edits, self.conditions = [], [], set()
        self.tokens = self._read()
        self.partner = self._pair()
        for begin, end in self._bodies():
            self._body(begin, end)
        self.text = self._apply()

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self):
        tokens, at = [], 0
        while at < len(self.source):
            found = TOKEN.match(self.source, at)
            if not found:
                raise SyntaxError(f"{self.file}: cannot read {self.source[at:at + 20]!r}")
            if found.lastgroup != "space":
                around = self.source[at - 1:at] + self.source[found.end():found.end() + 1]
                tokens.append(Token(found.lastgroup, found[0], at, found.end(), around.isspace()))
            at = found.end()
        return tokens

    def _pair(self):
        """Index of each bracket's counterpart."""
        partner, opened = {}, []
        for i, token in enumerate(self.tokens):
            if token.text in ("(", "[", "{", "[["):
                opened.append(i)
            elif token.text in (")", "]", "}", "]]"):
                # `]]` may close two subscripts at once
                if token.text == "]]" and self.tokens[opened[-1]].text == "[":
                    first, second = opened.pop(), opened.pop()
                    partner[first] = partner[second] = i
                    partner[i] = second
                    continue
                partner[i] = opened.pop()
                partner[partner[i]] = i
        return partner

    def _word(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def _opens_block(self, i):
        return self._word(i - 1) in (")", "]", "else", ";", "{", "}", ":", "const", "noexcept")

    def _bodies(self):
        """The braces of function bodies at namespace and class scope."""
        i, found = 0, []
        while i < len(self.tokens):
            if self._word(i) == "{" and self._word(i - 1) in (")", "const", "noexcept"):
                found.append((i, self.partner[i]))
                i = self.partner[i]
            i += 1
        return found

    # -- editing ---------------------------------------------------------------------------------------------------

    def _text(self, begin, end):
        """The source of the tokens [begin, end)."""
        return self.source[self.tokens[begin].begin:self.tokens[end - 1].end]

    def _number(self, kind, begin, end, skip=()):
        """Takes the numbers of one place; the variants in `skip` keep theirs but are not listed."""
        first = self.next_number
        line = self.source.count("\n", 0, self.tokens[begin].begin) + 1
        for i, change in enumerate(VARIANTS[kind]):
            if i not in skip:
                place = " ".join(self._text(begin, end).split())
                self.mutants.append(Mutant(first + i, self.file, line, place, change))
        self.next_number += len(VARIANTS[kind])
        return first

    def _wrap(self, begin, end, before, after=")"):
        """Puts text around the tokens [begin, end): outer pairs around inner ones, and around the same tokens what
        an operator becomes innermost."""
        first, last = self.tokens[begin].begin, self.tokens[end - 1].end
        operator = any(before.startswith(f"mutant::{kind}(") for kind in COMPARISONS.values())
        self.edits.append((first, 1, first - last, operator, first, before))
        self.edits.append((last, 0, last - first, not operator, last, after))

    def _replace(self, i, text):
        token = self.tokens[i]
        self.edits.append((token.begin, 2, 0, 0, token.end, text))

    def _apply(self):
        out, at = [], 0
        for begin, _, _, _, end, text in sorted(self.edits):
            out += [self.source[at:begin], text]
            at = end
        return "".join(out) + self.source[at:]

    # -- finding ---------------------------------------------------------------------------------------------------

    def _left(self, i, stops):
        """Where the operand that ends before token i begins."""
        while True:
            before = i - 1
            word = self._word(before)
            if word in (")", "]", "}") and before in self.partner:
                i = self.partner[before]
                continue
            if word in stops and not (word in "<>" and not self.tokens[before].spaced):
                return i
            if word == "if":
                return i
            i = before

    def _right(self, i, stops):
        """Behind the operand that begins at token i."""
        while True:
            word = self._word(i)
            if word in ("(", "[", "{"):
                i = self.partner[i] + 1
                continue
            if word in stops and word != "!" and not (word in "<>" and not self.tokens[i].spaced):
                return i
            i += 1

    def _condition(self, begin, end):
        """A condition, or an operand of && and ||; nested ones are found on their own."""
        while self._word(begin) == "(" and self.partner[begin] == end - 1:
            begin, end = begin + 1, end - 1
        if (begin, end) in self.conditions:
            return
        self.conditions.add((begin, end))
        self._wrap(begin, end, f"mutant::condition({self._number('condition', begin, end)}, ")

    def _other_side(self, begin, end):
        """The same expression about the other endpoint; None if it names none."""
        places = range(begin, end)
        sides = {i for i in places if self._word(i) in ("sender", "receiver")
                 or self._word(i) in ("original", "reply", "scale_original", "scale_reply") and self._word(i - 1) in (".", "::")}
        # A segment knows one side alone: there its two numbers are exchanged.
        numbers = {i for i in places if self._word(i) in ("sequence", "acknowledgement")
                   and self._word(i - 2) in ("span", "segment")}
        out, at = [], self.tokens[begin].begin
        for i in sorted(sides or numbers):
            out += [self.source[at:self.tokens[i].begin], OTHER_SIDE[self._word(i)]]
            at = self.tokens[i].end
        return "".join(out) + self.source[at:self.tokens[end - 1].end] if out else None

    def _value(self, kind, begin, end, target):
        other = self._other_side(begin, end)
        skip = {3} if not other else set()
        if kind == "initialiser" and self._text(begin, end) in ZEROS:
            skip.add(0)
        first = self._number(kind, begin, end, skip)
        parts = f"{first}, {target}, " if target else f"{first}, "
        self._wrap(begin, end, f"mutant::{kind}({parts}", f", {other})" if other else ")")

    def _body(self, begin, end):
        start = begin + 1  # of the statement
        i = begin + 1
        while i < end:
            word, token = self._word(i), self.tokens[i]
            if word == "constexpr" and i == start:
                # Computed by the compiler: nothing to alter at run time.
                i = self._right(i, {";"}) + 1
                start = i
                continue
            if word in ("{", "}") and (word == "}" or self._opens_block(i)):
                start = i + 1
            elif word == ";":
                self._statement(start, i)
                start = i + 1
            elif word == ":" and self._word(start) in ("case", "default"):
                start = i + 1
            elif word == "if" and self._word(i + 1) == "constexpr":
                i = self.partner[i + 2] + 1  # likewise
                start = i
                continue
            elif word == "if" and self._word(i + 1) == "(":
                self._condition(i + 2, self.partner[i + 1])
                start = self._after_if(i)
            elif word == "else":
                start = i + 1
            elif word == "?":
                self._condition(self._left(i, LOOSER_THAN_AND - {"&&", "||"}), i)
            elif word in ("&&", "||"):
                for side in ((self._left(i, LOOSER_THAN_AND), i), (i + 1, self._right(i + 1, LOOSER_THAN_AND))):
                    self._condition(*side)
            elif word in COMPARISONS and token.spaced:
                self._comparison(i, COMPARISONS[word])
            elif token.kind == "word" and word in CALLS:
                self._call(i, word)
            elif word == "." and self._word(i - 1) in ("{", ",") and self._word(i + 2) == "=":
                if self._word(start) != "Case":
                    value_end = self._right(i + 3, {",", "}"})
                    if self._word(i + 3) != "{":
                        self._value("initialiser", i + 3, value_end, "")
            elif word == "mask" and self._word(i + 1) == ">":
                self._replace(i, f"mutant::mask({self._number('mask', i, i + 1)}, mask)")
            i += 1

    def _after_if(self, i):
        after = self.partner[i + 1] + 1
        return self.partner[after] + 1 if self._word(after) == "[[" else after

    def _comparison(self, i, kind):
        begin, end = self._left(i, LOOSER), self._right(i + 1, LOOSER)
        self._wrap(begin, end, f"mutant::{kind}({self._number(kind, begin, end)}, ")
        self._replace(i, ",")

    def _call(self, i, word):
        opening = i + 1
        if self._word(opening) == "<":
            while self._word(opening) != "(":
                opening += 1
        if self._word(opening) != "(":
            return
        begin = i - 2 if self._word(i - 1) == "::" else i
        kind = CALLS[word]
        number = self._number(kind, begin, self.partner[opening] + 1)
        if begin != i:
            self._replace(begin, "mutant")
        self._replace(i, kind if begin != i else f"mutant::{kind}")
        bracket = self.tokens[opening]
        self.edits.append((bracket.end, 1, -len(self.source), 0, bracket.end, f"{number}, "))

    def _statement(self, begin, end):
        if begin >= end or self._word(begin) in ("return", "break", "case", "default", "using"):
            return
        assigned = next((i for i in self._top(begin, end) if self._word(i) in ASSIGNMENTS), None)
        if assigned is None:
            if self._word(end - 1) == ")" and self._is_call(begin, end):
                self._drop(begin, end)
            return
        target = self._text(begin, assigned)
        value = (assigned + 1, end)
        if " " in target or self._word(begin) == "const":
            names = {t.text for t in self.tokens[begin:assigned]}
            if "&" in names or "auto" in names:
                return
            if "bool" in names:
                self._condition(*value)
            elif names & NUMBERS and self._word(value[0]) != "[":
                first = self._number("bound", *value)
                self._wrap(*value, f"mutant::bound({first}, ")
        elif self._word(assigned + 1) == "{":
            self._drop(begin, end)
        elif self._word(assigned) == "=":
            self._value("field", *value, target)
        else:
            kind = {"|=": "set_bits", "&=": "keep_bits"}.get(self._word(assigned), "added")
            first = self._number(kind, *value)
            self._wrap(*value, f"mutant::{kind}({first}, ")

    def _top(self, begin, end):
        i = begin
        while i < end:
            yield i
            i = self.partner[i] + 1 if self._word(i) in ("(", "[", "{") else i + 1

    def _is_call(self, begin, end):
        """A call and no declaration: names and dots up to the last bracket."""
        opening = self.partner[end - 1]
        return opening > begin and all(
            self.tokens[i].kind == "word" and self._word(i + 1) in (".", "::", "(") or self._word(i) in (".", "::")
            for i in range(begin, opening))

    def _drop(self, begin, end):
        self._wrap(begin, end + 1, f"{{ if (mutant::done({self._number('done', begin, end)})) ", " }")
