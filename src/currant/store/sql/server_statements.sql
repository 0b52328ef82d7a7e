-- How often this database was sent each of our statements, which their first lines tell apart, since ever, by whomever.
-- Needs the search path of server_statements_path. The counts are those of now.
-- Locks: nothing. Index: none, the extension's whole list.
SELECT split_part(s.query, E'\n', 1) AS line, sum(s.calls)::bigint AS calls
FROM pg_stat_statements AS s
WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()) AND s.query LIKE '-- %%'
GROUP BY 1
