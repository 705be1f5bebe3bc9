"""Least-privilege roles: their definition, their actual privileges, and reconciling the two.

Each database has an owner, which owns the tables and runs migrations; a loader, which writes data;
and an analyst, which reads. The database `default` has an app role instead of the last two. No role
may connect to another of the four databases. `init_all`, `db_grants`, restores and the doctor call
this package.
"""
