"""Health checks of the databases: findings with a severity, the reason and a command to run.

`diagnosis.diagnose` runs the checks of all databases and returns a `Diagnosis` for each; db_doctor
prints them. A check is a file in `sql/` (`sql_checks`), or a function if a statement is not enough:
then its module has a tuple CHECKS. The checks only read, in transactions with short timeouts.

The package also reads pg_stat_statements for db_slow (`statements`), records the history of sizes
for db_record_sizes (`size_history`), and vacuums tables for db_vacuum (`vacuum`).
"""
