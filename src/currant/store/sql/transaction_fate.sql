-- What became of a recent transaction: committed, aborted, in progress; NULL when the server has forgotten it.
-- Locks: nothing. Index: none.
SELECT pg_xact_status(%(transaction)s::text::xid8)
