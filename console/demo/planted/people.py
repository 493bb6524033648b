"""Accounts: the two to sign in with, a believable team, and everything that keeps people from signing in."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from console.demo.story import Person, Story

ITERATIONS = 600_000
COMPANY, LAB = 1, 2

# the people of the restored dump, under names that read better than "Alice Tester"
RENAMED = {
    1: ("Alice", "Moreau", "alice@example.com"),
    2: ("Bob", "Lindqvist", "bob@example.com"),
    3: ("Carol", "Nakamura", "carol@example.com"),
    4: ("Dave", "Okafor", "Dave.Okafor@Example.com"),
    5: ("Erin", "Walsh", "erin@example.com"),
    6: ("Frank", "Pereira", "frank@example.com"),
    7: ("Grace", "Hopkins", "grace@example.com"),
}


@dataclass(frozen=True)
class Account:
    """A user to insert. Times are ages in days."""

    first_name: str
    last_name: str
    email: str
    is_superuser: bool = False
    is_staff: bool = False
    is_active: bool = True
    active_organization: int | None = COMPANY
    member_of: tuple[int, ...] = (COMPANY,)
    left: tuple[int, ...] = ()
    seen_days_ago: float = 1.0


def password_hash(password: str) -> str:
    """The password as Django's pbkdf2_sha256 hasher stores it."""
    salt = secrets.token_hex(11)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), ITERATIONS)
    return f"pbkdf2_sha256${ITERATIONS}${salt}${base64.b64encode(digest).decode()}"


def plant(cursor: Cursor, story: Story) -> None:
    """Rename the dump's people, add ours. Everybody has the same password, printed with the demo."""
    password = "-".join(secrets.choice(WORDS) for _ in range(3)) + f"-{secrets.randbelow(90) + 10}"
    stored = password_hash(password)
    cursor.execute("UPDATE organization SET title = 'Northlight Robotics' WHERE id = %s", [COMPANY])
    cursor.execute("UPDATE organization SET title = 'Harbor Speech Lab' WHERE id = %s", [LAB])
    for user_id, (first_name, last_name, email) in RENAMED.items():
        cursor.execute(
            "UPDATE htx_user SET first_name = %s, last_name = %s, email = %s, username = %s, password = %s"
            " WHERE id = %s",
            [first_name, last_name, email, email.partition("@")[0], stored, user_id],
        )
    admin = Account("Mira", "Holm", "mira.holm@example.com", is_superuser=True, is_staff=True, seen_days_ago=0.01)
    support = Account("Jon", "Reyes", "jon.reyes@example.com", is_staff=True, seen_days_ago=0.2)
    for account, role in ((admin, "superuser"), (support, "support")):
        user_id = add(cursor, account, stored)
        story.people.append(Person(account.email, password, role, _token(cursor, user_id)))
    team = (("Nils", "Aalto"), ("Amara", "Diallo"), ("Hugo", "Marchetti"), ("Ines", "Carvalho"))
    for number, (first_name, last_name) in enumerate(team):
        email = f"{first_name}.{last_name}@example.com".lower()
        add(cursor, Account(first_name, last_name, email, seen_days_ago=0.4 + 1.7 * number), stored)
    story.twin("auth.mixed_case_email", _user(1), "alice@example.com is lower case, as the sign-in form looks it up")
    _plant_capitals(cursor, story, stored)
    _plant_inactive(cursor, story, stored)
    _plant_memberships(cursor, story, stored)


def _plant_capitals(cursor: Cursor, story: Story, stored: str) -> None:
    code = "auth.mixed_case_email"
    story.fault(code, _user(4), "Dave.Okafor@Example.com keeps capitals: the right password is refused")
    for account in (
        Account("Priya", "Raman", "Priya.Raman@example.com", seen_days_ago=9),
        Account("Tom", "Becker", "T.Becker@Example.com", seen_days_ago=21),
    ):
        story.fault(code, _user(add(cursor, account, stored)), f"{account.email} keeps capitals and is free to lower")
    capital = add(cursor, Account("Lena", "Fischer", "Lena.Fischer@example.com", seen_days_ago=31), stored)
    lower = add(cursor, Account("Lena", "Fischer", "lena.fischer@example.com", seen_days_ago=3), stored)
    explanation = (
        f"Lena Fischer has two accounts, {capital} and {lower}: lowering the one with capitals must be refused"
    )
    story.fault("auth.duplicate_by_case", _user(lower), explanation)
    story.fault(code, _user(capital), "capitals again, and not free to lower: the repair is refused here")
    story.twin("auth.duplicate_by_case", _user(2), "bob@example.com exists once")


