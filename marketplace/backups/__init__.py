"""Backup sets of all databases: dumps, manifests, verification, retention, restores and drills.

`dump` writes a set into BACKUP_DIR with pg_dump, `retention` removes old sets, `verify` checks
their files, `restore` replaces a live database, and `drill` proves that a set can be restored. The
commands db_backup, db_restore and db_drill call them; `sets` and `manifests` describe the sets for
the status page, the metrics and db_doctor.
"""
