"""JSON Web Tokens: pinned keys, strict claims, and memory that does not outlive them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from oms_adapters.auth.jwt import (
    ClaimNames,
    JwtAuthenticator,
    PublicKey,
    SharedSecret,
    VerificationKey,
    mint_token,
)
from oms_core.errors import AuthenticationFailed, ConfigurationError
from oms_core.ports.authentication import Principal, Role
from oms_core.testing import NOON, SimulatedClock, a_scope

SECRET = b"an-unmistakable-signing-secret-of-48-bytes-or-so"
SCOPE = a_scope()
SHORT = 1_024
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    public: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims; a change to ``...`` leaves one out."""
    good = {
        "sub": "pat@example.com",
        "tenant_id": str(SCOPE.tenant_id),
        "org_id": str(SCOPE.org_id),
        "role": "EDITOR",
        "exp": int(NOON.timestamp()) + 3_600,
        **changes,
    }
    return {name: value for name, value in good.items() if value is not ...}


def signed(content: dict[str, Any] | None = None, *, header: dict[str, Any] | None = None) -> str:
    return jwt.encode(claims() if content is None else content, SECRET, "HS256", headers=header)


def by_hand(header: str, payload: str, secret: bytes = SECRET) -> str:
    """Sign what no library would: HS256 over any text."""
    parts = [base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in (header, payload)]
    signature = hmac.digest(secret, ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


def an_authenticator(**options: Any) -> JwtAuthenticator:
    options.setdefault("clock", SimulatedClock())
    return JwtAuthenticator([SharedSecret(SECRET)], **options)


def refusal(authenticator: JwtAuthenticator, token: str) -> str:
    """Return why a token is refused; the sentence must not repeat it."""
    with pytest.raises(AuthenticationFailed) as refused:
        authenticator.authenticate(token)
    assert len(token) < 20 or token[:20] not in refused.value.sentence
    return refused.value.sentence


def test_a_good_token_tells_who_calls_for_whom_and_what_they_may_do() -> None:
    assert an_authenticator().authenticate(signed()) == Principal(
        "pat@example.com", SCOPE, Role.EDITOR
    )


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")], ids=["RS256", "ES256"]
)
def test_public_keys_verify_their_own_algorithm(key: Any, algorithm: str) -> None:
    authenticator = JwtAuthenticator([PublicKey(pem(key))], clock=SimulatedClock())

    token = jwt.encode(claims(), key, algorithm)

    assert authenticator.authenticate(token).scope == SCOPE


def test_the_key_that_signed_is_found_among_several() -> None:
    authenticator = JwtAuthenticator(
        [
            SharedSecret(b"another-secret-of-at-least-32-bytes!"),
            SharedSecret(SECRET),
            PublicKey(pem(RSA_KEY)),
            PublicKey(pem(EC_KEY)),
        ],
        clock=SimulatedClock(),
    )

    for token in (
        signed(),
        jwt.encode(claims(), RSA_KEY, "RS256"),
        jwt.encode(claims(), EC_KEY, "ES256"),
    ):
        assert authenticator.authenticate(token).scope == SCOPE


# -- forgeries -------------------------------------------------------------------------------


def test_a_public_key_is_no_secret() -> None:
    """The old trick: sign HS256 with the RSA key that everybody can read (RFC 8725, 2.1)."""
    forged = by_hand('{"alg":"HS256","typ":"JWT"}', json.dumps(claims()), pem(RSA_KEY))

    refusal(JwtAuthenticator([PublicKey(pem(RSA_KEY))], clock=SimulatedClock()), forged)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "HS512", "PS256", 7])
def test_an_algorithm_that_is_not_the_keys_own_is_refused(algorithm: Any) -> None:
    header = json.dumps({"alg": algorithm, "typ": "JWT"})
    unsigned = by_hand(header, json.dumps(claims())).rpartition(".")[0] + "."

    refusal(an_authenticator(), by_hand(header, json.dumps(claims())))
    refusal(an_authenticator(), unsigned)


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
def test_keys_that_a_token_brings_along_are_ignored(header: str) -> None:
    attacker = rsa.generate_private_key(65_537, 2_048)
    brought: dict[str, Any] = {
        "jku": "https://attacker.example/jwks",
        "x5u": "https://attacker.example/x5u",
        "x5c": ["MIIB"],
        "jwk": json.loads(RSAAlgorithm.to_jwk(attacker.public_key())),
    }
    authenticator = JwtAuthenticator([PublicKey(pem(RSA_KEY))], clock=SimulatedClock())
    extra = {header: brought[header]}

    refusal(authenticator, jwt.encode(claims(), attacker, "RS256", headers=extra))
    genuine = jwt.encode(claims(), RSA_KEY, "RS256", headers=extra)
    assert authenticator.authenticate(genuine).scope == SCOPE