def _plant_inactive(cursor: Cursor, story: Story, stored: str) -> None:
    back = Account("Sara", "Lind", "sara.lind@example.com", is_active=False, seen_days_ago=6)
    story.fault("auth.inactive", _user(add(cursor, back, stored)), "switched off, seen 6 days ago, still a member")
    gone = Account(
        "Viktor", "Hale", "viktor.hale@example.com", is_active=False, member_of=(), left=(COMPANY,), seen_days_ago=610
    )
    story.twin("auth.inactive", _user(add(cursor, gone, stored)), "switched off, left 20 months ago: as it should be")


def _plant_memberships(cursor: Cursor, story: Story, stored: str) -> None:
    alone = Account("Omar", "Haddad", "omar.haddad@example.com", active_organization=None, member_of=())
    story.fault("auth.no_membership", _user(add(cursor, alone, stored)), "active, but member of no organization")
    moved = Account(
        "Yuki", "Tanaka", "yuki.tanaka@example.com", active_organization=LAB, left=(LAB,), member_of=(COMPANY,)
    )
    explanation = "works in an organization that removed this user, while a live membership waits in another"
    story.fault("auth.active_org_deleted", _user(add(cursor, moved, stored)), explanation)
    story.fault("auth.active_org_deleted", _user(7), "removed from her only organization, as the dump has it")
    both = Account(
        "Malik", "Osei", "malik.osei@example.com", active_organization=COMPANY, left=(LAB,), member_of=(COMPANY,)
    )
    user_id = add(cursor, both, stored)
    story.twin("auth.active_org_deleted", _user(user_id), "left one organization and works in the other")
    story.twin("auth.no_membership", _user(user_id), "has a live membership")


def add(cursor: Cursor, account: Account, stored_password: str) -> int:
    """Insert the account with its memberships; returns the user id."""
    cursor.execute(
        """
        INSERT INTO htx_user (password, last_login, is_superuser, username, email, first_name, last_name, is_staff,
            is_active, date_joined, last_activity, activity_at, phone, avatar, active_organization_id,
            allow_newsletters, custom_hotkeys)
        VALUES (%(password)s, now() - %(seen)s * interval '1 day', %(is_superuser)s, %(username)s, %(email)s,
            %(first_name)s, %(last_name)s, %(is_staff)s, %(is_active)s, now() - (%(seen)s + 300) * interval '1 day',
            now() - %(seen)s * interval '1 day', now() - %(seen)s * interval '1 day', '', '', %(organization)s,
            false, '{}')
        RETURNING id
        """,
        {
            **vars(account),
            "password": stored_password,
            "username": account.email.partition("@")[0],
            "seen": account.seen_days_ago,
            "organization": account.active_organization,
        },
    )
    user_id = int(cursor.fetchone()[0])
    for organization in (*account.left, *account.member_of):
        cursor.execute(
            """
            INSERT INTO organizations_organizationmember (created_at, updated_at, organization_id, user_id, deleted_at)
            VALUES (now() - interval '300 days', now(), %s, %s, CASE WHEN %s THEN now() - interval '12 days' END)
            """,
            [organization, user_id, organization in account.left],
        )
    return user_id


def _token(cursor: Cursor, user_id: int) -> str:
    key = secrets.token_hex(20)
    cursor.execute("INSERT INTO authtoken_token (key, created, user_id) VALUES (%s, now(), %s)", [key, user_id])
    return key


def _user(user_id: int) -> str:
    return f"user:{user_id}"


WORDS = (
    "amber", "birch", "cedar", "cobalt", "coral", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "juniper",
    "lantern", "maple", "meadow", "nickel", "olive", "opal", "pebble", "quartz", "raven", "saffron", "tundra", "willow",
)  # fmt: skip
