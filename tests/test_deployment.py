"""What is deployed: docker compose, the image, and the variables that configure both."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from marketplace.registry import ALIASES

ROOT = Path(settings.BASE_DIR)

#: Packages and modules whose code reads variables.
CODE = ("manage.py", "marketplace", *ALIASES)

#: Methods of environ.Env that read no variable named by their first argument.
NOT_READING = {"read_env", "db_url_config", "cache_url_config", "email_url_config"}

#: What only a machine without containers sets; compose says itself what these are inside.
HOST_ONLY = {
    "DATA_DIR",
    "EMBEDDED",
    "EMBEDDED_POSTGRES_CONF",
    "EMBEDDED_RESERVE",
    "STATIC_ROOT",
    "PGPASSFILE",
}

SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DATABASE_URL|AUTH")

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()


def documented() -> dict[str, str]:
    """Return the variables of .env.example and what stands behind their `=`."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def read_by_compose() -> set[str]:
    """Return the variables that docker-compose.yml takes from the environment or .env."""
    passed_on = {
        name
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    text = (ROOT / "docker-compose.yml").read_text()
    return passed_on | set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text))


def read_by_settings() -> set[str]:
    folder = ROOT / "marketplace"
    paths = [folder / "settings.py", *(folder / "configuration").glob("*.py")]
    return {name for path in paths for name in variables(path.read_text())}


def read_by_code() -> set[str]:
    paths = [path for name in CODE for path in (ROOT / name, *(ROOT / name).rglob("*.py"))]
    return {name for path in paths if path.suffix == ".py" for name in variables(path.read_text())}


def variables(source: str) -> Iterator[str]:
    """Yield the variables that the code reads through `env` or `os.environ`."""
    for node in ast.walk(ast.parse(source)):
        name = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            name = node.slice
        elif isinstance(node, ast.Call) and reads_variable(ast.unparse(node.func)):
            name = node.args[0]
        if name is not None:
            yield from names(name)


def reads_variable(function: str) -> bool:
    if function in ("os.environ.get", "os.getenv", "env"):
        return True
    owner, _, method = function.rpartition(".")
    return owner == "env" and method not in NOT_READING


def names(node: ast.expr) -> list[str]:
    """Return the names that the expression stands for: one, or one per database."""
    match node:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.JoinedStr(
            values=[ast.FormattedValue(value=call), ast.Constant(value=str(suffix))]
        ):
            if ast.unparse(call) in ("variable_prefix(alias)", "prefix"):
                return [alias.upper() + suffix for alias in ("marketplace", *ALIASES)]
            if ast.unparse(call) == "alias.upper()":
                return [alias.upper() + suffix for alias in ALIASES]
    raise AssertionError(f"Which variables {ast.unparse(node)} stands for cannot be seen here.")


def command_options(service: str) -> dict[str, str]:
    options = [word for word in SERVICES[service]["command"] if word.startswith("--")]
    return dict(option[2:].partition("=")[::2] for option in options)


class TestVariables:
    def test_finds_every_way_of_reading(self):
        source = (
            'env("A"); env.int("B", default=1); env.str(f"{variable_prefix(alias)}_C")\n'
            'f"{env.str(\'D\')}"; os.environ["E"]; os.environ.get("F"); os.getenv("G")\n'
            'env.read_env("H"); os.environ.setdefault("I", ""); settings.get("J")\n'
        )

        found = set(variables(source))

        per_database = {"MARKETPLACE_C", *(f"{alias.upper()}_C" for alias in ALIASES)}
        assert found == {"A", "B", "D", "E", "F", "G"} | per_database

    def test_refuses_a_name_it_cannot_see(self):
        with pytest.raises(AssertionError, match="cannot be seen"):
            list(variables("env.bool(name)"))


class TestEnvExample:
    def test_documents_every_variable_that_is_read(self):
        missing = (read_by_code() | read_by_compose()) - documented().keys()

        assert missing == set()

    def test_documents_nothing_that_is_not_read(self):
        unknown = documented().keys() - read_by_code() - read_by_compose()

        assert unknown == set()

    def test_documents_each_variable_once(self):
        names = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE)

        assert sorted(names) == sorted(set(names))

    def test_has_no_secret(self):
        secrets = {name: value for name, value in documented().items() if SECRET.search(name)}

        assert {"DB_PASSWORD", "SECRET_KEY", "REDIS_PASSWORD"} <= secrets.keys()
        assert set(secrets.values()) == {""}

    def test_a_plain_copy_sets_nothing(self):
        active = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))

        assert active == {"DB_PASSWORD": "", "SECRET_KEY": ""}

    def test_shows_the_defaults_of_compose(self):
        text = (ROOT / "docker-compose.yml").read_text()
        defaults = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text))
        # The health check's own host stands before the variable.
        defaults.pop("ALLOWED_HOSTS")

        assert {name: documented()[name] for name in defaults} == defaults


