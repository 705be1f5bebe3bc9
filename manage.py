#!/usr/bin/env python
"""Run the project's commands: `python manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Run the command given on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"{error}. The packages are not installed for this Python: run `make install`, "
            "then `.venv/bin/python manage.py …`."
        ) from error
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error

    from marketplace.cli import exit_on_closed_pipe
    from marketplace.exceptions import MarketplaceError
    from marketplace.postgresql.errors import explain, next_step

    try:
        with exit_on_closed_pipe():
            execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        raise SystemExit("Interrupted. Committed data is kept.") from None
    except (Error, MarketplaceError, ImproperlyConfigured) as error:
        # Django's own commands do not catch these: print the next step instead of a traceback.
        if "--traceback" in sys.argv:
            raise
        is_unexplained = isinstance(error, Error) and not next_step(error)
        hint = " For the details, add --traceback." if is_unexplained else ""
        raise SystemExit(f"Error: {explain(error)}{hint}") from None


if __name__ == "__main__":
    main()
