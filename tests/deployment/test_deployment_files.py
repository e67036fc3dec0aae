"""What the deployment files promise. No Docker engine is needed to read them."""

import re
import tomllib

import pytest

from billing_worker.cli import stack
from billing_worker.config import Settings
from billing_worker.config import variables as settings
from tests.deployment.files import (
    COMPOSE_TEXT,
    DOCKERFILE_TEXT,
    PROCESSES,
    ROOT,
    SERVERS,
    compose,
    filled_in,
    procfile,
    seconds,
    services,
    variables,
)

DEADLINE = Settings.model_fields["http_deadline"].default


def test_compose_has_these_services_and_no_other():
    assert set(services()) == {*SERVERS, "migrate", *PROCESSES}


@pytest.mark.parametrize("name", [*SERVERS, *PROCESSES])
def test_every_lasting_service_has_a_health_check_and_is_started_again(name):
    service = services()[name]
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert check["retries"] >= 3
    assert name in SERVERS or seconds(check["start_period"]) >= 15
    assert service["restart"] == "unless-stopped"


def test_the_migration_runs_once_before_everything_else():
    found = services()
    assert found["migrate"]["restart"] == "no"
    assert found["migrate"]["command"] == ["billing-worker", "db", "upgrade"]
    assert found["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in PROCESSES:
        waits = {other: how["condition"] for other, how in found[name]["depends_on"].items()}
        assert waits == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "migrate": "service_completed_successfully",
        }


def test_no_password_has_a_default():
    wanted = variables(COMPOSE_TEXT)
    assert set(wanted) == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH", "BILLING_API_TOKEN"}
    assert all(rest.startswith(":?") for rest in wanted.values()), wanted
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|AUTH|_URL$", variable) and variable != "BILLING_PORTONE_API_URL":
                assert value is None or "${" in value, f"{name}: {variable}"
    assert not re.search(r"\$\{?[A-Z_]+:?-", COMPOSE_TEXT)


def test_what_compose_asks_for_is_in_the_example_of_the_environment():
    example = (ROOT / ".env.example").read_text()
    assert all(re.search(rf"^#?{name}=$", example, re.MULTILINE) for name in variables(COMPOSE_TEXT))


def test_compose_sets_only_settings_that_exist_and_they_are_accepted(monkeypatch):
    values = dict.fromkeys(variables(COMPOSE_TEXT), "0123456789abcdef")
    for name in PROCESSES:
        given = {key: value for key, value in services()[name]["environment"].items() if key.startswith("BILLING_")}
        assert set(given) <= set(settings())
        with monkeypatch.context() as container:
            for key, value in given.items():
                if value is not None:
                    container.setenv(key, filled_in(value, values))
            read = Settings(_env_file=None)
        assert read.broker == "redis://:0123456789abcdef@redis:6379/0"
        if name in ("web", "worker"):
            assert read.database == "postgresql://billing:0123456789abcdef@postgres:5432/billing"


SECRETS = {
    "BILLING_DATABASE_URL": {"migrate", "web", "worker", "beat"},
    "BILLING_BROKER_URL": {*PROCESSES},
    "BILLING_PORTONE_IMP_KEY": {"worker"},
    "BILLING_PORTONE_IMP_SECRET": {"worker"},
    "BILLING_PAYMENTWALL_SECRET_KEY": {"web"},
    "BILLING_PAYMENTWALL_TEST_KEY": {"web"},
    "BILLING_API_TOKEN": {"web"},
    "BILLING_EVENTS_URL": {"web", "worker"},
    "BILLING_EVENTS_SECRET": {"web", "worker"},
    "BILLING_ALERT_URL": {"web", "worker"},
    # No secret, but refused without the mail server.
    "BILLING_ALERT_MAIL": {"web", "worker"},
    "BILLING_NOTICE_SMTP_URL": {"web", "worker"},
    "BILLING_NOTICE_URL": {"web", "worker"},
    "BILLING_NOTICE_SECRET": {"web", "worker"},
    "POSTGRES_PASSWORD": {"postgres"},
    "REDIS_PASSWORD": {"redis"},
    "BILLING_CARD_PAGE_SECRET": {"web", "worker"},
    "FLOWER_BASIC_AUTH": {"flower"},
}
OF_ONE_HOST = {
    "BILLING_VAR_DIR",
    "BILLING_WEB_HOST",
    "BILLING_WEB_PORT",
    "BILLING_FLOWER_PORT",
    "BILLING_WORKER_PROCESSES",
    "BILLING_BROKER_MASTER_NAME",
    "BILLING_BROKER_SENTINEL_PASSWORD",
    "BILLING_ALIVE_FILE",
}
"""Settings of `up`, fixed inside the containers, or of a Redis that is not among them."""