class TestCompose:
    def test_pins_every_image(self):
        images = [service["image"] for service in SERVICES.values() if "image" in service]

        assert len(images) == 3
        for image in images:
            assert re.search(r":v?\d+\.\d+", image), image

    def test_builds_what_has_no_image(self):
        built = {n: service["build"] for n, service in SERVICES.items() if "image" not in service}

        assert built == {
            "init": ".",
            "web": ".",
            "loader": ".",
            "scheduler": ".",
            "postgres": "deploy/postgres",
            "pgbackrest": "deploy/postgres",
            "pgbouncer": "deploy/pgbouncer",
            "proxy": "deploy/nginx",
        }

    def test_publishes_on_the_loopback_only(self):
        ports = {name: service.get("ports", []) for name, service in SERVICES.items()}

        assert ports == {
            "postgres": ["127.0.0.1:5434:5432"],
            "redis": [],
            "init": [],
            "web": [],
            "proxy": ["127.0.0.1:8000:8000"],
            "loader": [],
            "scheduler": [],
            "pgbackrest": [],
            "pgbouncer": [],
            "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
            "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
        }
        assert not any("network_mode" in service for service in SERVICES.values())

    def test_has_no_password(self):
        for service in SERVICES.values():
            for name, value in service["environment"].items():
                assert not SECRET.search(name) or value is None or value.startswith("${"), name

    def test_has_no_default_password(self):
        text = (ROOT / "docker-compose.yml").read_text()

        for name, operator, default in re.findall(r"\$\{([A-Z0-9_]+)(:?[-?])([^}]*)\}", text):
            assert not SECRET.search(name) or operator == ":?" or not default, name
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text)

    @pytest.mark.parametrize(
        "service", ["postgres", "init", "web", "loader", "scheduler", "pgbouncer"]
    )
    def test_refuses_to_start_without_a_password(self, service):
        environment = SERVICES[service]["environment"]

        password = environment.get("POSTGRES_PASSWORD") or environment["DB_PASSWORD"]

        assert password.startswith("${DB_PASSWORD:?")

    def test_passes_every_setting_on(self):
        expected = read_by_settings() - HOST_ONLY

        assert expected - SERVICES["web"]["environment"].keys() == set()
        for service in ("loader", "scheduler"):
            assert SERVICES[service]["environment"] == SERVICES["init"]["environment"]
        assert SERVICES["init"]["environment"].keys() == SERVICES["web"]["environment"].keys()

    def test_only_the_site_is_behind_the_pooler(self):
        site, commands = (SERVICES[name]["environment"] for name in ("web", "init"))
        differing = {name for name in site if site[name] != commands[name]}

        prefixes = ["", *(f"{name.upper()}_" for name in ("marketplace", *ALIASES))]
        addresses = {f"{prefix}DB_{part}" for prefix in prefixes for part in ("HOST", "PORT")}
        others = {"DISABLE_SERVER_SIDE_CURSORS", "CONN_MAX_AGE", "PGBOUNCER_METRICS"}
        assert differing == addresses | others | {"BACKUP_SIGNING_KEY"}
        assert site["BACKUP_SIGNING_KEY"] == ""
        assert {site[name] for name in addresses} == {"pgbouncer", "6432"}
        assert site["DISABLE_SERVER_SIDE_CURSORS"] == "true"

    def test_never_runs_with_debug(self):
        assert SERVICES["web"]["environment"]["DEBUG"] == "false"

    @pytest.mark.parametrize(
        ("name", "question"),
        [
            ("postgres", "pg_isready"),
            ("redis", "redis-cli ping"),
            ("web", "/healthz"),
            ("proxy", "/healthz"),
            ("pgbouncer", "6432"),
            ("pgbackrest", "status: ok"),
            ("prometheus", "/-/healthy"),
            ("grafana", "/api/health"),
        ],
    )
    def test_checks_the_health_of_what_lasts(self, name, question):
        healthcheck = SERVICES[name]["healthcheck"]

        assert healthcheck["test"][0] in ("CMD", "CMD-SHELL")
        assert question in healthcheck["test"][-1]
        assert {"interval", "timeout", "retries"} <= healthcheck.keys()

    def test_lets_only_the_initialization_end(self):
        restarts = {name: service["restart"] for name, service in SERVICES.items()}

        assert restarts.pop("init") == "no"
        assert set(restarts.values()) == {"unless-stopped"}

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_bounds_memory_and_logs(self, name):
        service = SERVICES[name]

        assert service["mem_limit"]
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_gives_no_new_privileges(self, name):
        service = SERVICES[name]

        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")

    def test_starts_in_order(self):
        conditions = {
            name: {on: how["condition"] for on, how in SERVICES[name]["depends_on"].items()}
            for name in ("init", "web", "loader", "scheduler")
        }

        assert conditions == {
            "init": {"postgres": "service_healthy"},
            "web": {
                "pgbouncer": "service_healthy",
                "redis": "service_healthy",
                "init": "service_completed_successfully",
            },
            "loader": {
                "postgres": "service_healthy",
                "init": "service_completed_successfully",
            },
            "scheduler": {
                "postgres": "service_healthy",
                "init": "service_completed_successfully",
            },
        }
        assert SERVICES["init"]["command"] == ["python", "manage.py", "init_all"]
        assert SERVICES["loader"]["command"] == ["python", "manage.py", "ingest_queue", "--watch"]


