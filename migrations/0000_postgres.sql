-- Functions that SQLite has built in and Postgres lacks, so that all other SQL is the same for both. Runs on Postgres only.

-- The ledger's time: the clock of the server, which all workers share. It is not the start time of the transaction, because it is
-- read under a lock that the transaction may have waited for.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT $$;

-- The elements of a JSON array, so that one parameter can hold many rows.
CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (value JSON) LANGUAGE sql IMMUTABLE ROWS 100
    AS $$ SELECT one FROM json_array_elements(list::JSON) AS one $$;
