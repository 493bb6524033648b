"""Who may sign in, as what, and until when: by account, settings and grant."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from console import auth
from console.deployment.models import User
from console.errors import Forbidden, NotFound, Refused
from console.service import Console, find_users
from console.state import audit
from tests.factories import BOTH_ENGINES, make_user

PASSWORD = "Fixture-Pass-1"


@pytest.fixture(autouse=True)
def forget_people():
    auth._remembered.clear()


def change(session, user_id: int = 1, **values) -> None:
    session.execute(update(User).where(User.id == user_id).values(**values))
    session.commit()
    auth._remembered.clear()


@BOTH_ENGINES
def test_superusers_are_admins_and_staff_are_support(console, session):
    change(session, is_superuser=True)
    alice = auth.sign_in(console, "alice@example.com", PASSWORD)
    assert (alice.role, alice.role_title, alice.superuser) == ("admin", "superuser", True)
    assert all(alice.may(word) for word in ("look", "run", "fix"))
    change(session, is_superuser=False, is_staff=True)
    alice = auth.sign_in(console, "alice@example.com", PASSWORD)
    assert alice.role == "support" and alice.may("run") and not alice.may("fix")


def test_a_right_password_without_a_role_is_told_how_to_get_one(console):
    with pytest.raises(Forbidden, match=r"LSCONSOLE_ADMINS or LSCONSOLE_SUPPORT.*lsconsole grant bob@example\.com"):
        auth.sign_in(console, "bob@example.com", PASSWORD)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@example.com", "wrong"), ("alice@example.com", ""), ("nobody@example.com", PASSWORD), ("", PASSWORD),
        ("x" * 300, PASSWORD), ("alice@example.com\x00", PASSWORD), ("' or 1=1 --", PASSWORD), ("%", PASSWORD),
    ],
)  # fmt: skip
@BOTH_ENGINES
def test_a_wrong_pair_is_refused_in_the_same_words(console, email, password):
    with pytest.raises(Refused, match="do not match an active Label Studio account"):
        auth.sign_in(console, email, password)


def test_an_inactive_account_is_refused(console, session):
    change(session, is_superuser=True, is_active=False)
    with pytest.raises(Refused):
        auth.sign_in(console, "alice@example.com", PASSWORD)


def test_the_operator_names_people_in_the_settings(console):
    named = Console(console.settings.with_(admins=("Bob@Example.com",), support=("carol@example.com",)))
    assert auth.sign_in(named, "bob@example.com", PASSWORD).role == "admin"
    assert auth.sign_in(named, "carol@example.com", PASSWORD).role == "support"
    named.close()


def test_an_account_locked_out_by_a_capital_letter_gets_in_here(console):
    auth.grant(console, "DAVE.capital@example.com", "admin", by="test")
    for typed in ("dave.capital@example.com", "Dave.Capital@Example.com", " dave.capital@example.com "):
        assert auth.sign_in(console, typed, PASSWORD).id == 4


def test_an_ambiguous_address_is_nobodys_unless_typed_exactly(console, session):
    make_user(session, email="DAVE.CAPITAL@example.com")
    auth.grant(console, "Dave.Capital@Example.com", "support", by="test")
    with pytest.raises(Refused):
        auth.sign_in(console, "dave.Capital@example.com", PASSWORD)
    assert auth.sign_in(console, "Dave.Capital@Example.com", PASSWORD).id == 4


@BOTH_ENGINES
def test_letters_beyond_ascii_have_cases_too(console, session):
    change(session, 2, email="ÖZGÜR@example.com", is_staff=True)
    assert auth.sign_in(console, "özgür@example.com", PASSWORD).id == 2


@BOTH_ENGINES
def test_an_address_beyond_ascii_does_not_make_us_fetch_everybody(console, session):
    change(session, 2, email="ÖZGÜR@example.com")

    class Counting:
        """The session, counting the rows it hands out."""

        rows = 0

        def execute(self, statement):
            found = session.execute(statement).all()
            self.rows += len(found)
            return found

        def get_bind(self):
            return session.get_bind()

    counting = Counting()
    assert find_users(counting, "özgür@example.com") == [2]
    assert counting.rows == 1


def test_a_grant_is_kept_audited_and_taken_away(console):
    auth.grant(console, "bob@example.com", "support", by="root (terminal)")
    assert auth.sign_in(console, "bob@example.com", PASSWORD).role == "support"
    auth.grant(console, "bob@example.com", "admin", by="root (terminal)")
    person = auth.sign_in(console, "bob@example.com", PASSWORD)
    assert person.role == "admin"
    auth.grant(console, "bob@example.com", "none", by="root (terminal)")
    assert auth.load(console, person.get_id()) is None
    assert [audit.get(console.store, number).data["role"] for number in (1, 2, 3)] == ["support", "admin", "none"]
    assert audit.verify(console.store).ok
    with pytest.raises(NotFound):
        auth.grant(console, "nobody@example.com", "admin", by="test")
    with pytest.raises(Refused):
        auth.grant(console, "bob@example.com", "king", by="test")


def test_a_session_ends_with_the_password_the_activity_and_the_role(console, session):
    change(session, is_superuser=True)
    person = auth.sign_in(console, "alice@example.com", PASSWORD)
    assert auth.load(console, person.get_id()) == person
    for harm, cure in (
        ({"is_active": False}, {"is_active": True}),
        ({"is_superuser": False}, {"is_superuser": True}),
    ):
        change(session, **harm)
        assert auth.load(console, person.get_id()) is None
        change(session, **cure)
        assert auth.load(console, person.get_id()) == person
    change(session, password="pbkdf2_sha256$1$x$x")
    assert auth.load(console, person.get_id()) is None


@pytest.mark.parametrize("forged", ["1:", "1:0000", "2:x", ":", "", "x:y", "1", "99999999999999:x", "-1:x", "1:ü"])
def test_a_forged_session_is_nobody(console, session, forged):
    change(session, is_superuser=True)
    assert auth.load(console, forged) is None


def test_signing_in_writes_nothing_to_label_studio(console, session):
    from tests.round_trip import table_digests

    change(session, is_superuser=True, password="pbkdf2_sha256$1000$saltSALTsalt12$x")
    before = table_digests(console.deployment)
    with pytest.raises(Refused):
        auth.sign_in(console, "alice@example.com", PASSWORD)
    auth.grant(console, "bob@example.com", "admin", by="test")
    auth.sign_in(console, "bob@example.com", PASSWORD)
    assert table_digests(console.deployment) == before