class TestPostgres:
    def test_is_durable(self):
        options = command_options("postgres")

        assert options["fsync"] == "on"
        assert options["synchronous_commit"] == "on"
        assert options["full_page_writes"] == "on"
        assert options["wal_level"] == "replica"

    def test_keeps_its_data_in_a_named_volume(self):
        volumes = SERVICES["postgres"]["volumes"]

        # Since version 18; an older path would leave the data in an anonymous volume.
        assert volumes[0] == "postgres-data:/var/lib/postgresql"
        assert "postgres-data" in COMPOSE["volumes"]

    def test_is_initialized_with_checksums_and_unicode(self):
        arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()

        assert {"--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8"} <= set(arguments)


class TestRedis:
    def test_is_a_bounded_cache(self):
        command = SERVICES["redis"]["command"]

        options = dict(zip(command[1::2], command[2::2], strict=True))

        assert options == {
            "--save": "",
            "--appendonly": "no",
            "--maxmemory": "${REDIS_MAXMEMORY:-256mb}",
            "--maxmemory-policy": "allkeys-lru",
            "--requirepass": "${REDIS_PASSWORD:-}",
        }


class TestProxy:
    DOCKERFILE = (ROOT / "deploy" / "nginx" / "Dockerfile").read_text()

    def test_pins_its_base(self):
        assert re.findall(r"^FROM (\S+)", self.DOCKERFILE, re.MULTILINE) == ["nginx:1.28.0"]

    def test_may_do_nothing_but_listen(self):
        service = SERVICES["proxy"]

        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        assert re.findall(r"^USER (\S+)", self.DOCKERFILE, re.MULTILINE) == ["nginx"]

    def test_writes_where_it_may(self):
        template = (ROOT / "deploy" / "nginx" / "nginx.conf.template").read_text()
        folders = re.findall(r"^ *(?:pid|\w+_temp_path) (/\w+/?\w*/\w+)", template, re.MULTILINE)

        [volume] = SERVICES["proxy"]["volumes"]

        assert SERVICES["proxy"]["tmpfs"] == ["/tmp"]
        assert volume == "proxy-spool:/var/spool/nginx"
        assert folders == ["/tmp/nginx", "/var/spool/nginx", "/var/spool/nginx"]
        # Else it would belong to root.
        assert f"--owner=nginx --group=nginx {volume.partition(':')[2]}" in self.DOCKERFILE

    def test_knows_the_variables_of_its_configuration(self):
        template = (ROOT / "deploy" / "nginx" / "nginx.conf.template").read_text()
        [pattern] = re.findall(r"NGINX_ENVSUBST_FILTER=(\S+)", self.DOCKERFILE)

        names = set(re.findall(r"\$\{(\w+)\}", template))

        assert names == SERVICES["proxy"]["environment"].keys()
        assert all(re.search(pattern, name) for name in names)


class TestImage:
    def test_pins_its_base(self):
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

        assert len(bases) == 1
        assert re.fullmatch(r"python:3\.13\.\d+-slim-\w+", bases[0])

    def test_runs_as_nobody_in_particular(self):
        users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)

        assert users == ["10001:10001"]

    def test_leaves_threads_for_pages_while_pushes_are_received(self):
        [threads] = re.findall(r"--threads=(\d+)", DOCKERFILE)

        assert "--worker-class=gthread" in DOCKERFILE
        assert int(documented()["INGEST_API_CONCURRENCY"]) < int(threads)

    def test_keeps_no_secret(self):
        lasting = re.findall(r"^(?:ENV|ARG|LABEL)(?:.*\\\n)*.*", DOCKERFILE, re.MULTILINE)

        assert lasting
        assert not any(SECRET.search(instruction) for instruction in lasting)

    def test_is_sent_only_what_it_needs(self):
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        rules = [line for line in lines if line and not line.startswith("#")]
        own_apps = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}

        allowed = {rule[1:] for rule in rules if rule.startswith("!")}

        assert rules[0] == "*"
        assert allowed == own_apps | {"manage.py", "requirements.txt"}
        assert "**/.env*" in rules
