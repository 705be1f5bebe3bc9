-- Objects that depend on the table of a month, other than its own parts: views, foreign keys,
-- inheriting tables, functions and columns of its row type, publications.
WITH month AS (
    SELECT c.oid, c.reltype, t.typarray
    FROM pg_class AS c
    INNER JOIN pg_type AS t ON c.reltype = t.oid
    WHERE c.oid = to_regclass(%(table)s)
),

dependents AS (
    SELECT d.classid, d.objid, d.objsubid, m.oid AS month
    FROM month AS m
    INNER JOIN pg_depend AS d
        ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid)
        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (m.reltype, m.typarray))
    WHERE d.deptype = 'n'
    UNION
    -- PostgreSQL removes the table from a publication without an error.
    SELECT 'pg_publication'::regclass, p.prpubid, 0, m.oid
    FROM month AS m
    INNER JOIN pg_publication_rel AS p ON m.oid = p.prrelid
)

SELECT DISTINCT
    CASE
        -- A view depends on the table through its rule.
        WHEN r.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
        ELSE pg_describe_object(d.classid, d.objid, d.objsubid)
    END AS description
FROM dependents AS d
LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
LEFT JOIN pg_trigger AS g ON d.classid = 'pg_trigger'::regclass AND d.objid = g.oid
LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
LEFT JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
WHERE
    d.month IS DISTINCT FROM CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END
    AND d.month IS DISTINCT FROM r.ev_class
    AND d.month IS DISTINCT FROM k.conrelid
    AND d.month IS DISTINCT FROM g.tgrelid
    AND d.month IS DISTINCT FROM p.polrelid
    AND d.month IS DISTINCT FROM a.adrelid
    -- Not the part of a foreign key of the whole history: it is dropped with the month.
    AND coalesce(k.conparentid, 0) = 0
ORDER BY description;
