"""Finding the runbook of a ticket by the ticket's own words."""

from __future__ import annotations

import math
import re

from .runbooks import Runbook, all_runbooks

#: Runbooks shown for words that no runbook holds all of.
MOST_FITTING = 8
#: Words of every sentence; the script of the pages leaves the same ones aside.
STOP_WORDS = frozenset(
    "a an and are as at be but by can for from in is it its my not of on or our the to we with".split()  # noqa: SIM905 - read as a sentence
)


def fitting(query: str) -> list[Runbook]:
    """Runbooks that fit a query, the best first: those with every word of it, else the few that hold the most telling.

    A word tells the more the fewer runbooks hold it, and thrice as much in what a ticket would say. Words of every
    sentence do not count; without any word all fit.
    """
    every = all_runbooks()
    words = asked_words(query)
    if not words:
        return every if not query.strip() else []
    texts = {book.slug: f"{book.head} {' '.join(step.content for step in book.steps).lower()}" for book in every}
    telling = {}
    for word in words:
        held = sum(word in text for text in texts.values())
        telling[word] = math.log(1 + len(every) / held) if held else 0.0
    scores = {
        book.slug: sum(telling[word] * (3 if word in book.head else 1) for word in words if word in texts[book.slug])
        for book in every
    }
    ranked = sorted((book for book in every if scores[book.slug]), key=lambda book: -scores[book.slug])
    whole = [book for book in ranked if all(word in texts[book.slug] for word in words)]
    return whole or ranked[:MOST_FITTING]


def asked_words(query: str) -> list[str]:
    """The words of a query, each once, in small letters; those of every sentence only where there are no others."""
    words = list(dict.fromkeys(re.findall(r"[\w-]+", query.lower())))
    return [word for word in words if word not in STOP_WORDS and len(word) > 1] or [
        word for word in words if len(word) > 1
    ]
