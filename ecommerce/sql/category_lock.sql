-- Returns a row if this batch changed a category of the platform, and then locks the category paths
-- of the platform until the transaction ends. Loaders that change categories wait for each other,
-- so the next statement reads the categories that earlier loaders committed.
SELECT pg_advisory_xact_lock(hashtextextended('ecommerce category paths ' || %(platform)s, 0))
WHERE
    EXISTS (
        SELECT
        FROM stage_ecommerce_categories AS s
        INNER JOIN ecommerce_categories AS n
            ON n.platform = %(platform)s AND s.external_id = n.external_id
        WHERE n.updated_at >= transaction_timestamp()
    );
