-- What SQLite brings along and Postgres must be taught, so that all further SQL is one text. Only run on Postgres.

-- The ledger's clock: the server's, for all workers alike. Not the time at which the transaction began: it is asked under a lock.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT $$;

-- The elements of a JSON array, so that many rows travel in one parameter.
CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (value JSON) LANGUAGE sql IMMUTABLE ROWS 100
    AS $$ SELECT one FROM json_array_elements(list::JSON) AS one $$;
