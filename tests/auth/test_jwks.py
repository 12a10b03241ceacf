"""An issuer's keys over HTTP: asked seldom, trusted for a time, never anywhere else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from oms_adapters.auth.jwt import JwksKeys, JwtAuthenticator
from oms_core.errors import AuthenticationFailed, AuthenticationUnavailable, ConfigurationError
from oms_core.testing import NOON, SimulatedClock, a_scope

SCOPE = a_scope()
SHORT = 1_024
OLD = rsa.generate_private_key(65_537, 2_048)
NEW = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """A server that shows keys, fails, or sends elsewhere, as it is told."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(OLD, "old")]
        self.body: bytes | None = None
        self.status = 200
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = issuer.body or json.dumps({"keys": issuer.keys}).encode()
                self.send_response(issuer.status)
                if issuer.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Elapsed:
    """A clock for intervals that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def authenticator(issuer: Issuer, elapsed: Elapsed) -> JwtAuthenticator:
    keys = JwksKeys(issuer.url, lifetime_s=300, stale_s=3_600, pause_s=15, monotonic=elapsed)
    return JwtAuthenticator([keys], clock=SimulatedClock())


def public(key: Any, key_id: str | None, **changes: Any) -> dict[str, Any]:
    writer: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    written: dict[str, Any] = json.loads(writer.to_jwk(key.public_key()))
    written.pop("key_ops", None)
    return {**written, **({} if key_id is None else {"kid": key_id}), **changes}


def token(key: Any = OLD, key_id: str | None = "old") -> str:
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    content = {
        "tenant_id": str(SCOPE.tenant_id),
        "org_id": str(SCOPE.org_id),
        "role": "VIEWER",
        "exp": int(NOON.timestamp()) + 86_400,
    }
    return jwt.encode(content, key, algorithm, headers=None if key_id is None else {"kid": key_id})


def is_good(authenticator: JwtAuthenticator, a_token: str) -> bool:
    try:
        return authenticator.authenticate(a_token).scope == SCOPE
    except AuthenticationFailed:
        return False


def test_keys_are_fetched_once_for_many_tokens(
    issuer: Issuer, authenticator: JwtAuthenticator
) -> None:
    assert issuer.asked == []
    assert all(is_good(authenticator, token()) for _ in range(10))
    assert issuer.asked == ["/jwks.json"]


def test_a_new_key_is_found_when_the_first_token_names_it(
    issuer: Issuer, authenticator: JwtAuthenticator, elapsed: Elapsed
) -> None:
    is_good(authenticator, token())
    issuer.keys.append(public(NEW, "new"))
    elapsed.now_s += 16

    assert is_good(authenticator, token(NEW, "new"))
    assert is_good(authenticator, token())


def test_unknown_key_ids_do_not_flood_the_issuer(
    issuer: Issuer, authenticator: JwtAuthenticator, elapsed: Elapsed
) -> None:
    is_good(authenticator, token())
    elapsed.now_s += 16
    for number in range(50):
        assert not is_good(authenticator, token(NEW, f"unknown-{number}"))

    assert len(issuer.asked) == 2


def test_a_key_that_was_taken_away_is_no_longer_good_even_for_remembered_tokens(
    issuer: Issuer, authenticator: JwtAuthenticator, elapsed: Elapsed
) -> None:
    assert is_good(authenticator, token())
    issuer.keys = [public(NEW, "new")]

    assert is_good(authenticator, token()), "nobody has looked since"
    elapsed.now_s += 301
    assert not is_good(authenticator, token())


def test_while_the_issuer_is_silent_known_keys_are_good_for_a_time(
    issuer: Issuer, authenticator: JwtAuthenticator, elapsed: Elapsed
) -> None:
    assert is_good(authenticator, token())
    issuer.status = 500
    elapsed.now_s += 3_800
    assert is_good(authenticator, token())
    elapsed.now_s += 200

    with pytest.raises(AuthenticationUnavailable):
        authenticator.authenticate(token())


def test_an_issuer_that_never_answered_makes_no_token_bad(
    issuer: Issuer, authenticator: JwtAuthenticator, elapsed: Elapsed
) -> None:
    issuer.status = 500
    for _ in range(20):
        with pytest.raises(AuthenticationUnavailable):
            authenticator.authenticate(token())
    assert len(issuer.asked) == 1, "not asked again at once"
    issuer.status = 200
    elapsed.now_s += 16

    assert is_good(authenticator, token())


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b"\xff",
        b"[" * 100_000,
        b'{"keys": []}' + b" " * 300_000,
    ],
    ids=range(7),
)
def test_an_answer_that_cannot_be_read_is_no_answer(
    issuer: Issuer, authenticator: JwtAuthenticator, body: bytes
) -> None:
    issuer.body = body

    with pytest.raises((AuthenticationUnavailable, AuthenticationFailed)):
        authenticator.authenticate(token())


def test_redirects_are_not_followed(issuer: Issuer, authenticator: JwtAuthenticator) -> None:
    issuer.status = 302

    with pytest.raises(AuthenticationUnavailable):
        authenticator.authenticate(token())
    assert issuer.asked == ["/jwks.json"]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        [],
        {},
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "bad"},
        {"kty": "RSA", "kid": "bad"},
        {"kty": "EC", "crv": "P-384", "kid": "bad"},
        public(OLD, "bad", use="enc"),
        public(OLD, "bad", alg="ES256"),
        public(OLD, "bad", alg="RS512"),
        public(rsa.generate_private_key(65_537, SHORT), "bad"),
        public(ec.generate_private_key(ec.SECP384R1()), "bad"),
    ],
    ids=range(12),
)
def test_an_unfit_key_is_left_out_and_the_others_are_used(
    issuer: Issuer, authenticator: JwtAuthenticator, entry: Any
) -> None:
    issuer.keys = [entry, public(NEW, "new")]

    assert is_good(authenticator, token(NEW, "new"))
    assert not is_good(authenticator, token(OLD, "bad"))


def test_a_symmetric_key_that_an_issuer_shows_verifies_nothing(
    issuer: Issuer, authenticator: JwtAuthenticator
) -> None:
    shown = b"a-secret-that-was-shown-to-everybody"
    issuer.keys = [json.loads(HMACAlgorithm.to_jwk(shown)) | {"kid": "old"}]
    forged = jwt.encode(
        jwt.decode(token(), options={"verify_signature": False}), shown, "HS256", {"kid": "old"}
    )

    assert not is_good(authenticator, forged)


def test_a_token_without_a_key_id_is_for_the_only_key(
    issuer: Issuer, authenticator: JwtAuthenticator
) -> None:
    assert is_good(authenticator, token(OLD, None))


def test_a_token_without_a_key_id_is_for_none_of_several(
    issuer: Issuer, authenticator: JwtAuthenticator
) -> None:
    issuer.keys.append(public(NEW, "new"))

    assert not is_good(authenticator, token(OLD, None))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jwks.json",
        "http://id.example/jwks",
        "file:///etc/passwd",
        "ftp://id.example",
        "https://",
    ],
)
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        JwksKeys(url)
