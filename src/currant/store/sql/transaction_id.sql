-- The id of the transaction that this is part of, to ask transaction_fate for later.
-- Locks: nothing. Index: none.
SELECT pg_current_xact_id()::text
