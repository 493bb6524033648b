"""People and organizations, invitations and tokens."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
import requests
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import ORGANIZATION, PASSWORD, TIMEOUT_SECONDS, Site

own_database = pytest.mark.own_database


def test_who_am_i(ls: LabelStudio, site: Site):
    me = ls.users.whoami()
    assert (me.id, me.email, me.active_organization) == (1, "alice@example.com", ORGANIZATION)
    assert me.initials
    assert site.client("bob").users.whoami().email == "bob@example.com"


def test_a_user_is_created_read_changed_and_deleted(ls: LabelStudio):
    made = ls.users.create(username="hana", email="hana@example.com", first_name="Hana")
    assert (made.username, made.email, made.first_name) == ("hana", "hana@example.com", "Hana")
    assert ls.users.get(id=made.id).email == "hana@example.com"
    assert "hana@example.com" in [user.email for user in ls.users.list()]
    changed = ls.users.update(id=made.id, last_name="Sato", phone="123")
    assert (changed.last_name, changed.phone, changed.first_name) == ("Sato", "123", "Hana")
    ls.users.delete(id=made.id)
    with pytest.raises(ApiError) as error:
        ls.users.get(id=made.id)
    assert error.value.status_code == 404


def test_only_people_of_the_organization_are_listed(ls: LabelStudio):
    emails = {user.email for user in ls.users.list()}
    assert {"alice@example.com", "bob@example.com", "carol@example.com"} <= emails
    assert not emails & {"erin@example.com", "frank@example.com"}


def test_an_email_is_taken(ls: LabelStudio):
    with pytest.raises(ApiError) as error:
        ls.users.create(username="bob2", email="bob@example.com")
    assert error.value.status_code == 400
    assert "already exists" in str(error.value.body)


@own_database
def test_a_reset_token_replaces_the_old_one(site: Site):
    bob = site.client("bob")
    assert bob.users.get_token().token == site.tokens["bob"]
    fresh = bob.users.reset_token().token
    assert fresh != site.tokens["bob"]
    with pytest.raises(ApiError) as error:
        bob.users.whoami()
    assert error.value.status_code == 401
    assert site.client_with(fresh).users.whoami().email == "bob@example.com"


def test_hotkeys(ls: LabelStudio):
    keys = {"annotation:submit": {"key": "ctrl+enter", "active": True}}
    ls.users.update_hotkeys(custom_hotkeys=keys)
    assert ls.users.get_hotkeys().custom_hotkeys["annotation:submit"]["key"] == "ctrl+enter"


@own_database
def test_the_organization_and_its_members(ls: LabelStudio):
    [organization] = ls.organizations.list()
    assert (organization.id, organization.title) == (ORGANIZATION, "Example Org")
    assert ls.organizations.get(id=str(ORGANIZATION)).title == "Example Org"
    page = ls.organizations.members.list(id=ORGANIZATION, page_size=3)
    assert page.response.count == 5
    emails = {member.user.email for member in [*page.items, *page.next_page().items]}
    assert len(emails) == 5
    assert {"alice@example.com", "bob@example.com", "carol@example.com"} <= emails
    assert ls.organizations.members.get(id=ORGANIZATION, user_pk=2).user == 2


@own_database
def test_a_new_title_of_the_organization(ls: LabelStudio):
    assert ls.organizations.update(id=ORGANIZATION, title="Renamed").title == "Renamed"
    assert ls.organizations.list()[0].title == "Renamed"


@own_database
def test_how_long_a_session_lasts(ls: LabelStudio):
    before = ls.session_policy.get()
    assert (before.max_session_age, before.max_time_between_activity) == (11520, 4320)
    assert ls.session_policy.update(max_session_age=60).max_session_age == 60
    assert ls.session_policy.get().max_time_between_activity == 4320


@own_database
def test_a_member_is_removed(ls: LabelStudio, site: Site):
    ls.organizations.members.delete(id=ORGANIZATION, user_pk=3)
    left = {member.user.email for member in ls.organizations.members.list(id=ORGANIZATION, page_size=-1).items}
    assert "bob@example.com" in left
    assert "carol@example.com" not in left
    with pytest.raises(ApiError) as error:
        ls.organizations.members.delete(id=ORGANIZATION, user_pk=1)
    assert error.value.status_code == 405  # nobody removes herself


def test_an_invitation_signs_somebody_up(ls: LabelStudio, site: Site):
    """The flow of scripts: the link of the invitation, its form, and a sign-in afterwards."""
    invite = ls.organizations.invites.get_invite_link()
    assert invite.invite_url == f"/user/signup/?{urlencode({'token': invite.token})}"
    browser = requests.Session()
    address = f"{site.url}{invite.invite_url}"
    browser.get(address, timeout=TIMEOUT_SECONDS)
    form = {"email": "Ivo@example.com", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    answer = browser.post(
        address, data=form, headers={"Referer": address}, timeout=TIMEOUT_SECONDS, allow_redirects=False
    )
    assert answer.status_code == 302, answer.text[:300]
    who = browser.get(f"{site.url}/api/current-user/whoami", timeout=TIMEOUT_SECONDS).json()
    assert (who["email"], who["username"], who["active_organization"]) == ("ivo@example.com", "ivo", ORGANIZATION)
    assert "ivo@example.com" in [user.email for user in ls.users.list()]
    fresh = ls.organizations.reset_token()
    assert fresh.token != invite.token
    assert requests.get(address, timeout=TIMEOUT_SECONDS).status_code in {200, 403}
    assert ls.organizations.invites.get_invite_link().token == fresh.token


@own_database
def test_a_personal_access_token_signs_the_client_in(site: Site):
    """The SDK sees a JWT, fetches an access token by itself and sends it as Bearer."""
    carol = site.client("carol")
    token = carol.tokens.create().token
    client = site.client_with(token)
    assert client.users.whoami().email == "carol@example.com"
    assert [project.id for project in client.projects.list(ids="1")] == [1]
    [listed] = carol.tokens.list()
    assert token.startswith(listed.token)
    with pytest.raises(ApiError) as error:
        carol.tokens.create()
    assert error.value.status_code == 409
    access = carol.tokens.refresh(refresh=token).access
    headers = {"Authorization": f"Bearer {access}"}
    who = requests.get(f"{site.url}/api/current-user/whoami", headers=headers, timeout=TIMEOUT_SECONDS)
    assert who.json()["email"] == "carol@example.com"


@own_database
def test_a_rotated_token_and_a_revoked_one(site: Site):
    carol = site.client("carol")
    old = carol.tokens.create().token
    new = carol.tokens.rotate(refresh=old).refresh
    assert new != old
    with pytest.raises(ApiError) as error:
        carol.tokens.refresh(refresh=old)
    assert (error.value.status_code, error.value.body["detail"]) == (401, "Token is blacklisted")
    assert site.client_with(new).users.whoami().id == 3
    carol.tokens.blacklist(refresh=new)
    with pytest.raises(ApiError) as error:
        site.client_with(new).users.whoami()
    assert error.value.status_code == 401
    assert carol.tokens.list() == []


@own_database
def test_legacy_tokens_are_switched_off_for_the_organization(site: Site):
    carol = site.client("carol")
    token = carol.tokens.create().token
    settings = carol.jwt_settings.get()
    assert (settings.api_tokens_enabled, settings.legacy_api_tokens_enabled) == (True, True)
    changed = site.send("POST", "/api/jwt/settings", json={"legacy_api_tokens_enabled": False}).json()
    assert changed["legacy_api_tokens_enabled"] is False
    with pytest.raises(ApiError) as error:
        carol.users.whoami()
    assert error.value.status_code == 401
    assert "legacy token authentication" in error.value.body["detail"].lower()
    modern = site.client_with(token)
    assert modern.jwt_settings.get().legacy_api_tokens_enabled is False
    modern.jwt_settings.update(api_token_ttl_days=30, legacy_api_tokens_enabled=True)
    assert carol.users.whoami().id == 3


def test_the_version(ls: LabelStudio):
    version = ls.versions.get()
    assert version.edition == "Community"
    assert version.release.startswith("1.23")
