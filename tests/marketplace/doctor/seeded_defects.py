"""Defects that statements create in the schema `seeded`."""

from marketplace.doctor.findings import Severity

#: 20,000 rows of about 500 bytes.
WIDE = (
    "CREATE TABLE seeded.wide AS SELECT id, repeat('x', 460) || id AS text "
    "FROM generate_series(1, 20000) AS id"
)
NARROW = "CREATE TABLE seeded.narrow AS SELECT id, id AS other FROM generate_series(1, 20000) AS id"

#: Code, severity and subject of a finding, and the statements that cause it.
SEEDS = [
    (
        "index-duplicate",
        Severity.WARNING,
        "seeded.again",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE INDEX first ON seeded.narrow (id)",
            "CREATE INDEX again ON seeded.narrow (id)",
        ],
    ),
    (
        "index-redundant",
        Severity.INFO,
        "seeded.beginning",
        [
            "CREATE TABLE seeded.narrow (id int, other int)",
            "CREATE INDEX beginning ON seeded.narrow (id)",
            "CREATE INDEX whole ON seeded.narrow (id, other)",
        ],
    ),
    (
        "index-missing-foreign-key",
        Severity.WARNING,
        "seeded.narrow",
        [
            "CREATE TABLE seeded.referenced (id bigint PRIMARY KEY)",
            "INSERT INTO seeded.referenced SELECT generate_series(1, 20000)",
            NARROW,
            "ALTER TABLE seeded.narrow ADD FOREIGN KEY (other) REFERENCES seeded.referenced",
            "ANALYZE seeded.narrow",
        ],
    ),
    (
        "table-sequential-scans",
        Severity.WARNING,
        "seeded.wide",
        [
            WIDE,
            "DO $$ BEGIN FOR i IN 1..101 LOOP PERFORM FROM seeded.wide WHERE text = ''; "
            "END LOOP; END $$",
        ],
    ),
    (
        "table-bloat",
        Severity.WARNING,
        "seeded.wide",
        [
            WIDE,
            "INSERT INTO seeded.wide SELECT id + 20000, text FROM seeded.wide",
            "DELETE FROM seeded.wide WHERE id % 10 <> 0",
            "VACUUM (ANALYZE) seeded.wide",
        ],
    ),
    (
        "index-bloat",
        Severity.WARNING,
        "seeded.wide_text",
        [
            WIDE,
            "INSERT INTO seeded.wide SELECT id + 20000, text || 'y' FROM seeded.wide",
            "CREATE INDEX wide_text ON seeded.wide (text)",
            "DELETE FROM seeded.wide WHERE id % 10 <> 0",
            "VACUUM (ANALYZE) seeded.wide",
        ],
    ),
    (
        "table-dead-rows",
        Severity.WARNING,
        "seeded.narrow",
        [NARROW, "ANALYZE seeded.narrow", "UPDATE seeded.narrow SET other = 0"],
    ),
    (
        "table-vacuum-late",
        Severity.WARNING,
        "seeded.narrow",
        [NARROW, "VACUUM seeded.narrow", "INSERT INTO seeded.narrow SELECT * FROM seeded.narrow"],
    ),
    ("table-never-analyzed", Severity.WARNING, "seeded.narrow", [NARROW]),
    (
        "table-analyze-late",
        Severity.WARNING,
        "seeded.narrow",
        [NARROW, "ANALYZE seeded.narrow", "UPDATE seeded.narrow SET other = 0"],
    ),
    (
        "table-autovacuum-off",
        Severity.WARNING,
        "seeded.narrow",
        ["CREATE TABLE seeded.narrow (id int) WITH (autovacuum_enabled = off)"],
    ),
    (
        "table-ids-old",
        Severity.WARNING,
        "seeded.narrow",
        [
            "CREATE TABLE seeded.narrow (id int) WITH (autovacuum_freeze_max_age = 100000)",
            # Each block with an exception handler is a subtransaction with its own id.
            "DO $$ BEGIN FOR i IN 1..151000 LOOP BEGIN "
            "INSERT INTO seeded.narrow VALUES (i); "
            "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
        ],
    ),
    (
        "sequence-exhausted",
        Severity.CRITICAL,
        "seeded.narrow_id_seq",
        [
            # Only the type of the column limits the sequence.
            "CREATE TABLE seeded.narrow (id serial)",
            "ALTER SEQUENCE seeded.narrow_id_seq AS bigint",
            "SELECT setval('seeded.narrow_id_seq', 2000000000)",
        ],
    ),
    (
        "table-unlogged",
        Severity.WARNING,
        "seeded.narrow",
        ["CREATE UNLOGGED TABLE seeded.narrow (id int)"],
    ),
    (
        "trigger-disabled",
        Severity.WARNING,
        "seeded.narrow.watch",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE TRIGGER watch BEFORE UPDATE ON seeded.narrow "
            "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "ALTER TABLE seeded.narrow DISABLE TRIGGER watch",
        ],
    ),
    (
        "constraint-not-valid",
        Severity.WARNING,
        "seeded.narrow.positive",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "ALTER TABLE seeded.narrow ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
        ],
    ),
    (
        "extension-outdated",
        Severity.INFO,
        "intarray",
        ["CREATE EXTENSION intarray SCHEMA seeded VERSION '1.2'"],
    ),
]
