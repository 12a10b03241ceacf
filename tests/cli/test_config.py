"""One file, variables over it, and every mistake at once with its place."""

from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve

from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.errors import ConfigurationError
from oms_entrypoints import bootstrap
from oms_entrypoints.config import Config, StorageSection, load_config
from oms_entrypoints.config.example import example_file

TENANT = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
SECRET = "an-unmistakable-signing-secret-of-48-bytes-or-so"


def read(folder: Path, text: str = "", **environment: str) -> Config:
    file = folder / "oms.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(str(file), environment)


def mistakes(folder: Path, text: str = "", **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        read(folder, text, **environment)
    return [
        told.replace(f"{folder}/", "").replace(f"{folder}", ".") for told in refused.value.mistakes
    ]


def test_nothing_configured_means_a_file_here_and_this_machine_alone(folder: Path) -> None:
    config = load_config(environment={})

    assert config.file is None
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert config.storage == StorageSection(kind="sqlite", path=folder / "oms.db")
    assert config.storage.secret_file == folder / "oms.db.secret"
    assert {name: one.adapter for name, one in config.payments.items()} == {
        "simulated": "simulated"
    }


def test_the_file_in_the_working_directory_is_found(folder: Path) -> None:
    (folder / "oms.toml").write_text("server.port = 8081")

    assert load_config(environment={}).server.port == 8081


def test_the_named_file_comes_before_the_variable_and_that_before_the_directory(
    folder: Path,
) -> None:
    for name, port in (("oms.toml", 1), ("variable.toml", 2), ("named.toml", 3)):
        (folder / name).write_text(f"[server]\nport = {port}")
    variable = {"OMS_CONFIG": "variable.toml"}

    assert load_config("named.toml", variable).server.port == 3
    assert load_config(None, variable).server.port == 2
    assert load_config(None, {}).server.port == 1


def test_every_kind_of_setting_is_read(folder: Path) -> None:
    config = read(
        folder,
        f"""
        [server]
        rate_limit = "600/minute"
        stop_timeout_s = 2
        [auth.keys.main]
        secret = "env:SIGNING"
        [auth.tokens.warehouse]
        hash = "sha256:{"0" * 64}"
        tenant = "{TENANT}"
        org = "{TENANT}"
        role = "EDITOR"
        [inventory.tenants.{TENANT}]
        allocation = "soft"
        ttl_s = 60.5
        [payments.card]
        adapter = "simulated"
        [payments.card.tenants.{TENANT}]
        webhook_secret = "env:SIGNING"
        """,
        SIGNING=SECRET,
    )

    assert config.server.rate_limit == "600/minute"
    assert config.server.stop_timeout_s == 2.0
    assert config.auth.keys["main"].secret is not None
    assert config.auth.keys["main"].secret.value == SECRET
    assert config.auth.tokens["warehouse"].tenant == UUID(TENANT)
    assert config.inventory.tenants[UUID(TENANT)].ttl_s == 60.5
    assert list(config.payments) == ["card"]
    assert config.payments["card"].options.webhook_secret is None
    assert config.payments["card"].tenants[UUID(TENANT)].webhook_secret.value == SECRET


MISTAKES = {
    "[sevrer]": "1: sevrer is not a section; did you mean server?",
    "server = 5": "1: server must be a table of settings.",
    "[server]\nprot = 1": "2: server.prot is not a setting; did you mean server.port?",
    "\n\nserver.port = 70000": "3: server.port must be from 0 to 65535.",
    "[server]\nport = true": "2: server.port must be a whole number from 0 to 65535.",
    '[server]\nport = "8080"': "2: server.port must be a whole number from 0 to 65535.",
    "server = {port = 8080.0}": "1: server.port must be a whole number from 0 to 65535.",
    '[server]\nhost = "two words"': "2: server.host must be an address or a host name.",
    '[server]\nwsgi = "gunicorn"': "2: server.wsgi must be one of waitress, granian.",
    '[server]\nrate_limit = "1/week"': "2: server.rate_limit must be a number of requests and a "
    'time, such as "600/minute".',
    "[worker]\npoll_s = nan": "2: worker.poll_s must be a number of seconds from 0.01 to 3600.",
    "[worker]\npoll_s = -1": "2: worker.poll_s must be a number of seconds from 0.01 to 3600.",
    '[storage]\nkind = "sqlit"': "2: storage.kind must be one of sqlite, memory, mongodb; "
    "did you mean sqlite?",
    "[storage]\npath = 5": "2: storage.path must be the path of a file.",
    '[storage]\npath = "no/x.db"': "2: storage.path needs the folder no, which does not exist; "
    "make it.",
    '[storage]\npath = "."': "2: storage.path names a directory, .; name a file in it.",
    "[inventory.tenants.acme]": "1: inventory.tenants.acme has a name that must be a UUID such as "
    f"{TENANT}.",
    '[inventory]\nallocation = "weak"': "2: inventory.allocation must be one of hard, soft.",
    '[inventory]\nurl = "https://x"': '2: inventory.url is for kind = "http" alone; set that, or '
    "leave this out.",
    '[inventory]\nkind = "http"': '1: inventory.url must be given for kind = "http", such as '
    "https://stock.example.com.",
    '[inventory]\n\nkind = "http"\nurl = "https://x"': "1: inventory.token or signing_secret "
    "must be given, exactly one of them.",
    '[inventory]\nkind = "http"\nurl = "https://pat:pw@x"': "3: inventory.url must be a URL that "
    "begins with https://, without user, query and fragment.",
    '[inventory]\nkind = "http"\ntoken = "plain-token"': "3: inventory.token must be env:NAME or "
    "file:PATH, naming where the secret is kept; the secret itself does not belong here.",
    '[inventory]\nkind = "http"\ntoken = "env:NO_SUCH_VARIABLE"': "3: inventory.token is kept in "
    "the environment variable NO_SUCH_VARIABLE, which is not set; set it.",
    '[inventory]\nkind = "ftp"': "2: inventory.kind must be one of store, http.",
    '[inventory]\nca_file = "no.pem"': '2: inventory.ca_file is for kind = "http" alone; set that, '
    "or leave this out.",
    "[payments]": "1: payments must have at least one table, such as [payments.NAME].",
    "[payments.card]": "1: payments.card.adapter must name an installed adapter; "
    "known: adyen, paypal, simulated, stripe.",
    '[payments.card]\nadapter = "simulatde"': "2: payments.card.adapter must name an installed "
    "adapter; known: adyen, paypal, simulated, stripe; did you mean simulated?",
    '[payments.card]\nadapter = "simulated"\nmode = 1': "3: payments.card.mode is not a setting.",
    '[payments.card]\nadapter = "simulated"\ncapture = "later"': "3: payments.card.capture must be "
    "one of confirmation, fulfillment, manual.",
    '[payments.card]\nadapter = "simulated"\ncaptrue = "manual"': "3: payments.card.captrue is not "
    "a setting; did you mean payments.card.capture?",
    f'[payments.x]\nadapter = "simulated"\n[payments.x.tenants.{TENANT}]\nrenew_before_s = 0': (
        f"4: payments.x.tenants.{TENANT}.renew_before_s must be a number of seconds from 1 to "
        "3.1536e+07."
    ),
    f'[payments.card]\nadapter = "simulated"\n[payments.card.tenants.{TENANT}]\nadapter = "x"': (
        f"4: payments.card.tenants.{TENANT}.adapter is not a setting."
    ),
    "[auth.keys.main]": "1: auth.keys.main.secret or public_key or jwks_url must be given, exactly "
    "one of them.",
    '[auth.keys.main]\njwks_url = "ftp://x"': "2: auth.keys.main.jwks_url must be a URL that "
    "begins with https://.",
    "[auth.tokens.x]\nhash = 'plain'": "2: auth.tokens.x.hash must be sha256: and 64 hexadecimal "
    "digits; oms token --static makes it.",
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items())
def test_a_mistake_is_told_with_its_setting_and_line(
    folder: Path, text: str, expected: str
) -> None:
    found = mistakes(folder, text)

    assert f"oms.toml:{expected}" in found


SERVICE = """
[inventory]
kind = "http"
url = "https://stock.example.com/prefix"
"""


def test_an_inventory_service_is_configured_with_a_token_or_a_secret(folder: Path) -> None:
    by_token = read(folder, SERVICE + 'token = "env:TOKEN"', TOKEN="oms_4711").inventory
    by_secret = read(
        folder, SERVICE + 'signing_secret = "env:KEY"\ntoken_audience = "stock"', KEY=SECRET
    ).inventory

    assert (by_token.kind, by_token.url) == ("http", "https://stock.example.com/prefix")
    assert by_token.token is not None
    assert by_token.token.value == "oms_4711"
    assert (by_token.timeout_s, by_token.connect_timeout_s) == (5.0, 2.0)
    assert by_secret.signing_secret is not None
    assert by_secret.signing_secret.value == SECRET
    assert "4711" not in repr(by_token)
    assert SECRET not in repr(by_secret)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'token = "env:TOKEN"\nsigning_secret = "env:KEY"',
            ["5: inventory.token or signing_secret must be given, exactly one of them."],
        ),
        (
            'token = "env:BROKEN"',
            ["5: inventory.token must consist of visible ASCII characters, without spaces."],
        ),
        (
            'signing_secret = "env:TOKEN"',
            ["5: inventory.signing_secret is shorter than 32 bytes; make a longer one."],
        ),
        (
            'token = "env:TOKEN"\ntoken_issuer = "oms"\nca_file = "no.pem"',
            [
                (
                    "6: inventory.token_issuer is for tokens made with signing_secret alone; leave "
                    "it out."
                ),
                "7: inventory.ca_file names no.pem, where there is no file; correct it.",
            ],
        ),
        (
            'token = "env:TOKEN"\ntimeout_s = 15',
            ["6: inventory.timeout_s must be at most a third of worker.lease_s, which is 30."],
        ),
    ],
)
def test_what_does_not_fit_together_for_an_inventory_service_is_told(
    folder: Path, text: str, expected: list[str]
) -> None:
    found = mistakes(folder, SERVICE + text, TOKEN="oms_4711", BROKEN="a\nb", KEY=SECRET)

    assert found == [f"oms.toml:{one}" for one in expected]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = """
    [server]
    prot = 1
    port = "x"
    [sevrer]
    """

    found = mistakes(folder, text, OMS__LOG__LEVEL="loud")

    assert [one.split(" ")[0] for one in found] == [
        "oms.toml:3:",
        "oms.toml:4:",
        "oms.toml:5:",
        "OMS__LOG__LEVEL:",
    ]


