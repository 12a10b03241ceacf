"""What the files of ``deploy/`` say fits the program, and one another."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from oms_core.ports.clock import SystemClock
from oms_entrypoints import bootstrap
from oms_entrypoints.cli.commands import COMMANDS
from oms_entrypoints.config import Config, load_config
from oms_entrypoints.http.health import HEALTHZ, READYZ
from oms_entrypoints.http.server import serve
from oms_entrypoints.http.settings import HttpSettings
from tests.support import pages
from tests.support.command_line import free_port
from tests.support.deployment import (
    DEPLOY,
    compose,
    dockerfile,
    health_check,
    last_stage,
    ours,
    unit,
)
from tests.support.stock_service import StockService

UNITS = ("oms.service", "oms-worker.service")


def script(name: str) -> ModuleType:
    """Load a script of the folder, as Python would when it is started."""
    spec = spec_from_file_location(name, DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The secrets that the script makes."""
    folder = tmp_path / "secrets"
    script("make_secrets").make(folder)
    return folder


@pytest.fixture
def composed(tmp_path: Path, secrets: Path) -> Config:
    """What the configuration means inside the containers."""
    text = (DEPLOY / "oms.toml").read_text(encoding="utf-8")
    (tmp_path / "oms.toml").write_text(text.replace("/run/secrets", str(secrets)))
    variables = {
        name: value
        for name, value in (
            pair.split("=", 1) for pair in shlex.split(last_stage()["ENV"].replace("\n", " "))
        )
        if name.startswith("OMS_")
    }
    assert variables
    return load_config(str(tmp_path / "oms.toml"), variables)


# -- the secrets -----------------------------------------------------------------------------


def test_secrets_are_made_once_and_never_changed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make = script("make_secrets").make

    made = make(folder)
    first = {file.name: file.read_text() for file in folder.iterdir()}
    again = make(folder)

    assert set(made) == set(first) == set(script("make_secrets").MADE)
    assert again == []
    assert {file.name: file.read_text() for file in folder.iterdir()} == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(len(text) > 32 for text in first.values())


def test_every_secret_of_the_compose_file_is_made_or_asked_for() -> None:
    files = {one["file"] for one in compose()["secrets"].values()}
    module = script("make_secrets")

    assert files == {f"secrets/{name}" for name in (*module.MADE, *module.BROUGHT)}
    assert "/deploy/secrets/" in (pages.ROOT / ".gitignore").read_text().splitlines()


# -- the compose file ------------------------------------------------------------------------


def test_every_container_of_ours_runs_a_command_that_there_is() -> None:
    services = ours(compose()["services"])

    assert sorted(service["command"][0] for service in services.values()) == [
        "serve",
        "serve",
        "worker",
        "worker",
    ]
    assert {service["command"][0] for service in services.values()} <= set(COMMANDS)


def test_the_configuration_in_the_containers_is_a_good_one(composed: Config) -> None:
    bootstrap.check(composed)

    assert composed.storage.kind == "mongodb"
    assert composed.server.host == "0.0.0.0"  # noqa: S104 - inside a container
    assert (composed.server.port, last_stage()["EXPOSE"]) == (8080, "8080")


def test_the_uri_names_the_members_of_the_replica_set(composed: Config) -> None:
    services = compose()["services"]
    mongos = {name for name, service in services.items() if service["image"].startswith("mongo:")}
    assert composed.storage.uri is not None

    hosts, _, options = composed.storage.uri.value.rpartition("@")[2].partition("/")

    assert {host.partition(":")[0] for host in hosts.split(",")} == mongos
    assert len(mongos) == 3
    replica_set = options.partition("replicaSet=")[2]
    assert replica_set
    assert options.partition("?")[0] == composed.storage.database
    for name in mongos:
        started = services[name]["entrypoint"][-1]
        assert f"--replSet {replica_set} " in started
        assert "--keyFile /tmp/keyfile" in started
        assert f"{name}:/data/db" in services[name]["volumes"]


