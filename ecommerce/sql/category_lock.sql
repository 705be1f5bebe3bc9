-- A row if this batch changed a category of the platform. Then no other loader that did goes on until
-- this one has ended, and what those before it left is there to be read by the next statement.
SELECT pg_advisory_xact_lock(hashtextextended('ecommerce category paths ' || %(platform)s, 0))
WHERE
    EXISTS (
        SELECT
        FROM stage_ecommerce_categories AS s
        INNER JOIN ecommerce_categories AS n
            ON n.platform = %(platform)s AND s.external_id = n.external_id
        WHERE n.updated_at >= transaction_timestamp()
    );