def test_every_altered_character_spoils_a_token() -> None:
    authenticator = an_authenticator()
    token = signed()
    authenticator.authenticate(token)

    for place in range(0, len(token), 7):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        refusal(authenticator, altered)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        signed() + ".",
        signed()[:-10],
        signed() + "A",
        " " + signed(),
        "é" + signed(),
        "\ud800",
        "x" * 8_193,
        by_hand("[]", "{}"),
        by_hand("7", "{}"),
        by_hand("null", "null"),
        by_hand("not json", "{}"),
        by_hand('{"alg":"HS256"}', "not json"),
        by_hand('{"alg":"HS256"}', "[]"),
        by_hand('{"alg":"HS256"}', "7"),
        by_hand('{"alg":"HS256","kid":7}', json.dumps(claims())),
        by_hand('{"alg":["HS256"]}', json.dumps(claims())),
        by_hand('{"alg":{"a":1}}', json.dumps(claims())),
        by_hand('{"alg":"HS256","crit":["exp"]}', json.dumps(claims())),
        by_hand('{"alg":"HS256","b64":false,"crit":["b64"]}', json.dumps(claims())),
        by_hand('{"alg":"HS256","a":' + "[" * 2_000 + "]" * 2_000 + "}", "{}"),
        by_hand('{"alg":"HS256"}', '{"a":' + "[" * 2_000 + "]" * 2_000 + "}"),
    ],
    ids=range(26),
)
def test_what_is_no_token_is_refused_and_breaks_nothing(token: str) -> None:
    refusal(an_authenticator(), token)


# -- claims ----------------------------------------------------------------------------------

BAD_UUIDS: list[Any] = [..., None, "", 7, [], {}, "acme", "{" + str(SCOPE.tenant_id) + "}"]
WRONG: dict[str, list[Any]] = {
    "tenant_id": [*BAD_UUIDS, SCOPE.tenant_id.hex, "urn:uuid:1"],
    "org_id": BAD_UUIDS,
    "role": [..., None, "", "OWNER", "editor", 7, ["ADMIN"], {"a": 1}],
    "exp": [..., None, "", "soon", True, [], {}, 1e300, -(10**400)],
    "nbf": [None, "now", True, []],
    "sub": [None, "", 7, [], "x" * 256, "a\nb", "a\0b"],
}
BAD_CLAIMS = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), BAD_CLAIMS)
def test_a_claim_that_is_missing_or_of_another_form_is_refused_by_name(
    name: str, value: Any
) -> None:
    assert f'"{name}"' in refusal(an_authenticator(), signed(claims(**{name: value})))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("name", ["exp", "nbf"])
def test_a_time_that_never_comes_is_refused(name: str, number: str) -> None:
    payload = json.dumps(claims(**{name: 7})).replace(": 7", f": {number}")
    assert number in payload

    refusal(an_authenticator(), by_hand('{"alg":"HS256"}', payload))


def test_a_token_without_a_name_acts_without_one() -> None:
    assert an_authenticator().authenticate(signed(claims(sub=...))).subject == "unnamed"


def test_claims_may_have_other_names() -> None:
    names = ClaimNames("https://acme.example/tenant", "org", "oms_role", "client_id")
    content = {
        "https://acme.example/tenant": str(SCOPE.tenant_id),
        "org": str(SCOPE.org_id),
        "oms_role": "ADMIN",
        "client_id": "till-7",
        "exp": claims()["exp"],
    }

    principal = an_authenticator(claims=names).authenticate(signed(content))

    assert principal == Principal("till-7", SCOPE, Role.ADMIN)


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ({"iss": "https://id.example", "aud": "oms"}, True),
        ({"iss": "https://id.example", "aud": ["shop", "oms"]}, True),
        ({"iss": "https://id.example/", "aud": "oms"}, False),
        ({"iss": "https://evil.example", "aud": "oms"}, False),
        ({"iss": ["https://id.example"], "aud": "oms"}, False),
        ({"aud": "oms"}, False),
        ({"iss": "https://id.example", "aud": "shop"}, False),
        ({"iss": "https://id.example", "aud": []}, False),
        ({"iss": "https://id.example", "aud": 7}, False),
        ({"iss": "https://id.example"}, False),
    ],
)
def test_issuer_and_audience_must_match_if_they_are_configured(
    content: dict[str, Any],
    good: bool,  # noqa: FBT001
) -> None:
    strict = an_authenticator(issuer="https://id.example", audience="oms")
    token = by_hand('{"alg":"HS256"}', json.dumps(claims(**content)))

    if good:
        assert strict.authenticate(token).scope == SCOPE
    else:
        refusal(strict, token)
    assert an_authenticator().authenticate(token).scope == SCOPE


