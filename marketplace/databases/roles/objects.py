"""The objects of a database, their owners and the privileges on them."""

from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from marketplace.databases.roles.definitions import (
    FILLING_FUNCTIONS,
    LOCK_FUNCTIONS,
    SNAPSHOT_FUNCTION,
)
from marketplace.databases.server import MAINTENANCE_DATABASE

#: Prefix of the kinds that stand for the default privileges on future objects in any schema.
ANY_SCHEMA = "ALL "

#: Prefix of the kinds of objects that belong to the server. The connected role may be unable to
#: grant privileges on them.
SYSTEM = "SYSTEM "

# All objects except those of extensions, one row per privilege. The sequence of a column has the
# owner of its table. The order is that of the repair: the new owner of a table first needs the
# privilege to create tables. Default privileges for any schema add to those of the schema.
_OBJECTS = """
WITH objects AS (
    SELECT 'DATABASE' AS kind, datname::text AS name, quote_ident(datname) AS identity,
        datdba AS owner, false AS is_linked, true AS is_guarded, true AS is_pinned,
        coalesce(datacl, acldefault('d', datdba)) AS acl, NULL::aclitem[] AS column_acl
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'SCHEMA', nspname, quote_ident(nspname), nspowner, false, true, true,
        coalesce(nspacl, acldefault('n', nspowner)), NULL
    FROM pg_namespace WHERE nspname = 'public'
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname,
        format('%%I.%%I', n.nspname, c.relname), c.relowner,
        c.relkind = 'S' AND EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        ),
        true, true,
        coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
            c.relowner)), columns.acl
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
        SELECT array_agg(item) AS acl
        FROM pg_attribute AS a, unnest(a.attacl) AS item
        WHERE a.attrelid = c.oid AND NOT a.attisdropped
    ) AS columns ON true
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
    UNION ALL
    SELECT 'FUNCTION', p.proname,
        format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
        p.proowner, false, p.prosecdef,
        NOT p.prosecdef OR EXISTS (
            SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%%'
        ),
        coalesce(p.proacl, acldefault('f', p.proowner)), NULL
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'public' AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
    UNION ALL
    SELECT kinds.name, 'future objects', '', r.oid, true, true, true, d.defaclacl, NULL
    FROM pg_roles AS r
    CROSS JOIN (
        VALUES
            ('TABLES', 'r'::"char", 'public'::regnamespace::oid),
            ('SEQUENCES', 'S', 'public'::regnamespace),
            ('ALL TABLES', 'r', 0),
            ('ALL SEQUENCES', 'S', 0)
    ) AS kinds (name, code, namespace)
    LEFT JOIN pg_default_acl AS d
        ON d.defaclrole = r.oid AND d.defaclobjtype = kinds.code
        AND d.defaclnamespace = kinds.namespace
    WHERE r.rolname = %(owner)s
    UNION ALL
    SELECT 'SYSTEM FUNCTION', p.proname,
        format('pg_catalog.%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
        p.proowner, true, pg_has_role(p.proowner, 'USAGE'), true,
        coalesce(p.proacl, acldefault('f', p.proowner)), NULL
    FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ %(functions)s
    UNION ALL
    SELECT 'SYSTEM DATABASE', datname, quote_ident(datname), datdba, true,
        pg_has_role(datdba, 'USAGE'), true, coalesce(datacl, acldefault('d', datdba)), NULL
    FROM pg_database
    WHERE datname = ANY(%(databases)s) AND datname <> current_database()
)
SELECT o.kind, o.name, o.identity, pg_get_userbyid(o.owner), o.is_linked, o.is_guarded, o.is_pinned,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
    a.is_grantable, a.is_whole
FROM objects AS o
LEFT JOIN LATERAL (
    SELECT *, true AS is_whole FROM aclexplode(o.acl)
    UNION ALL
    SELECT *, false FROM aclexplode(o.column_acl)
) AS a ON true
ORDER BY array_position(
    array['DATABASE', 'SCHEMA', 'TABLE', 'SEQUENCE', 'FUNCTION', 'TABLES', 'SEQUENCES',
        'ALL TABLES', 'ALL SEQUENCES', 'SYSTEM FUNCTION', 'SYSTEM DATABASE'], o.kind
), o.name, o.identity, a.is_whole DESC
"""


class Object(NamedTuple):
    """A database object with an owner and privileges."""

    kind: str
    name: str
    #: The object's name in SQL; empty for future objects.
    identity: str
    owner: str
    #: Whether its owner follows from that of another object.
    is_linked: bool
    #: Whether its privileges are checked. Not checked: functions that run with the privileges of
    #: the caller, and objects of the server whose privileges the connected role cannot grant.
    is_guarded: bool
    #: Whether it is safe from a changed search_path: False for a SECURITY DEFINER function
    #: without one.
    is_pinned: bool
    #: Role → privilege → whether it has the grant option.
    grants: dict[str, dict[str, bool]]
    #: Role → its privileges that apply to columns only.
    columns: dict[str, set[str]]

    @property
    def is_system(self) -> bool:
        """Return whether the object belongs to the server and not to the database."""
        return self.kind.startswith(SYSTEM)

    @property
    def is_for_any_schema(self) -> bool:
        """Return whether it stands for the owner's future objects in any schema."""
        return self.kind.startswith(ANY_SCHEMA)

    def whole_privileges(self, role: str) -> set[str]:
        """Return the role's privileges on the object as a whole, not on columns only."""
        return self.grants.get(role, {}).keys() - self.columns.get(role, set())

    @property
    def label(self) -> str:
        """Return the object's name for messages."""
        if self.identity:
            return f"{self.kind.lower()} {self.name}"
        place = " in any schema" if self.is_for_any_schema else ""
        return f"future {self.kind.removeprefix(ANY_SCHEMA).lower()}{place}"


def read_objects(cursor: CursorWrapper, owner: str) -> list[Object]:
    """Return the objects of the cursor's database, and those that stand for future objects.

    The functions and databases of the server that are open to PUBLIC and can exhaust it are
    included.

    :param owner: the role whose future objects are described
    """
    values: dict[str, Any] = {
        "owner": owner,
        "functions": f"^(?:{LOCK_FUNCTIONS}|{SNAPSHOT_FUNCTION}|{FILLING_FUNCTIONS})$",
        "databases": [MAINTENANCE_DATABASE, "template1"],
    }
    cursor.execute(_OBJECTS, values)
    objects: dict[tuple[str, str], Object] = {}
    for (
        kind,
        name,
        identity,
        *state,
        grantee,
        privilege,
        is_grantable,
        is_whole,
    ) in cursor.fetchall():
        new = Object(*(kind, name, identity, *state, {}, {}))
        item = objects.setdefault((kind, identity), new)
        if grantee:
            privileges = item.grants.setdefault(grantee, {})
            if not is_whole and privilege not in privileges:
                item.columns.setdefault(grantee, set()).add(privilege)
            privileges[privilege] = privileges.get(privilege, False) or is_grantable
    return list(objects.values())
