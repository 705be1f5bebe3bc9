"""docker compose and the image."""

import re

import pytest
import yaml
from django.conf import settings

from marketplace.registry import ALIASES
from tests.environment_variables import ROOT, SECRET, documented, read_by_settings

#: Variables for machines without containers. In containers, compose sets these itself.
HOST_ONLY = {
    "DATA_DIR",
    "EMBEDDED",
    "EMBEDDED_POSTGRES_CONF",
    "EMBEDDED_RESERVE",
    "STATIC_ROOT",
    "PGPASSFILE",
}

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def command_options(service: str) -> dict[str, str]:
    options = [word for word in SERVICES[service]["command"] if word.startswith("--")]
    return dict(option[2:].partition("=")[::2] for option in options)


class TestCompose:
    def test_pins_every_image(self):
        images = [service["image"] for service in SERVICES.values() if "image" in service]

        assert len(images) == 3
        for image in images:
            assert re.search(r":v?\d+\.\d+", image), image

    def test_builds_services_without_an_image(self):
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

    def test_publishes_on_the_loopback_address_only(self):
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

    def test_contains_no_default_password(self):
        text = (ROOT / "docker-compose.yml").read_text()

        for name, operator, default in re.findall(r"\$\{([A-Z0-9_]+)(:?[-?])([^}]*)\}", text):
            assert not SECRET.search(name) or operator == ":?" or not default, name
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
        for service in SERVICES.values():
            for name, value in service["environment"].items():
                assert not SECRET.search(name) or value is None or value.startswith("${"), name

    @pytest.mark.parametrize(
        "service", ["postgres", "init", "web", "loader", "scheduler", "pgbouncer"]
    )
    def test_refuses_to_start_without_a_password(self, service):
        environment = SERVICES[service]["environment"]

        password = environment.get("POSTGRES_PASSWORD") or environment["DB_PASSWORD"]

        assert password.startswith("${DB_PASSWORD:?")

    def test_passes_all_settings_on(self):
        expected = read_by_settings() - HOST_ONLY
        assert SERVICES["web"]["environment"]["DEBUG"] == "false"

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

    @pytest.mark.parametrize(
        ("name", "check"),
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
    def test_checks_the_health_of_services(self, name, check):
        healthcheck = SERVICES[name]["healthcheck"]

        assert healthcheck["test"][0] in ("CMD", "CMD-SHELL")
        assert check in healthcheck["test"][-1]
        assert {"interval", "timeout", "retries"} <= healthcheck.keys()

    def test_restarts_all_but_the_initialization(self):
        restarts = {name: service["restart"] for name, service in SERVICES.items()}

        assert restarts.pop("init") == "no"
        assert set(restarts.values()) == {"unless-stopped"}

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_limits_memory_logs_and_privileges(self, name):
        service = SERVICES[name]

        assert service["mem_limit"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}

    def test_starts_in_order(self):
        conditions = {
            name: {on: options["condition"] for on, options in SERVICES[name]["depends_on"].items()}
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

        # The path since version 18. With an older path, the data would be in an anonymous volume.
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

    def test_writes_to_its_volume_and_tmp(self):
        template = (ROOT / "deploy" / "nginx" / "nginx.conf.template").read_text()
        folders = re.findall(r"^ *(?:pid|\w+_temp_path) (/\w+/?\w*/\w+)", template, re.MULTILINE)

        [volume] = SERVICES["proxy"]["volumes"]

        assert SERVICES["proxy"]["tmpfs"] == ["/tmp"]
        assert volume == "proxy-spool:/var/spool/nginx"
        assert folders == ["/tmp/nginx", "/var/spool/nginx", "/var/spool/nginx"]
        # Otherwise the volume would belong to root.
        assert f"--owner=nginx --group=nginx {volume.partition(':')[2]}" in self.DOCKERFILE

    def test_substitutes_the_variables_of_its_configuration(self):
        template = (ROOT / "deploy" / "nginx" / "nginx.conf.template").read_text()
        [pattern] = re.findall(r"NGINX_ENVSUBST_FILTER=(\S+)", self.DOCKERFILE)

        names = set(re.findall(r"\$\{(\w+)\}", template))

        assert names == SERVICES["proxy"]["environment"].keys()
        assert all(re.search(pattern, name) for name in names)


class TestImage:
    @pytest.mark.parametrize(
        ("text", "base", "user"),
        [
            (DOCKERFILE, r"python:3\.13\.\d+-slim-\w+", "10001:10001"),
            (TestProxy.DOCKERFILE, r"nginx:1\.28\.0", "nginx"),
        ],
    )
    def test_pins_its_base_and_runs_as_an_unprivileged_user(self, text, base, user):
        [image] = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

        assert re.fullmatch(base, image)
        assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == [user]
        assert (SERVICES["proxy"]["cap_drop"], SERVICES["proxy"]["read_only"]) == (["ALL"], True)

    def test_leaves_threads_for_pages_while_pushes_are_received(self):
        [threads] = re.findall(r"--threads=(\d+)", DOCKERFILE)

        assert "--worker-class=gthread" in DOCKERFILE
        assert int(documented()["INGEST_API_CONCURRENCY"]) < int(threads)

    def test_contains_no_secret(self):
        instructions = re.findall(r"^(?:ENV|ARG|LABEL)(?:.*\\\n)*.*", DOCKERFILE, re.MULTILINE)

        assert instructions
        assert not any(SECRET.search(instruction) for instruction in instructions)

    def test_context_contains_only_needed_files(self):
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        rules = [line for line in lines if line and not line.startswith("#")]
        own_apps = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}

        allowed = {rule[1:] for rule in rules if rule.startswith("!")}

        assert rules[0] == "*"
        assert allowed == own_apps | {"manage.py", "requirements.txt"}
        assert "**/.env*" in rules
