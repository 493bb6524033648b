"""Patterns mean what Python's `re.match` says, end in bounded time, and a wildcard is told from a regex."""

from __future__ import annotations

import re
import time
import warnings

import pytest

from console.patterns import PatternInvalid, PatternTimeout, compile_problem, glob_meaning, match_all

WILDCARDS = {
    "*.jpg": r".*\.jpg$",
    "*.JPG": r".*\.JPG$",
    "*.{jpg,png}": r".*\.(jpg|png)$",
    "*.{jpg, png}": r".*\.(jpg|png)$",
    "*.jpg,*.png": r"(.*\.jpg|.*\.png)$",
    "*.jpg, *.png": r"(.*\.jpg|.*\.png)$",
    "*.jpg;*.png": r"(.*\.jpg|.*\.png)$",
    "*.jpg|*.png": r"(.*\.jpg|.*\.png)$",
    "*.jpg *.png": r"(.*\.jpg|.*\.png)$",
    ".jpg,.png": r"(.*\.jpg|.*\.png)$",
    "img/*.jpg": r"img/.*\.jpg$",
    "./img/*.jpg": r"img/.*\.jpg$",
    "s3://bucket/img/*.jpg": r"img/.*\.jpg$",
    '"*.jpg"': r".*\.jpg$",
    ".jpg": r".*\.jpg$",
    ".jsonl": r".*\.jsonl$",
    "*": ".*",
    "**": ".*",
    "**/*": ".*",
    "*.": ".*",
    "*.*": ".*",
    "*/*": ".*",
    "**/*.json": r".*\.json$",
    "img/**/*.jpg": r"img/.*\.jpg$",
    "img/*/labels.json": r"img/.*/labels\.json$",
    "data_??.csv": r"data_..\.csv$",
    "data_?.csv": r"data_.\.csv$",
    "data*.csv": r"data.*\.csv$",
    "*.tar.gz": r".*\.tar\.gz$",
    "*[0-9].png": r".*[0-9]\.png$",
    "*.[jJ][pP][gG]": r".*\.[jJ][pP][gG]$",
    "*[!0-9].png": r".*[^0-9]\.png$",
    "*-left.png": r".*-left\.png$",
    "*foto*": ".*foto.*",
    "*.(jpg|png)$": r".*\.(jpg|png)$",
    r"*\.jpg": r".*\.jpg$",
    "*.jpg$": r".*\.jpg$",
    "^*.jpg": r".*\.jpg$",
    " *.jpg ": r".*\.jpg$",
    "\t.*\\.jpg\n": r".*\.jpg",
    " .* ": ".*",
    "{train,test}/*.json": r"(train|test)/.*\.json$",
    "фото/*.jpg": r"фото/.*\.jpg$",
}


@pytest.mark.parametrize(("typed", "meant"), WILDCARDS.items())
def test_a_wildcard_is_recognised(typed: str, meant: str) -> None:
    assert glob_meaning(typed) == meant
    assert compile_problem(meant) is None
    assert glob_meaning(meant) is None  # what is offered is a regex, and stays one


REGEXES = [
    r".*\.jpg$", ".*", ".+", r".*(jpg|png)$", "frames/.*", r"^img/.+\.JPE?G$", r"[a-z]*\.txt", "a*b", "", "   ",
    r".*\.(jpg|jpeg|png)$", "(?i).*\\.jpg", r"\d+\.json", "img", "images/train", "img/*", "[a-z]*.txt", "a?b",
    "jpe?g", r".*\.jpe?g", "a{2,3}", r"x{1,}y", "https?://.*", ".", "..", "...", "..*", r"\*\.jpg", "(a|b)*",
    "[*].jpg", "a,b", "train test", "$", "^$", "a+", "(?!x).*", r"(?P<n>.*)\.png", "x", "/", "//", ".*/.*",
    ".*.*", "data.json", "[", "*)", "*(", "*c++*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", REGEXES)
def test_a_regex_is_left_alone(pattern: str) -> None:
    assert glob_meaning(pattern) is None


TEXTS = [
    "a", "aab", "a\n", "a\nb", "img/1.jpg", "img/1.jpg\n", "IMG/1.JPG", "é", "٣", "3", "\u00a0", " ", "\x1c",
    "\x0b", "k", "\u212a", "ſ", "s", "", "a:]", ":]", "a b", "../a", "日本/1.jpg", "\udcff.jpg", "a{,3}b", "x",
    "xx", "ß", "SS", "\r",
]  # fmt: skip
PATTERNS = [
    ".*", ".*\\.jpg$", "a$", "a\\Z", r"\d", r"\D", r"\w+$", r"\W", r"\s", r"\S+$", r"\bé", r"\b", "(?i)k",
    "(?i)K", "(?i)s$", "(?i)ß", "[[:alpha:]]", "a{,3}b", r"(?P<x>a)(?P=x)", r"(a)\1", "(?=a)", "(?!a)",
    "(?<!b)a", "x*+", "(?>a)", r"\u00e9", "(?s).+$", "(?m)^a$", "(?a)\\w", "(?x) a # c", r"[^\d]", "[é]", "é",
    ".$", "^", "", r"\/", "a|img", "(?i:A)b?$", "[\\w]", r"\0?a", r"x{2}", "(?-i:a)", r"\x61", r"\141",
    "a{2000}", "[\\b]", "日本", ".+\\Z", "(?#c)a",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_answers_are_those_of_python(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [re.match(pattern, text) is not None for text in TEXTS]
    assert match_all(pattern, TEXTS, seconds=20) == expected


@pytest.mark.parametrize(
    "pattern", ["*.jpg", "(", "[a", "a**", "(?P<1>x)", r"\C", r"\p{L}", "(?<=a*)b", "a{99999999999}"]
)
def test_an_invalid_pattern_is_told_in_the_words_of_python(pattern: str) -> None:
    with pytest.raises((re.error, OverflowError)) as told:
        re.compile(pattern)
    assert compile_problem(pattern) == str(told.value)
    with pytest.raises(PatternInvalid, match="not a valid regular expression"):
        match_all(pattern, ["a"])


def test_the_classic_catastrophe_is_no_trouble_for_re2() -> None:
    started = time.monotonic()
    assert match_all("(a+)+$", ["a" * 5000 + "b"] * 100) == [False] * 100
    assert time.monotonic() - started < 2


def test_a_catastrophe_beyond_re2_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(PatternTimeout, match=r"longer than 0.5 s"):
        match_all(r"(a+)+(?=x)$", ["a" * 50 + "b"], seconds=0.5)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "pattern", ["(" * 400 + ")" * 400, "(" * 9000 + ")" * 9000, "x" * 100_000, "(?i)" + "[\0-\U0010ffff]" * 400]
)
def test_compiling_is_bounded(pattern: str) -> None:
    started = time.monotonic()
    problem = compile_problem(pattern, seconds=1)
    assert problem is None or "\n" not in problem
    assert time.monotonic() - started < 5


def test_a_listing_costs_no_more_than_a_few_times_python_s_own_matching() -> None:
    keys = [f"images/2024/frame_{number:06}.jpg" for number in range(100_000)]
    pattern = r".*\.(jpg|png)$"
    started = time.thread_time()
    assert all(re.compile(pattern).match(key) for key in keys)
    between = time.thread_time()
    assert all(match_all(pattern, keys))
    assert time.thread_time() - between < 10 * (between - started) + 0.5
