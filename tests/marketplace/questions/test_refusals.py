"""A question only reads, whatever its file says."""

import pytest
from django.db import DatabaseError, connections

from marketplace.exceptions import QuestionError
from marketplace.questions import ask
from marketplace.questions.definition import read_questions
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"]),
    pytest.mark.usefixtures("analysts"),
]

HEAD = '/*\ntitle = "Test"\ndescription = "A question of the tests."\n*/\n'

#: Reason → statements that are refused for it.
REFUSED = {
    "begins with SELECT": [
        "INSERT INTO ecommerce_sellers (platform, external_id) VALUES ('uzum', '1') RETURNING id",
        "DELETE FROM ecommerce_sellers RETURNING id",
        "CREATE TABLE copy AS SELECT 1",
        "CREATE TEMPORARY TABLE copy (id int)",
        "CREATE EXTENSION dblink",
        "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw",
        "COPY ecommerce_sellers TO PROGRAM 'cat'",
        "SET statement_timeout = 0",
        "SET work_mem = '1GB'",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        "RESET ALL",
        "NOTIFY loads",
        "LISTEN loads",
        "LOCK TABLE ecommerce_sellers IN ACCESS SHARE MODE",
        "DO $$ BEGIN PERFORM set_config('statement_timeout', '0', false); END $$",
        "CALL refresh()",
        "EXPLAIN ANALYZE SELECT 1",
        "-- SELECT\nCOMMIT",
    ],
    "one statement": [
        "SELECT 1; SELECT 2",
        "SELECT 1; COMMIT; DROP TABLE ecommerce_sellers",
        "SELECT 1) AS a; SET statement_timeout = 0; SELECT (1",
        "SELECT 1;\n-- a comment",
    ],
    "not supported": [
        "/* /* */ SELECT */ COMMIT",
        "SELECT E'\\'; COMMIT; --'",
        "SELECT $a$'$a$; COMMIT; --'",
        'SELECT U&"\\0070g_sleep"(9)',
    ],
    "volatile function": [
        "SELECT nextval('ecommerce_sellers_id_seq')",
        "SELECT setval('ecommerce_sellers_id_seq', 1)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user",
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = current_user",
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT set_config('work_mem', '1GB', true)",
        "SELECT pg_catalog . \"set_config\" -- (\n ('role', 'postgres', false)",
        "SELECT pg_notify('loads', '1')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1)",
        "SELECT pg_sleep(9)",
        "SELECT PG_SLEEP_FOR('9 seconds')",
        "SELECT lo_create(0)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT ecommerce_create_price_month('2031-01-01')",
        "SELECT query_to_xml('SELECT set_config(''work_mem'', ''1GB'', true)', true, true, '')",
        "SELECT * FROM ts_stat('SELECT NULL::tsvector FROM pg_sleep(9)')",
    ],
    "only reads": [
        "SELECT 1 INTO copy",
        "SELECT 1 INTO TEMPORARY copy",
        "SELECT id FROM ecommerce_sellers FOR UPDATE",
        "SELECT (INSERT INTO ecommerce_sellers (platform) VALUES ('uzum') RETURNING id)",
        "WITH gone AS (DELETE FROM ecommerce_sellers RETURNING id) SELECT id FROM gone",
        "WITH t AS (UPDATE pg_settings SET setting = '0' WHERE name = 'work_mem') SELECT 1",
    ],
    "read-only transaction|permission denied": [
        "SELECT id FROM ecommerce_sellers FOR SHARE",
        "SELECT rolpassword FROM pg_authid",
        "SELECT * FROM pg_user_mapping",
    ],
    "does not exist|cross-database references": [
        "SELECT * FROM dblink('dbname=classifieds_db', 'SELECT 1') AS t (id int)",
        "SELECT * FROM classifieds_db.public.classifieds_sellers",
    ],
}


@pytest.mark.parametrize(
    ("sql", "reason"), [(sql, reason) for reason, texts in REFUSED.items() for sql in texts]
)
def test_is_refused(question, sql, reason):
    question.write_text(HEAD + sql)
    read_questions.cache_clear()

    # Limited answers are executed in another way than exports.
    for limit in (None, 1):
        with pytest.raises((QuestionError, DatabaseError), match=reason):
            list(ask("ecommerce.sellers", limit=limit))

    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('copy'), to_regclass('ecommerce_sellers') IS NOT NULL")
        assert cursor.fetchone() == (None, True)


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
def test_temporary_files_are_limited(question):
    role = f"{connections['ecommerce'].settings_dict['NAME']}_analyst"
    sql = "SELECT n FROM generate_series(1, 1000000) AS s (n) ORDER BY md5(n::text)"
    question.write_text(HEAD + sql)
    read_questions.cache_clear()
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(f"ALTER ROLE {role} SET temp_file_limit = '1MB'")

        with pytest.raises(DatabaseError, match="temporary file size exceeds"):
            list(ask("ecommerce.sellers"))
