"""The databases: create, migrate and verify them, and query several of them with a time limit.

The functions take the alias of a database in Django's settings. The commands `init_all` and `db_*`,
monitoring, backups and the doctor call them; this package does not import them.
"""
