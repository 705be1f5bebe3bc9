-- Removes from known_observations the archived points that the table has, too: a month may be on its way
-- from one to the other.
DELETE FROM known_observations AS e
USING known_observations AS h
WHERE
    e.rank = 1
    AND e.position = 1
    AND h.rank = 1
    AND h.position = 0
    AND e.offer_id = h.offer_id
    AND e.recorded_at = h.recorded_at;