# -- time ------------------------------------------------------------------------------------


def test_a_remembered_token_still_expires() -> None:
    clock = SimulatedClock()
    authenticator = an_authenticator(clock=clock, leeway_s=30.0)
    token = signed(claims(exp=int(NOON.timestamp()) + 60))

    for _ in range(3):
        authenticator.authenticate(token)
    clock.advance_to(NOON.replace(microsecond=0) + timedelta(seconds=89))
    authenticator.authenticate(token)
    clock.advance(1)

    assert "expired" in refusal(authenticator, token)


def test_a_token_is_not_good_before_its_time() -> None:
    clock = SimulatedClock()
    authenticator = an_authenticator(clock=clock, leeway_s=30.0)
    token = signed(claims(nbf=int(NOON.timestamp()) + 100))

    assert "not valid yet" in refusal(authenticator, token)
    clock.advance(70)
    assert authenticator.authenticate(token).scope == SCOPE
    clock.advance(-10)
    assert "not valid yet" in refusal(authenticator, token)


@pytest.mark.parametrize("leeway_s", [-1, 60.1, 3_600])
def test_a_leeway_is_a_minute_at_the_most(leeway_s: float) -> None:
    with pytest.raises(ConfigurationError):
        an_authenticator(leeway_s=leeway_s)


class CountingKeys:
    """Keys that tell how often they were asked for, and may change."""

    def __init__(self) -> None:
        self.generation = 0
        self.asked = 0
        self._keys = SharedSecret(SECRET).candidates(None)

    def candidates(self, key_id: str | None) -> Any:
        self.asked += 1
        return self._keys

    def forget(self) -> None:
        self.generation += 1
        self._keys = ()


def test_a_token_is_verified_once_until_the_keys_change() -> None:
    keys = CountingKeys()
    authenticator = JwtAuthenticator([keys], clock=SimulatedClock())
    token = signed()

    for _ in range(10):
        authenticator.authenticate(token)
    asked = keys.asked
    keys.forget()

    assert asked == 1
    refusal(authenticator, token)


def test_only_so_many_tokens_are_remembered() -> None:
    keys = CountingKeys()
    authenticator = JwtAuthenticator([keys], clock=SimulatedClock(), remembered_max=2)
    one, two, three = (signed(claims(sub=name)) for name in ("one", "two", "three"))

    for token in (one, two, three, two, three):
        authenticator.authenticate(token)
    assert keys.asked == 3
    authenticator.authenticate(one)

    assert keys.asked == 4


def test_a_bad_token_is_not_remembered() -> None:
    """Whoever sends many wrong tokens must not push out the good ones."""
    keys = CountingKeys()
    authenticator = JwtAuthenticator([keys], clock=SimulatedClock(), remembered_max=1)
    authenticator.authenticate(signed())

    for number in range(10):
        refusal(authenticator, signed()[:-5] + f"{number:05}")
    asked = keys.asked
    authenticator.authenticate(signed())

    assert keys.asked == asked


# -- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SharedSecret(b"x" * 31), "shorter than 32 bytes"),
        (lambda: SharedSecret(pem(RSA_KEY)), "public key"),
        (lambda: PublicKey(b"no key"), "not in PEM"),
        (lambda: PublicKey(b""), "not in PEM"),
        (lambda: PublicKey(pem(rsa.generate_private_key(65_537, SHORT))), "1024 bits"),
        (lambda: PublicKey(pem(ec.generate_private_key(ec.SECP384R1()))), "P-256"),
        (lambda: PublicKey(pem(ed25519.Ed25519PrivateKey.generate())), "must be RSA"),
    ],
)
def test_a_key_that_is_too_weak_or_of_another_kind_stops_the_start(
    make: Callable[[], object], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()


def test_keys_do_not_show_themselves() -> None:
    (key,) = SharedSecret(SECRET).candidates(None)

    assert SECRET.decode() not in repr(key)
    assert isinstance(key, VerificationKey)


def test_a_minted_token_is_what_it_was_minted_for() -> None:
    clock = SimulatedClock()
    principal = Principal("pat@example.com", SCOPE, Role.ADMIN)
    token = mint_token(
        SECRET, principal, now=NOON, lifetime_s=60, issuer="https://id.example", audience="oms"
    )
    authenticator = an_authenticator(
        clock=clock, issuer="https://id.example", audience="oms", leeway_s=0.0
    )

    assert authenticator.authenticate(token) == principal
    clock.advance(60)
    assert "expired" in refusal(authenticator, token)
