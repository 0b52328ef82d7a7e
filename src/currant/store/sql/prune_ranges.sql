-- The ids between which a prune looks: up to those made `newest_s` seconds ago; and from those of tomorrow on, for ids
-- that do not begin with a moment, as version 1 made them.
-- Locks: nothing. Index: none, no table is read.
SELECT
    'job_' AS first,
    'job_' || lpad(to_hex((extract(epoch FROM now()) * 1000 - least(1e9, %(newest_s)s::float8) * 1000)::bigint), 12, '0') AS upto,
    'job_' || lpad(to_hex((extract(epoch FROM now() + interval '1 day') * 1000)::bigint), 12, '0') AS foreign_first,
    'job_g' AS foreign_upto