def test_lines_are_counted_across_strings_and_arrays_of_many_lines(folder: Path) -> None:
    text = '''
[auth]
audience = """
[server]
port = 1
\\"""
"""
nothing = [ # [
  "]",
  [1, 2],
]
"issuer" = 5
'''

    assert mistakes(folder, text) == [
        "oms.toml:3: auth.audience must be a text of 1 to 255 printable characters.",
        "oms.toml:8: auth.nothing is not a setting.",
        "oms.toml:12: auth.issuer must be a text of 1 to 255 printable characters.",
    ]


def test_text_that_is_no_toml_is_told_with_its_line(folder: Path) -> None:
    assert mistakes(folder, "[server]\nport = = 1") == [
        "oms.toml:2: is not valid TOML: Invalid value."
    ]


def test_a_file_that_cannot_be_read_is_a_sentence(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_config("nowhere.toml", {})

    assert refused.value.mistakes == (
        (
            "The configuration file nowhere.toml cannot be read (No such file or directory); "
            "name one that exists."
        ),
    )


def test_a_file_in_another_encoding_is_told_with_its_line(folder: Path) -> None:
    (folder / "oms.toml").write_bytes(b'[server]\nhost = "\xff"')

    with pytest.raises(ConfigurationError) as refused:
        load_config(environment={})

    assert refused.value.mistakes == (
        "oms.toml:2: is not UTF-8 text; save the file in that encoding.",
    )


# -- variables -------------------------------------------------------------------------------


def test_a_variable_overrides_the_file(folder: Path) -> None:
    config = read(
        folder,
        "[server]\nport = 1\nthreads = 2",
        OMS__SERVER__PORT="8081",
        OMS__WORKER__POLL_S="0.25",
        OMS__STORAGE__PATH="other.db",
    )

    assert (config.server.port, config.server.threads) == (8081, 2)
    assert config.worker.poll_s == 0.25
    assert config.storage.path == Path.cwd() / "other.db"


def test_a_variable_reaches_tables_with_names_of_their_own(folder: Path) -> None:
    config = read(
        folder,
        '[payments.my-card]\nadapter = "simulated"',
        OMS__PAYMENTS__MY_CARD__WEBHOOK_SECRET="env:HOOK",
        OMS__PAYMENTS__OTHER__ADAPTER="simulated",
        OMS__INVENTORY__TENANTS__7D9F6B1E_3C5A_4F0B_9A57_1F2D3C4B5A69__ALLOCATION="soft",
        HOOK=SECRET,
    )

    assert set(config.payments) == {"my-card", "other"}
    assert config.payments["my-card"].options.webhook_secret.value == SECRET
    assert config.inventory.tenants[UUID(TENANT)].allocation == "soft"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OMS__SERVER__PORT", "many", "server.port must be a whole number from 0 to 65535."),
        ("OMS__SERVER__PORT", "٣", "server.port must be a whole number from 0 to 65535."),
        ("OMS__SERVER__PORT", "8_0", "server.port must be a whole number from 0 to 65535."),
        ("OMS__SERVER__PORT", "", "server.port must be a whole number from 0 to 65535."),
        ("OMS__SERVER__PROT", "1", "server.prot is not a setting; did you mean server.port?"),
        ("OMS__SEVRER__PORT", "1", "sevrer is not a section; did you mean server?"),
        ("OMS__SERVER", "1", "server must be a table of settings."),
    ],
)
def test_a_mistake_in_a_variable_is_told_by_its_name(
    folder: Path, variable: str, value: str, expected: str
) -> None:
    assert mistakes(folder, "", **{variable: value}) == [f"{variable}: {expected}"]