def test_whatever_a_container_uses_is_declared_and_there() -> None:
    document = compose()
    for kind in ("secrets", "configs", "networks"):
        used = {
            one["source"] if isinstance(one, dict) else one
            for service in document["services"].values()
            for one in service.get(kind, ())
        }
        assert used == set(document[kind]), kind
    volumes = {
        volume.partition(":")[0]
        for service in document["services"].values()
        for volume in service.get("volumes", ())
    }
    assert volumes == set(document["volumes"])
    assert all((DEPLOY / one["file"]).is_file() for one in document["configs"].values())
    waited_for = {
        name for service in document["services"].values() for name in service.get("depends_on", ())
    }
    assert waited_for <= set(document["services"])


def test_secrets_lie_where_the_configuration_looks_for_them() -> None:
    text = (DEPLOY / "oms.toml").read_text(encoding="utf-8")
    named = set(re.findall(r"/run/secrets/(\w+)", text))

    assert named
    for service in ours(compose()["services"]).values():
        assert set(service["secrets"]) == named
    proxy = set(re.findall(r"/run/secrets/(\w+)", (DEPLOY / "nginx.conf").read_text()))
    assert set(compose()["services"]["proxy"]["secrets"]) == proxy


def test_only_the_proxy_can_be_reached_and_the_database_only_from_inside() -> None:
    document = compose()
    published = {name for name, one in document["services"].items() if "ports" in one}
    on_the_database = {
        name for name, one in document["services"].items() if "database" in one.get("networks", ())
    }

    assert published == {"proxy"}
    assert document["networks"]["database"] == {"internal": True}
    assert on_the_database == {
        *ours(document["services"]),
        "mongo1",
        "mongo2",
        "mongo3",
    }


