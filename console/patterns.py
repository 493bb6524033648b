"""Other people's regular expressions, with the meaning Label Studio gives them and without its risks.

Label Studio filters keys with Python's `re.match`: anchored at the start, not at the end. RE2 answers in linear time
but differs from `re` in corners, so it is asked only where both agree; the rest (lookaround, backreferences, texts
beyond printable ASCII under a class or a case flag, a line end under `$`) goes to `re` in a child process that is
killed when its time is up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence

import re2

from .errors import ConsoleError

LONGEST_PATTERN = 20_000


class PatternTimeout(ConsoleError):
    """The pattern took longer than it may; `str()` says which and how long."""


class PatternInvalid(ConsoleError):
    """Python's `re` refuses the pattern."""

    status = 400


def compile_problem(pattern: str, seconds: float = 2.0) -> str | None:
    """What Python's `re` says against the pattern, in its own words as Label Studio would log them, or None."""
    if len(pattern) > LONGEST_PATTERN:
        return f"the pattern has {len(pattern):,} characters; more than {LONGEST_PATTERN:,} are not tried"
    # Only wide character ranges under a case flag compile slowly; what cannot hold one is compiled here.
    if len(pattern) <= 1000 and pattern.isascii() and not re.search(r"\\[uUN]", pattern):
        return _compile_here(pattern)
    try:
        problem = _in_child(pattern, [], seconds)["problem"]
    except PatternTimeout:
        return f"takes longer than {seconds:g} s to compile"
    return None if problem is None else str(problem)


def match_all(pattern: str, texts: Sequence[str], seconds: float = 2.0) -> list[bool]:
    """Which texts `re.match` accepts, in their order. Raises PatternInvalid or PatternTimeout; the time limit is for
    the part that RE2 cannot do."""
    if problem := compile_problem(pattern, seconds):
        raise PatternInvalid(f"{_shown(pattern)} is not a valid regular expression: {problem}")
    fast = _fast(pattern)
    if fast is None:
        return list(_in_child(pattern, list(texts), seconds)["matches"])
    cautious = _caution(pattern)
    found = [None if cautious.search(text) else fast.match(text) is not None for text in texts]
    left = [index for index, answer in enumerate(found) if answer is None]
    if left:
        answers = _in_child(pattern, [texts[index] for index in left], seconds)["matches"]
        for index, answer in zip(left, answers, strict=True):
            found[index] = answer
    return [bool(answer) for answer in found]


def glob_meaning(pattern: str) -> str | None:
    """The regular expression that somebody meant who typed a shell wildcard, or None when nothing speaks for one.

    Blanks around a pattern are taken off. Where both readings make sense (`a*b`) the regular expression stands.
    A folder in front stays as typed (`img/*.jpg`): only the caller knows the storage's prefix.
    """
    bare = pattern.strip()
    if len(bare) > 1000 or not bare:
        return None
    meaning = _meaning(_unwrapped(bare))
    if meaning is None and bare != pattern:
        meaning = bare
    if meaning is None or meaning == pattern or _compile_here(meaning) is not None:
        return None
    return meaning


def _compile_here(pattern: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError) as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    return None


# Accepted by both, but with another meaning; `re` decides.
_READ_DIFFERENTLY = re.compile(r"\[:|\{,|\\[ZzbB0]")


def _fast(pattern: str) -> re2._Regexp | None:
    if _READ_DIFFERENTLY.search(pattern) or (_ignores_case(pattern) and not pattern.isascii()):
        return None
    options = re2.Options()
    options.log_errors = False  # it writes to standard error otherwise
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeEncodeError):
        return None


def _caution(pattern: str) -> re.Pattern[str]:
    """Texts about which RE2 and `re` may disagree for this pattern."""
    classes = re.search(r"\\[dDwWsS]", pattern) is not None
    if classes or _ignores_case(pattern):
        return re.compile(r"[^ -~]")
    return re.compile(r"[\n\ud800-\udfff]" if "$" in pattern else r"[\ud800-\udfff]")


def _ignores_case(pattern: str) -> bool:
    return re.search(r"\(\?[a-zA-Z]*i", pattern) is not None


_CHILD = """
import json, re, sys, warnings
warnings.simplefilter("ignore")
asked = json.load(sys.stdin)
try:
    accepts = re.compile(asked["pattern"]).match
    answer = {"problem": None, "matches": [accepts(text) is not None for text in asked["texts"]]}
except (re.error, OverflowError) as error:
    answer = {"problem": str(error)}
except RecursionError:
    answer = {"problem": "nested too deeply"}
json.dump(answer, sys.stdout)
"""