def test_a_relative_path_counts_from_the_file_and_in_a_variable_from_here(folder: Path) -> None:
    away = folder / "away"
    away.mkdir()
    (away / "oms.toml").write_text('[storage]\npath = "oms.db"')

    from_file = load_config("away/oms.toml", {})
    from_variable = load_config("away/oms.toml", {"OMS__STORAGE__PATH": "oms.db"})

    assert from_file.storage.path == away / "oms.db"
    assert from_variable.storage.path == folder / "oms.db"


# -- secrets ---------------------------------------------------------------------------------


def test_a_secret_comes_from_a_file_without_the_line_break_at_its_end(folder: Path) -> None:
    (folder / "key").write_text(f"{SECRET}\n")

    config = read(folder, '[auth.keys.main]\nsecret = "file:key"')

    assert config.auth.keys["main"].secret is not None
    assert config.auth.keys["main"].secret.value == SECRET


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            SECRET,
            (
                "must be env:NAME or file:PATH, naming where the secret is kept; the secret "
                "itself does not belong here."
            ),
        ),
        (
            f"env:{SECRET}",
            (
                "must be env:NAME or file:PATH, naming where the secret is kept; the "
                "secret itself does not belong here."
            ),
        ),
        ("env:NOWHERE", "is kept in the environment variable NOWHERE, which is not set; set it."),
        ("env:EMPTY", "is kept in the environment variable EMPTY, which is empty; fill it."),
        ("env:SHORT", "is shorter than 32 bytes; make a longer one."),
        (
            "file:nowhere",
            (
                "is kept in nowhere, which cannot be read (No such file or directory); "
                "create the file or correct the path."
            ),
        ),
        ("file:blank", "is kept in blank, which is empty; fill it."),
        ("file:binary", "is kept in binary, which is not UTF-8 text; encode it, e.g. in base64."),
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(
    folder: Path, reference: str, expected: str
) -> None:
    (folder / "blank").touch()
    (folder / "binary").write_bytes(b"\xff\xfe\xfd" * 20)

    found = mistakes(
        folder, f'[auth.keys.main]\nsecret = "{reference}"', EMPTY="", SHORT="hunter2-hunter2"
    )

    assert found == [f"oms.toml:2: auth.keys.main.secret {expected}"]
    assert not any(SECRET in one or "hunter2" in one for one in found)


