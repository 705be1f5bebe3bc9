"""What is wrong with the databases, or soon will be, and what to run against it.

Nothing here changes, ends or drops anything: every query runs in a read-only transaction that is
given up after seconds. A family of checks is a module, whose CHECKS `diagnosis.py` runs.
"""
