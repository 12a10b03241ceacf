"""Static tokens, and authenticators one after the other."""

import pytest

from oms_adapters.auth.chain import AuthenticatorChain
from oms_adapters.auth.static_tokens import (
    StaticToken,
    StaticTokenAuthenticator,
    hash_of,
    new_token,
)
from oms_core.errors import AuthenticationFailed, AuthenticationUnavailable, ConfigurationError
from oms_core.ports.authentication import Principal, Role
from oms_core.testing import a_scope

SCOPE = a_scope()


def entry(token: str, subject: str = "till-7", role: Role = Role.EDITOR) -> StaticToken:
    return StaticToken(hash_of(token), subject, SCOPE, role)


def test_a_token_is_known_by_its_hash() -> None:
    one, two = new_token(), new_token()
    authenticator = StaticTokenAuthenticator(
        [entry(one, "till-7"), entry(two, "till-8", Role.VIEWER)]
    )

    assert authenticator.authenticate(one) == Principal("till-7", SCOPE, Role.EDITOR)
    assert authenticator.authenticate(two) == Principal("till-8", SCOPE, Role.VIEWER)


@pytest.mark.parametrize("token", ["", "x", "é🪑", "\ud800", "\0", "x" * 100_000, hash_of("right")])
def test_any_other_text_is_not(token: str) -> None:
    with pytest.raises(AuthenticationFailed, match="not known"):
        StaticTokenAuthenticator([entry("right")]).authenticate(token)


def test_without_tokens_nobody_is_known() -> None:
    with pytest.raises(AuthenticationFailed):
        StaticTokenAuthenticator([]).authenticate("")


def test_new_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) > 40 and token.isprintable() for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "right", "sha256:", "sha256:" + "g" * 64, "a" * 64, hash_of("x").upper()]
)
def test_what_is_no_hash_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="till-7"):
        StaticTokenAuthenticator([StaticToken(text, "till-7", SCOPE, Role.EDITOR)])


def test_one_token_for_two_clients_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="same hash"):
        StaticTokenAuthenticator([entry("right", "till-7"), entry("right", "till-8")])


def test_the_hash_does_not_show_itself() -> None:
    assert hash_of("right")[8:] not in repr(entry("right"))


class Refusing:
    def __init__(self, reason: str) -> None:
        self.reason = reason

    def authenticate(self, token: str) -> Principal:
        raise AuthenticationFailed(self.reason)


class Unreachable:
    def authenticate(self, token: str) -> Principal:
        raise AuthenticationUnavailable


def test_the_first_that_knows_a_token_decides() -> None:
    chain = AuthenticatorChain(
        [
            Refusing("no"),
            StaticTokenAuthenticator([entry("right", "first")]),
            StaticTokenAuthenticator([entry("right", "second")]),
            Unreachable(),
        ]
    )

    assert chain.authenticate("right").subject == "first"


def test_if_none_knows_it_the_last_says_why() -> None:
    with pytest.raises(AuthenticationFailed, match="the second reason"):
        AuthenticatorChain([Refusing("one"), Refusing("the second reason")]).authenticate("x")


def test_what_cannot_be_told_now_is_not_a_refusal() -> None:
    with pytest.raises(AuthenticationUnavailable):
        AuthenticatorChain([Refusing("no"), Unreachable()]).authenticate("x")


def test_an_empty_chain_lets_nobody_in() -> None:
    with pytest.raises(AuthenticationFailed):
        AuthenticatorChain([]).authenticate("x")