def test_a_secret_does_not_show_itself(folder: Path) -> None:
    config = read(folder, '[auth.keys.main]\nsecret = "env:SIGNING"', SIGNING=SECRET)

    assert SECRET not in repr(config)
    assert SECRET not in f"{config.auth.keys['main'].secret}"


# -- the example -----------------------------------------------------------------------------


def test_the_example_means_the_same_as_no_file(folder: Path) -> None:
    assert evolve(read(folder, example_file()), file=None) == Config()


def test_every_line_of_the_example_is_a_setting_that_is_known(folder: Path) -> None:
    """Without its marks the example lacks nothing but sense: no setting in it is unknown."""
    lines = [
        line.removeprefix("# ")
        for line in example_file().splitlines()
        if " = " in line or line.startswith(("[", "# ["))
    ]
    text = "\n".join(line for line in lines if not line.startswith("OMS__"))

    found = mistakes(folder, text)

    assert text.count(" = ") > 40
    assert [one for one in found if "is not a" in one] == []


def test_an_accounts_policy_stands_beside_its_adapters_options_and_tenants_differ(
    folder: Path,
) -> None:
    config = read(
        folder,
        f"""
        [payments.card]
        adapter = "simulated"
        webhook_secret = "env:SECRET"
        capture = "confirmation"
        [payments.card.tenants.{TENANT}]
        renew_before_s = 3600
        [payments.voucher]
        adapter = "simulated"
        """,
        SECRET=SECRET,
        OMS__PAYMENTS__VOUCHER__CAPTURE="manual",
    )

    with bootstrap.open_system(evolve(config, storage=StorageSection(kind="memory"))) as oms:
        policy_of = oms.payments.policy_of

    assert policy_of(UUID(int=1), "card") == PaymentPolicy(CapturePolicy.CONFIRMATION)
    assert policy_of(UUID(TENANT), "card") == PaymentPolicy(CapturePolicy.CONFIRMATION, 3600.0)
    assert policy_of(UUID(TENANT), "voucher") == PaymentPolicy(CapturePolicy.MANUAL)
    assert policy_of(UUID(TENANT), "unknown") == PaymentPolicy()
    own = config.payments["card"].tenants[UUID(TENANT)]
    assert own.webhook_secret.value == SECRET