def _in_child(pattern: str, texts: list[str], seconds: float) -> dict:
    asked = json.dumps({"pattern": pattern, "texts": texts}).encode()
    command = [sys.executable, "-I", "-S", "-c", _CHILD]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        message = f"{_shown(pattern)} took longer than {seconds:g} s on {len(texts):,} texts; simplify the pattern"
        raise PatternTimeout(message) from None
    if done.returncode != 0:
        raise PatternTimeout(f"{_shown(pattern)} ended the process that tried it; simplify the pattern")
    return json.loads(done.stdout)


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 200 else pattern[:200] + "…")


_REGEX_SIGNS = re.compile(r"\.[*+]|[\\^$()+|]|\.\{\d|\][*+?{]")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,6}")
_BUCKET = re.compile(r"^(?:s3|gs|azure-blob)://[^/*?]+/")
_LIST_SIGNS = re.compile(r"(?:\s*[,;|]\s*|\s+)(?![^{}()]*[})])")


def _unwrapped(bare: str) -> str:
    """Without quotes, the bucket's address, a leading "./" and blanks in a list: none means anything to a filter."""
    if len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'`":
        bare = bare[1:-1].strip()
    bare = re.sub(r"\s*,\s*(?=[^{}]*\})", ",", bare)
    return _BUCKET.sub("", bare).removeprefix("./")


def _meaning(bare: str) -> str | None:
    parts = [part for part in _LIST_SIGNS.split(bare) if part]
    if len(parts) > 1:
        meanings = [_one(part) for part in parts]
        if any(meaning is None for meaning in meanings):
            return None
        return "(" + "|".join(str(meaning).removesuffix("$") for meaning in meanings) + ")$"
    return _one(bare)


def _one(bare: str) -> str | None:
    if re.fullmatch(r"[*./]*\*[*./]*", bare) and "." not in bare.replace("*.", "").replace("./", "/"):
        return None if re.fullmatch(r"(?:\.\*|/)+", bare) else ".*"
    if _EXTENSION.fullmatch(bare):
        return f".*{re.escape(bare)}$"
    if _REGEX_SIGNS.search(bare):
        return _half_regex(bare)
    return _translated(bare) if _is_glob(bare) else None


def _is_glob(bare: str) -> bool:
    """A wildcard where a regular expression would make no sense of it."""
    if bare.startswith("*"):
        return True
    star_for_a_name = re.search(r"/\*+[^*]", bare) or re.search(r"\*\.[A-Za-z][A-Za-z0-9]{1,6}$", bare)
    any_letters = re.search(r"\?\?|\?\.[A-Za-z][A-Za-z0-9]{1,6}$", bare)
    braces = re.search(r"\{[^{}]*[A-Za-z][^{}]*,[^{}]*\}", bare)
    return bool(star_for_a_name or any_letters or braces)


def _half_regex(bare: str) -> str | None:
    """`*.(jpg|png)$`: a leading wildcard before what is otherwise a regular expression."""
    rest = bare.removeprefix("^")
    if not rest.startswith("*"):
        return None
    rest = rest.lstrip("*")
    if rest.startswith(".") and not re.match(r"\.[*+?{]", rest):
        rest = "\\" + rest
    # A dot between letters at the end is the dot of the extension.
    rest = re.sub(r"(?<=[A-Za-z0-9_*])\.(?=[A-Za-z][A-Za-z0-9]{1,6}\$?$)", r"\\.", rest)
    return f".*{rest.removesuffix('$')}$"


def _translated(glob: str) -> str:
    pieces, index, depth = [], 0, 0
    while index < len(glob):
        rest = glob[index:]
        if taken := re.match(r"\*\*/|\*+|\[!?\]?[^\]]+\]", rest):
            index += taken.end()
            pieces.append(_piece(taken[0]))
            continue
        character, index = rest[0], index + 1
        depth += {"{": 1, "}": -1}.get(character, 0)
        by_sign = {"?": ".", "{": "(", "}": ")", ",": "|" if depth else ","}
        pieces.append(by_sign.get(character) or (character if character in "/-_ @~" else re.escape(character)))
    regex = "".join(pieces).replace("(.*/)?.*", ".*")
    return regex if regex.endswith(".*") else f"{regex}$"


def _piece(wildcard: str) -> str:
    if wildcard == "**/":
        return "(.*/)?"
    if wildcard.startswith("*"):
        return ".*"
    return wildcard.replace("[!", "[^", 1)
