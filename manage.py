#!/usr/bin/env python
"""Run the project's commands: `python manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"{error}. The packages are not installed in this Python: run `make install`, "
            "then `.venv/bin/python manage.py …`."
        ) from error
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error

    from marketplace.exceptions import MarketplaceError
    from marketplace.postgresql.errors import explain, next_step

    try:
        execute_from_command_line(sys.argv)
    except (Error, MarketplaceError, ImproperlyConfigured) as error:
        # Django's own commands let these through: the user gets the next step, not a traceback.
        is_known = not isinstance(error, Error) or next_step(error)
        if "--traceback" in sys.argv or not is_known:
            raise
        raise SystemExit(f"Error: {explain(error)}") from None


if __name__ == "__main__":
    main()
