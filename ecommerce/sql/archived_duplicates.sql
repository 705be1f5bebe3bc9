-- Removes archived points that are in the table, too, from known_observations: a month may be in
-- the process of being moved.
DELETE FROM known_observations AS e
USING known_observations AS h
WHERE
    e.rank = 1
    AND e.position = 1
    AND h.rank = 1
    AND h.position = 0
    AND e.offer_id = h.offer_id
    AND e.recorded_at = h.recorded_at;
