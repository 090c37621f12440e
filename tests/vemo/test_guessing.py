"""Whoever guesses passwords is held up, and nobody else."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import F
from django.test import Client
from rest_framework.authtoken.models import Token

from tests.factories import make_user
from vemo.accounts.models import Guesses, User

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
TOO_MANY = "Too many wrong passwords for this name from where you are. Try again in 15 minutes."


@pytest.fixture(autouse=True)
def three_attempts(settings: Any) -> None:
    settings.SIGNIN_ATTEMPTS, settings.SIGNIN_LOCK_MINUTES, settings.TRUSTED_PROXIES = 3, 15.0, 0


@pytest.fixture
def person() -> User:
    return make_user("manager", "Ann")


def sign_in(name: str = "Ann", password: str = "secret", where: str = HERE, **more: Any) -> Any:
    return Client().post("/signin/", {"username": name, "password": password}, REMOTE_ADDR=where, **more)


def guess(times: int, **more: Any) -> list[int]:
    return [sign_in(password=f"wrong{n}", **more).status_code for n in range(times)]


def later(minutes: float) -> None:
    Guesses.objects.update(last_at=F("last_at") - timedelta(minutes=minutes))


def test_so_many_wrong_passwords_and_then_not_even_the_right_one(person: User) -> None:
    assert guess(3) == [200, 200, 429]
    answer = sign_in()
    assert (answer.status_code, 890 < int(answer.headers["Retry-After"]) <= 900) == (429, True)
    assert TOO_MANY in answer.content.decode()


def test_the_wait_is_told_and_ends(person: User) -> None:
    guess(3)
    later(14.5)
    assert "Try again in 1 minute." in sign_in().content.decode()
    later(0.5)
    assert sign_in().status_code == 302
    assert not Guesses.objects.exists()


def test_asking_meanwhile_makes_the_wait_no_longer(person: User) -> None:
    guess(3)
    later(10)
    guess(5)
    assert "Try again in 5 minutes." in sign_in().content.decode()


def test_the_right_password_forgets_the_wrong_ones(person: User) -> None:
    assert guess(2) == [200, 200]
    assert sign_in().status_code == 302
    assert guess(2) == [200, 200]


def test_wrong_ones_of_long_ago_do_not_count(person: User) -> None:
    guess(2)
    later(16)
    assert guess(2) == [200, 200]


def test_a_stranger_elsewhere_locks_nobody_out(person: User) -> None:
    assert guess(3, where=ELSEWHERE)[-1] == 429
    assert sign_in().status_code == 302


def test_others_from_the_same_address_sign_in(person: User) -> None:
    make_user("annotator", "Bob")
    guess(3)
    assert sign_in("Bob").status_code == 302


@pytest.mark.parametrize("name", ["ann", "ANN ", "Ａnn"])
def test_a_name_written_otherwise_is_the_same(person: User, name: str) -> None:
    guess(3, name=name)
    assert sign_in().status_code == 429


def test_a_name_that_nobody_has_is_held_up_alike() -> None:
    assert guess(3, name="nobody") == [200, 200, 429]


def test_neither_name_nor_address_is_kept(person: User) -> None:
    guess(1)
    row = Guesses.objects.get()
    assert re.fullmatch(r"[0-9a-f]{64}", row.key)


def test_the_admin_is_no_way_round(person: User) -> None:
    User.objects.update(is_staff=True)
    guess(3)
    form = {"username": "Ann", "password": "secret"}
    page = Client().post("/admin/login/", form, REMOTE_ADDR=HERE)
    assert (page.status_code, TOO_MANY in page.content.decode()) == (200, True)
    assert Client().post("/admin/login/?next=/admin/", form, REMOTE_ADDR=ELSEWHERE).status_code == 302


def test_wrong_passwords_at_the_admin_count(person: User) -> None:
    for n in range(3):
        Client().post("/admin/login/", {"username": "Ann", "password": f"wrong{n}"}, REMOTE_ADDR=HERE)
    assert sign_in().status_code == 429


def ask_for_token(password: str) -> Any:
    asked = {"username": "Ann", "password": password}
    return Client().post("/api/token/", asked, content_type="application/json", REMOTE_ADDR=HERE)


def test_asking_for_a_token_is_no_way_round(person: User) -> None:
    assert [ask_for_token("wrong").status_code for _ in range(3)] == [400, 400, 429]
    answer = ask_for_token("secret")
    assert (answer.status_code, answer.json()) == (429, {"detail": TOO_MANY})
    assert 890 < int(answer.headers["Retry-After"]) <= 900
    assert sign_in().status_code == 429


def test_who_has_a_token_goes_on_using_it(person: User) -> None:
    guess(3)
    token = Token.objects.create(user=person)
    answer = Client().get("/api/v1/me/", headers={"Authorization": f"Token {token}"}, REMOTE_ADDR=HERE)
    assert answer.status_code == 200


def test_who_is_signed_in_stays(person: User) -> None:
    client = Client()
    client.post("/signin/", {"username": "Ann", "password": "secret"}, REMOTE_ADDR=HERE)
    guess(3)
    assert client.get("/account/", REMOTE_ADDR=HERE).status_code == 200


def test_it_is_said_in_the_readers_language(person: User) -> None:
    guess(3)
    page = sign_in(headers={"accept-language": "vi"}).content.decode()
    assert "Hãy thử lại sau 15 phút." in page


def test_any_number_where_the_site_says_so(person: User, settings: Any) -> None:
    settings.SIGNIN_ATTEMPTS = 0
    assert guess(12) == [200] * 12
    assert not Guesses.objects.exists()


@pytest.mark.parametrize(
    ("proxies", "seen", "same"),
    [
        # Without a proxy, clients write that header.
        (0, ("198.51.100.1", "198.51.100.2"), True),
        (1, ("198.51.100.1", "198.51.100.2"), False),
        (1, ("10.0.0.1, 198.51.100.1", "10.0.0.2, 198.51.100.1"), True),
        (2, ("10.0.0.1, 198.51.100.1, 10.9.9.9", "10.0.0.2, 198.51.100.1, 10.9.9.8"), True),
        (1, ("rubbish", "nonsense"), True),
        (1, ("2001:db8:1:1::5", "2001:db8:1:1:ffff::6"), True),
        (1, ("2001:db8:1:1::5", "2001:db8:1:2::5"), False),
        (1, ("198.51.100.1", "::ffff:198.51.100.1"), True),
        (2, ("198.51.100.1", "198.51.100.2"), True),
    ],
)
def test_an_address_is_what_the_sites_own_proxies_saw(
    person: User, settings: Any, proxies: int, seen: tuple[str, str], same: bool
) -> None:
    settings.TRUSTED_PROXIES = proxies
    guess(3, headers={"X-Forwarded-For": seen[0]})
    assert (sign_in(headers={"X-Forwarded-For": seen[1]}).status_code == 429) is same


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_are_looked_at(person: User) -> None:
    def once(n: int) -> int:
        try:
            return guess(1)[0]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(once, range(12)))
    assert (Guesses.objects.get().count, answers.count(429) >= 9) == (3, True)
