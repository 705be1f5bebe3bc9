"""Further compose files, the pooler, the write-ahead log archive and the schedule."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
import yaml
from django.conf import settings
from django.utils import timezone

from marketplace.databases.roles.definitions import roles_of
from marketplace.registry import ALIASES
from marketplace.schedule import read_schedule

ROOT = Path(settings.BASE_DIR)
DEPLOY = ROOT / "deploy"

FILES = ("three-servers", "least-privilege")

#: Every secret that one of the files asks for.
SECRETS = {
    "DB_PASSWORD": "of-db",
    "SECRET_KEY": "of-site",
    "MARKETPLACE_APP_PASSWORD": "of-app",
    **{f"{alias.upper()}_LOADER_PASSWORD": f"of-{alias}" for alias in ALIASES},
}


def load(name):
    return yaml.safe_load((ROOT / name).read_text())


MAIN = load("docker-compose.yml")["services"]
THREE = load("docker-compose.three-servers.yml")["services"]
ROLES = load("docker-compose.least-privilege.yml")["services"]


def merged(*names, **environment):
    """Return the services that docker compose builds from the files."""
    return _merged(names, tuple(environment.items()))


@cache
def _merged(names, environment):
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed: apt-get install docker-compose")
    files = ["docker-compose.yml", *(f"docker-compose.{name}.yml" for name in names)]
    chosen = [word for name in files for word in ("-f", name)]
    # One's own .env must not answer.
    with NamedTemporaryFile() as empty:
        result = subprocess.run(
            [program, "--env-file", empty.name, *chosen, "config"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]} | dict(environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    if result.returncode:
        raise ValueError(result.stderr)
    return yaml.safe_load(result.stdout)["services"]


class TestFiles:
    @pytest.mark.parametrize("names", [(), FILES[:1], FILES[1:], FILES])
    def test_can_be_combined(self, names):
        services = merged(*names, **SECRETS)

        assert set(MAIN) <= set(services)

    @pytest.mark.parametrize("secret", ["DB_PASSWORD", "ECOMMERCE_LOADER_PASSWORD"])
    def test_require_missing_secrets(self, secret):
        with pytest.raises(ValueError, match=secret):
            merged(*FILES, **{name: value for name, value in SECRETS.items() if name != secret})

    @pytest.mark.parametrize("name", FILES)
    def test_contain_no_password(self, name):
        text = (ROOT / f"docker-compose.{name}.yml").read_text()

        for variable, operator in re.findall(r"\$\{([A-Z0-9_]*PASS[A-Z]*)(:?[-?]?)", text):
            assert operator == ":?", variable
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text)


class TestThreeServers:
    @pytest.mark.parametrize("alias", ["classifieds", "procurement"])
    def test_equal_the_first(self, alias):
        first, own = MAIN["postgres"], dict(THREE[f"postgres-{alias}"])

        assert own["command"] == first["command"]
        for key in ("healthcheck", "mem_limit", "logging", "shm_size", "security_opt", "restart"):
            assert own[key] == first[key], key
        assert {port.split(":")[0] for port in own["ports"]} == {"127.0.0.1"}

    @pytest.mark.parametrize("alias", ["classifieds", "procurement"])
    def test_have_separate_base_backups(self, alias):
        server, backups = THREE[f"postgres-{alias}"], THREE[f"pgbackrest-{alias}"]

        assert server["environment"]["PGBACKREST_STANZA"] == alias
        assert backups["environment"]["PGBACKREST_STANZA"] == alias
        for key in ("command", "mem_limit", "logging", "cap_drop", "read_only", "healthcheck"):
            assert backups[key] == MAIN["pgbackrest"][key], key

    @pytest.mark.parametrize("service", ["init", "loader", "scheduler", "pgbouncer"])
    def test_are_the_hosts_of_all_services(self, service):
        services = merged("three-servers", **SECRETS)

        environment = services[service]["environment"]

        assert environment["CLASSIFIEDS_DB_HOST"] == "postgres-classifieds"
        assert environment["PROCUREMENT_DB_HOST"] == "postgres-procurement"
        assert environment["DB_HOST"] == "postgres"

    def test_keep_the_site_behind_the_pooler(self):
        services = merged("three-servers", **SECRETS)

        assert services["web"]["environment"]["CLASSIFIEDS_DB_HOST"] == "pgbouncer"

    def test_have_separate_ports_and_volumes(self):
        services = merged("three-servers", **SECRETS)
        servers = [services[name] for name in services if name.startswith("postgres")]

        ports = [json.dumps(port) for server in servers for port in server["ports"]]
        data = [volume for server in servers for volume in server["volumes"] if "-data" in volume]

        assert len(servers) == len(set(ports)) == len(set(data)) == 3


class TestLeastPrivilege:
    @pytest.mark.parametrize("service", ["web", "loader"])
    def test_uses_existing_roles(self, service):
        environment = merged("least-privilege", **SECRETS)[service]["environment"]

        for alias, kind in (("default", "app"), *((alias, "loader") for alias in ALIASES)):
            prefix = "MARKETPLACE" if alias == "default" else alias.upper()
            name = environment[f"{prefix}_DB_USER"]
            assert name == f"{prefix.lower()}_db_{kind}"
            assert kind in {role.name.rpartition("_")[2] for role in roles_of(alias)}
            assert (
                environment[f"{prefix}_DB_PASSWORD"] == SECRETS[f"{prefix}_{kind.upper()}_PASSWORD"]
            )

    def test_keeps_migrations_with_the_main_user(self):
        services = merged("least-privilege", **SECRETS)

        for name in ("init", "scheduler"):
            assert services[name]["environment"].get("ECOMMERCE_DB_USER") is None


class TestPooler:
    def start(self, folder, **environment):
        """Run start.sh with a fake pgbouncer that prints its argument."""
        programs = folder / "bin"
        programs.mkdir()
        (programs / "pgbouncer").write_text('#!/bin/sh\necho "$1"\n')
        (programs / "pgbouncer").chmod(0o755)
        script = folder / "start.sh"
        text = (DEPLOY / "pgbouncer" / "start.sh").read_text()
        script.write_text(text.replace("/tmp/pgbouncer", str(folder / "run")))
        path = f"{programs}:{os.environ['PATH']}"
        result = subprocess.run(
            ["sh", str(script)],
            env={"PATH": path} | environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        assert (result.returncode, result.stdout) == (0, "/etc/pgbouncer/pgbouncer.ini\n"), (
            result.stderr
        )
        return [(folder / "run" / name).read_text() for name in ("databases.ini", "userlist.txt")]

    def test_has_all_databases_and_users(self, tmp_path):
        databases, users = self.start(
            tmp_path,
            DB_PASSWORD='s"esam',
            CLASSIFIEDS_DB_HOST="postgres-classifieds",
            ECOMMERCE_LOADER_PASSWORD="open",
        )

        assert databases == (
            "[databases]\n"
            "marketplace_db = host=postgres port=5432\n"
            "ecommerce_db = host=postgres port=5432\n"
            "classifieds_db = host=postgres-classifieds port=5432\n"
            "procurement_db = host=postgres port=5432\n"
            "[pgbouncer]\n"
            "default_pool_size = 15\n"
            "stats_users = postgres, marketplace_db_app\n"
        )
        assert users == '"postgres" "s""esam"\n"ecommerce_db_loader" "open"\n'

    def test_does_not_expose_passwords(self, tmp_path):
        self.start(tmp_path, DB_PASSWORD="open")

        assert (tmp_path / "run" / "userlist.txt").stat().st_mode & 0o077 == 0


class TestArchive:
    def test_every_server_uses_pgbackrest(self):
        for server in ("postgres", "pgbackrest"):
            volumes = MAIN[server]["volumes"]
            assert "base-backups:/var/lib/pgbackrest" in volumes
        options = MAIN["postgres"]["command"]
        assert "--archive_mode=on" in options
        assert "--archive_command=pgbackrest archive-push %p" in options

    def test_mounts_the_data_read_only(self):
        assert "postgres-data:/var/lib/postgresql:ro" in MAIN["pgbackrest"]["volumes"]

    def test_its_configuration_is_valid(self):
        program = shutil.which("pgbackrest")
        if program is None:
            pytest.skip("pgbackrest is not installed: apt-get install pgbackrest")
        result = subprocess.run(
            [program, f"--config={DEPLOY / 'postgres' / 'pgbackrest.conf'}", "info"],
            env={"PATH": os.environ["PATH"], "PGBACKREST_REPO1_PATH": "/nonexistent"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        # It warns of unknown settings.
        assert "WARN" not in result.stdout + result.stderr
        assert "No stanzas exist" in result.stdout

    def test_the_script_is_valid(self):
        for script in DEPLOY.rglob("*.sh"):
            result = subprocess.run(["sh", "-n", str(script)], capture_output=True, check=False)
            assert (result.returncode, result.stderr) == (0, b""), script


class TestSchedule:
    def test_contains_all_regular_commands(self):
        commands = {job.command[0] for job in read_schedule(DEPLOY / "schedule")}

        wanted = {"ingest", "db_record_sizes", "db_partitions", "db_backup", "db_drill"}
        assert wanted <= commands

    def test_verifies_the_archive(self):
        commands = [job.command for job in read_schedule(DEPLOY / "schedule")]

        assert ("db_archive", "--verify") in commands

    def test_runs_the_backup_before_the_drill(self):
        sunday = timezone.now().replace(year=2026, month=11, day=22, hour=0, minute=0)
        due = {job.command[0]: job.next_after(sunday) for job in read_schedule(DEPLOY / "schedule")}

        assert due["db_backup"] < due["db_drill"]