@pytest.mark.parametrize("name", ["migrate", *SERVERS, *PROCESSES])
def test_each_container_gets_the_secrets_that_it_uses_and_no_other(name):
    service = services()[name]
    assert "env_file" not in service, "all of .env is more than any container may know"
    given = set(service.get("environment", {})) & set(SECRETS)
    assert given == {secret for secret, users in SECRETS.items() if name in users}


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_gets_every_setting_that_is_no_secret(name):
    plain = set(settings()) - set(SECRETS) - OF_ONE_HOST
    given = services()[name]["environment"]
    assert plain <= set(given)
    assert {variable for variable in plain if given[variable] is not None} == set()


def test_only_web_publishes_a_port_and_only_to_this_host():
    published = {name: service["ports"] for name, service in services().items() if service.get("ports")}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert services()["web"]["environment"]["BILLING_WEB_PORT"] == "8000"


def test_flower_asks_for_a_password_and_changes_nothing():
    environment = services()["flower"]["environment"]
    assert environment["FLOWER_BASIC_AUTH"].startswith("${FLOWER_BASIC_AUTH:?")
    assert environment["FLOWER_READ_ONLY"] == "true"
    assert "--address=127.0.0.1" in procfile()["flower"]
    assert procfile()["flower"][:2] == ["env", "FLOWER_READ_ONLY=true"]


def test_a_charge_that_has_begun_is_finished_when_a_worker_is_stopped():
    grace = seconds(services()["worker"]["stop_grace_period"])
    assert grace > DEADLINE
    assert grace >= stack.CHARGE_GRACE > DEADLINE


def test_the_data_outlive_their_containers():
    assert set(compose()["volumes"]) == {"postgres", "redis"}
    assert services()["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]  # where version 18 keeps them
    assert services()["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.parametrize("name", ["migrate", *PROCESSES])
def test_our_containers_may_do_as_little_as_possible(name):
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True, "signals reach the program, and what it leaves behind is reaped"
    assert "privileged" not in service
    assert "docker.sock" not in COMPOSE_TEXT


def test_procfile_and_compose_start_the_same_programs():
    lines = procfile()
    assert tuple(lines) == PROCESSES
    for name in PROCESSES:
        ours = [word for word in lines[name] if not word.startswith(("--address=", "FLOWER_")) and word != "env"]
        theirs = services()[name]["command"]
        kept = [word for word in theirs if word not in ("--host", "0.0.0.0", "--address=0.0.0.0")]  # noqa: S104
        assert kept == ours, name


def test_up_starts_the_same_programs(tmp_path):
    processes = stack.worker_processes(Settings(_env_file=None, var_dir=tmp_path), {})
    for name, line in procfile().items():
        running = next(process for process in processes if process.name.startswith(name))
        line = line[2:] if line[0] == "env" else line  # noqa: PLW2901 - the variables stand before the program
        assert line[0] in ("celery", "billing-worker")
        words = [word for word in line[1:] if not word.startswith("--")]
        assert [word for word in running.argv[3:] if word in words] == words, name
        assert set(line) & {"--without-gossip", "--without-mingle"} <= set(running.argv)


def test_the_image_is_built_from_locked_wheels_and_runs_without_rights():
    assert all(":" in image for image in re.findall(r"^FROM (\S+)", DOCKERFILE_TEXT, re.MULTILINE))
    installs = re.findall(r"pip install (.*?)(?: \\$|$)", DOCKERFILE_TEXT, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert re.findall(r"^USER (\S+)", DOCKERFILE_TEXT, re.MULTILINE)[-1] not in ("0", "root")
    assert re.search(r"^CMD \[", DOCKERFILE_TEXT, re.MULTILINE), "not through a shell, which would swallow signals"
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE_TEXT, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split()), source


def test_the_image_gets_the_versions_that_were_tested():
    tested, shipped = _locked("dev"), _locked("production")
    assert {name: tested.get(name) for name in shipped} == shipped
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in project["dependencies"]}
    assert wanted <= set(shipped)
    builders = _locked("build")
    assert {name: tested.get(name) for name in builders if name in tested} == {
        name: pins for name, pins in builders.items() if name in tested
    }


def _locked(name: str) -> dict[str, set[str]]:
    """Each package of a lock file, with its version and hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(\S+)", line):
            found[match[1].lower()] = {match[2], *re.findall(r"--hash=(\S+)", line)}
    return found
