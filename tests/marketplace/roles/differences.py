"""Manual changes of roles and privileges, and the differences that they cause."""

from django.db import connections

from marketplace.databases.roles.reconcile import inspect_roles

ALIAS = "ecommerce"

OWNER, LOADER, ANALYST = (f"test_ecommerce_db_{kind}" for kind in ("owner", "loader", "analyst"))

#: A manual change → the difference that it causes.
DEFECTS = {
    f"GRANT INSERT ON ecommerce_offers TO {ANALYST}": (
        f"{ANALYST} should not have INSERT on table ecommerce_offers"
    ),
    f"GRANT UPDATE (price) ON ecommerce_offers TO {ANALYST}": (
        f"{ANALYST} should not have UPDATE on table ecommerce_offers"
    ),
    f"GRANT TRUNCATE ON ecommerce_offers TO {LOADER}": (
        f"{LOADER} should not have TRUNCATE on table ecommerce_offers"
    ),
    f"GRANT SELECT ON ecommerce_offers TO {LOADER} WITH GRANT OPTION": (
        f"{LOADER} should not have GRANT OPTION for SELECT on table ecommerce_offers"
    ),
    f"GRANT UPDATE ON django_migrations TO {LOADER}": (
        f"{LOADER} should not have UPDATE on table django_migrations"
    ),
    f"REVOKE SELECT ON TABLE ecommerce_sellers FROM {ANALYST}": (  # noqa: S608 # fixed names
        f"{ANALYST} lacks SELECT on table ecommerce_sellers"
    ),
    f"REVOKE USAGE ON SCHEMA public FROM {LOADER}": f"{LOADER} lacks USAGE on schema public",
    f"REVOKE EXECUTE ON FUNCTION ecommerce_create_price_month FROM {LOADER}": (
        f"{LOADER} lacks EXECUTE on function ecommerce_create_price_month"
    ),
    "GRANT EXECUTE ON FUNCTION ecommerce_create_price_month TO PUBLIC": (
        "PUBLIC should not have EXECUTE on function ecommerce_create_price_month"
    ),
    "GRANT SELECT ON ecommerce_sellers TO PUBLIC": (
        "PUBLIC should not have SELECT on table ecommerce_sellers"
    ),
    "GRANT CONNECT ON DATABASE test_ecommerce_db TO PUBLIC": (
        "PUBLIC should not have CONNECT on database test_ecommerce_db"
    ),
    "GRANT CREATE ON SCHEMA public TO PUBLIC": "PUBLIC should not have CREATE on schema public",
    "GRANT CREATE ON SCHEMA public TO test_stranger": (
        "test_stranger should not have CREATE on schema public"
    ),
    "GRANT CREATE ON DATABASE test_ecommerce_db TO test_stranger": (
        "test_stranger should not have CREATE on database test_ecommerce_db"
    ),
    "GRANT CONNECT ON DATABASE test_ecommerce_db TO test_classifieds_db_loader": (
        "test_classifieds_db_loader should not have CONNECT on database test_ecommerce_db"
    ),
    "ALTER TABLE ecommerce_sellers OWNER TO test_stranger": (
        f"{OWNER} does not own table ecommerce_sellers (owned by test_stranger)"
    ),
    "ALTER VIEW ecommerce_price_statistics OWNER TO postgres": (
        f"{OWNER} does not own table ecommerce_price_statistics (owned by postgres)"
    ),
    "ALTER FUNCTION ecommerce_create_price_month OWNER TO postgres": (
        f"{OWNER} does not own function ecommerce_create_price_month (owned by postgres)"
    ),
    "ALTER FUNCTION ecommerce_create_price_month RESET search_path": (
        f"{OWNER} owns a SECURITY DEFINER function without a search_path: "
        "function ecommerce_create_price_month"
    ),
    "ALTER DATABASE test_ecommerce_db OWNER TO postgres": (
        f"{OWNER} does not own database test_ecommerce_db (owned by postgres)"
    ),
    "ALTER SCHEMA public OWNER TO postgres": (
        f"{OWNER} does not own schema public (owned by postgres)"
    ),
    f"GRANT {OWNER} TO {LOADER}": f"{LOADER} is a member of {OWNER}",
    f"GRANT pg_read_server_files TO {ANALYST}": f"{ANALYST} is a member of pg_read_server_files",
    f"ALTER ROLE {ANALYST} SUPERUSER": f"{ANALYST} has SUPERUSER",
    f"ALTER ROLE {OWNER} CREATEROLE": f"{OWNER} has CREATEROLE",
    f"ALTER ROLE {ANALYST} RESET default_transaction_read_only": (
        f"{ANALYST} lacks the setting default_transaction_read_only = on"
    ),
    f"ALTER ROLE {ANALYST} SET statement_timeout = 0": (
        f"{ANALYST} lacks the setting statement_timeout = 5min"
    ),
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public REVOKE ALL ON TABLES FROM "
    f"{ANALYST}": f"{ANALYST} lacks SELECT on future tables",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public "
    f"GRANT DELETE ON TABLES TO {ANALYST}": f"{ANALYST} should not have DELETE on future tables",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT ON TABLES TO PUBLIC": (
        "PUBLIC should not have INSERT, SELECT on future tables in any schema"
    ),
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE ON SEQUENCES TO {ANALYST}": (
        f"{ANALYST} should not have USAGE on future sequences in any schema"
    ),
    f"REVOKE SELECT, INSERT ON ecommerce_offers FROM {LOADER}; "  # fixed names
    f"GRANT SELECT (id), INSERT (id) ON ecommerce_offers TO {LOADER}": (
        f"{LOADER} lacks INSERT, SELECT on table ecommerce_offers"
    ),
    f"ALTER ROLE {LOADER} VALID UNTIL '2020-01-01 00:00Z'": (
        f"{LOADER} cannot log in: VALID UNTIL 2020-01-01 00:00:00+00"
    ),
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 0": (f"{LOADER} cannot connect: CONNECTION LIMIT 0"),
    f"ALTER ROLE {ANALYST} CONNECTION LIMIT -1": (
        f"{ANALYST} may have more than 10 connections at once"
    ),
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 90": (
        f"{LOADER} may have more than 48 connections at once"
    ),
    "ALTER DATABASE test_ecommerce_db CONNECTION LIMIT -1": (
        "PUBLIC may have more than 72 connections at once to database test_ecommerce_db"
    ),
    f"ALTER ROLE {ANALYST} RESET temp_file_limit": (
        f"{ANALYST} lacks the setting temp_file_limit = 5GB"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET temp_file_limit = -1": (
        f"{ANALYST} has temp_file_limit = -1 in database test_ecommerce_db"
    ),
    "GRANT EXECUTE ON FUNCTION lo_create TO PUBLIC": (
        "PUBLIC should not have EXECUTE on system function lo_create"
    ),
    f"GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO {ANALYST}": (
        f"{ANALYST} should not have EXECUTE on system function pg_advisory_lock"
    ),
    f"REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM {LOADER}": (
        f"{LOADER} lacks EXECUTE on system function pg_advisory_lock"
    ),
    "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC": (
        "PUBLIC should not have TEMPORARY on system database postgres"
    ),
    "GRANT CONNECT ON DATABASE template1 TO PUBLIC": (
        "PUBLIC should not have CONNECT on system database template1"
    ),
    f"GRANT CONNECT ON DATABASE postgres TO {ANALYST}": (
        f"{ANALYST} should not have CONNECT on system database postgres"
    ),
    f"ALTER ROLE {LOADER} SET default_transaction_read_only = true": (
        f"{LOADER} has default_transaction_read_only = true"
    ),
    f"ALTER ROLE {OWNER} IN DATABASE test_ecommerce_db SET default_transaction_read_only = on": (
        f"{OWNER} has default_transaction_read_only = on in database test_ecommerce_db"
    ),
    f"ALTER ROLE {LOADER} SET search_path = pg_catalog": (f"{LOADER} has search_path = pg_catalog"),
    f"ALTER ROLE {ANALYST} SET role = {OWNER}": f"{ANALYST} has role = {OWNER}",
    f"ALTER ROLE {LOADER} SET session_replication_role = replica": (
        f"{LOADER} has session_replication_role = replica"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET statement_timeout = 0": (
        f"{ANALYST} has statement_timeout = 0 in database test_ecommerce_db"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET default_transaction_read_only = off": (
        f"{ANALYST} has default_transaction_read_only = off in database test_ecommerce_db"
    ),
}

#: A limit or setting that an administrator may choose → the clause that resets it.
CHOICES = {
    f"ALTER ROLE {LOADER} VALID UNTIL '2999-01-01 00:00Z'": "VALID UNTIL 'infinity'",
    f"ALTER ROLE {LOADER} VALID UNTIL 'infinity'": "VALID UNTIL 'infinity'",
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 5": "CONNECTION LIMIT 48",
    f"ALTER ROLE {LOADER} SET work_mem = '64MB'": "RESET work_mem",
    f"ALTER ROLE {LOADER} SET search_path = '$user', public": "RESET search_path",
    f"ALTER ROLE {LOADER} SET default_transaction_read_only = off": (
        "RESET default_transaction_read_only"
    ),
}


def query(statement, alias=ALIAS):
    """Run a statement; return its rows, if it has any."""
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def differences(alias=ALIAS, name=None):
    """Return the differences of the roles of a database, as text."""
    return [str(difference) for difference in inspect_roles(alias, name).differences]