@pytest.mark.parametrize("name", ["server1", "server2", "worker1", "worker2", "replica-set"])
def test_a_container_of_ours_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = compose()["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_only_servers_are_asked_how_they_are(composed: Config) -> None:
    for name, service in ours(compose()["services"]).items():
        silenced = service.get("healthcheck", {}).get("disable", False)
        assert silenced == name.startswith("worker"), name
        grace_s = int(service["stop_grace_period"].removesuffix("s"))
        assert grace_s > 2 * composed.server.stop_timeout_s


def test_the_proxy_suits_the_servers_behind_it(composed: Config) -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    upstreams = dict(re.findall(r"^\s+server (\S+):(\d+);", text, re.MULTILINE))
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", text)
    (idle_s,) = re.findall(r"\n    keepalive_timeout (\d+)s;", text)

    servers = {n for n, s in ours(compose()["services"]).items() if s["command"] == ["serve"]}
    assert upstreams == dict.fromkeys(servers, str(composed.server.port))
    assert int(megabytes) * 1_048_576 > composed.server.body_limit_bytes
    assert int(idle_s) < composed.server.idle_timeout_s
    inside = {HEALTHZ, READYZ, "/metrics"}
    opened = set(re.findall(r"location =? ?(\S+) \{\n\s+proxy_pass", text))
    assert opened == {"/api/", "/docs", "/openapi.json"}
    assert not inside & opened


# -- the image -------------------------------------------------------------------------------


def test_the_image_is_not_roots_and_its_base_is_pinned() -> None:
    image = last_stage()
    bases = {rest.split(" ")[0] for word, rest in dockerfile() if word == "FROM"}

    user, _, group = image["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert all(re.fullmatch(r"[a-z]+:\d+(\.\d+)*-slim", base) for base in bases)
    assert image["ENTRYPOINT"] == '["oms"]'
    assert image["CMD"] == '["serve"]'
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (base,) = bases
    python = base.removeprefix("python:").removesuffix("-slim")
    assert f"Programming Language :: Python :: {python}" in project["classifiers"]


def test_the_image_is_built_from_everything_that_the_wheel_needs_and_no_more() -> None:
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = [rest.split()[:-1] for word, rest in dockerfile() if word == "COPY"]
    sources = {one for line in copied if not line[0].startswith("--") for one in line}

    assert {package.partition("/")[0] for package in wheel} <= sources
    assert {"pyproject.toml", project["project"]["readme"]} <= sources
    assert set(project["project"]["license-files"]) <= sources
    assert all((pages.ROOT / one).exists() for one in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources


def test_the_extras_of_the_image_are_extras() -> None:
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    (default,) = [rest for word, rest in dockerfile() if word == "ARG"]
    (in_compose,) = {one["build"]["args"]["EXTRAS"] for one in ours(compose()["services"]).values()}

    for asked in (default.removeprefix("EXTRAS="), in_compose):
        assert set(asked.split(",")) <= set(extras)
        assert {"server", "mongodb"} <= set(asked.split(","))


def test_the_health_check_tells_a_server_that_is_ready_from_one_that_is_not() -> None:
    python, option, code = health_check()
    assert (python, option) == ("python", "-c")
    assert READYZ in code
    assert "'127.0.0.1', 8080," in code
    server = serve(StockService(SystemClock()).app, HttpSettings(port=0))

    def exit_code(port: int) -> int:
        asked = code.replace("8080", str(port))
        return subprocess.run(
            [sys.executable, "-c", asked], stderr=subprocess.DEVNULL, check=False
        ).returncode

    try:
        ready = exit_code(server.port)
        elsewhere = subprocess.run(
            [sys.executable, "-c", code.replace("8080", str(server.port)).replace(READYZ, "/no")],
            check=False,
        ).returncode
    finally:
        server.stop()

    assert ready == 0
    assert elsewhere != 0
    assert exit_code(free_port()) != 0


# -- the units -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_with_a_configuration_that_is_good(
    name: str, tmp_path: Path
) -> None:
    service = unit(name)
    program, command, *options = shlex.split(service["ExecStart"][0])
    text = (DEPLOY / "systemd" / "oms.toml").read_text(encoding="utf-8")
    (tmp_path / "oms.toml").write_text(text.replace("/var/lib/oms", str(tmp_path)))
    (credential, _, source) = service["LoadCredential"][0].partition(":")
    (tmp_path / credential).write_text("an-unmistakable-signing-secret-of-48-bytes-or-so\n")
    variable, _, reference = service["Environment"][0].partition("=")

    config = load_config(
        str(tmp_path / "oms.toml"), {variable: reference.replace("%d", str(tmp_path))}
    )
    bootstrap.check(config)

    assert Path(program).name == "oms"
    assert command in COMMANDS
    assert command == ("worker" if "worker" in name else "serve")
    assert options == ["--config", "/etc/oms/oms.toml"]
    assert source == "/etc/oms/signing-secret"
    assert config.auth.keys["own"].secret is not None
    assert float(service["TimeoutStopSec"][0]) > 2 * config.server.stop_timeout_s
    assert service["RestartPreventExitStatus"] == ["2"]
    state = f"/var/lib/{service['StateDirectory'][0]}"
    assert service["WorkingDirectory"] == [state]
    assert f'path = "{state}/oms.db"' in text


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_the_service_no_more_than_it_needs(name: str) -> None:
    service = unit(name)

    expected: dict[str, Any] = {
        "User": ["oms"],
        "NoNewPrivileges": ["yes"],
        "CapabilityBoundingSet": [""],
        "ProtectSystem": ["strict"],
        "ProtectHome": ["yes"],
        "PrivateTmp": ["yes"],
        "PrivateDevices": ["yes"],
        "RestrictSUIDSGID": ["yes"],
        "UMask": ["0077"],
    }
    assert {key: service.get(key) for key in expected} == expected


def test_the_two_units_differ_in_their_command_alone() -> None:
    server, worker = (unit(name) for name in UNITS)

    assert {key for key in server if server[key] != worker.get(key)} == {"ExecStart"}
    assert set(server) == set(worker)
