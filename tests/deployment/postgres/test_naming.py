"""Names from the catalogue, quoted as PostgreSQL would."""

import pytest

from console.deployment.postgres.naming import qualified, quoted

ODD = [
    "task",
    'wei"rd',
    "Capital",
    "with space",
    "order",
    "user",
    "ünï",
    "a;b",
    "%s",
    ":name",
    "x'y",
    "1st",
    "_ok",
    "a$b",
    "values",
]


def test_odd_names_mean_themselves(admin):
    admin('create schema "Odd schema"')
    for name in ODD:
        admin(f"create table {qualified('Odd schema', name)} ({quoted(name)} int)")
    found = {
        name for (name,) in admin("select relname from pg_class where relnamespace = '\"Odd schema\"'::regnamespace")
    }
    assert set(ODD) == found


def test_every_word_of_the_grammar_is_quoted_where_it_has_to_be(admin):
    for (word,) in admin("select word from pg_get_keywords() where catcode <> 'U'"):
        assert quoted(word) == f'"{word}"'


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_no_catalogue_holds_is_refused(name):
    with pytest.raises(ValueError, match="no such name"):
        quoted(name)
