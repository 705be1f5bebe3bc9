import os
import subprocess

import pytest

from marketplace.postgresql import programs


@pytest.mark.skipif(os.geteuid() != 0, reason="only root creates the system user")
def test_root_is_informed_of_the_new_system_user(monkeypatch, capsys, tmp_path):
    name = f"embedded_test_{os.getpid()}"
    monkeypatch.setattr(programs, "SYSTEM_USER", name)
    try:
        programs.give_to_system_user(tmp_path)
        programs.give_to_system_user(tmp_path)

        assert tmp_path.owner() == name
        assert capsys.readouterr().err == (
            f"PostgreSQL does not run as root: created the system user {name} to run it.\n"
        )
    finally:
        subprocess.run(["userdel", name], check=False)
