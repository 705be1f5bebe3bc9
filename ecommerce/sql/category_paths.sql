-- Updates level, path_ids and path_names of the categories whose position in the tree changed. A
-- category without a name has no path_names, and its descendants' path_names omit it. The trees are
-- walked from their roots. Categories in a cycle, which no platform should publish, are not reached
-- and keep their values.
WITH RECURSIVE tree AS (
    SELECT
        c.id,
        1 AS level,
        jsonb_build_array(c.external_id) AS path_ids,
        c.name AS path_names,
        coalesce(c.name, '') AS known_names
    FROM ecommerce_categories AS c
    WHERE c.platform = %(platform)s AND c.parent_id IS NULL

    UNION ALL

    SELECT
        c.id,
        t.level + 1,
        t.path_ids || to_jsonb(c.external_id),
        CASE WHEN c.name IS NOT NULL THEN concat_ws(' > ', nullif(t.known_names, ''), c.name) END,
        concat_ws(' > ', nullif(t.known_names, ''), c.name)
    FROM tree AS t
    INNER JOIN ecommerce_categories AS c ON c.parent_id = t.id
    WHERE t.level < 50
),

changed AS (
    SELECT t.*
    FROM tree AS t
    INNER JOIN ecommerce_categories AS c USING (id)
    WHERE
        (c.level, c.path_ids, c.path_names)
        IS DISTINCT FROM (t.level, t.path_ids, t.path_names)
    ORDER BY c.external_id COLLATE "C"
    FOR UPDATE OF c
)

UPDATE ecommerce_categories AS c
SET level = t.level, path_ids = t.path_ids, path_names = t.path_names
FROM changed AS t
WHERE c.id = t.id;
