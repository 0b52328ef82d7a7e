-- Puts the bench's table into the state of one that has been filled for a while, whatever autovacuum did meanwhile.
-- Locks: the table SHARE UPDATE EXCLUSIVE, which no statement of the pipeline conflicts with. Reads the whole table.
VACUUM (ANALYZE) executions
