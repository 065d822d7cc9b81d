-- Who may do what in the ledger on Postgres. Run by the owner of its tables after `firstcome migrate`: by `firstcome migrate
-- --roles`, or by hand. Safe to repeat; repeat it after a migration that adds a table.
--
-- These are groups without a login. Make a login for each process and put it in its group:
--     CREATE ROLE worker_1 LOGIN PASSWORD '...' IN ROLE firstcome_worker;
--
-- firstcome_worker    moves, orders, records: reads and writes all, but deletes nothing and rewrites no audit
-- firstcome_operator  the operator console: settings and capacity, with audit; ends parked applications
-- firstcome_verify    reads all, writes nothing
-- Nobody else sees the ledger. Only the owner changes tables.

DO $$
DECLARE
    missing TEXT;
BEGIN
    -- Roles belong to the whole cluster: another database, or another run of this at once, may make them too.
    FOREACH missing IN ARRAY ARRAY['firstcome_worker', 'firstcome_operator', 'firstcome_verify'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

BEGIN;
-- Two runs at once would change the same rows of the catalogue; the second waits.
SELECT pg_advisory_xact_lock(hashtext('firstcome roles'));

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC, firstcome_worker, firstcome_operator, firstcome_verify;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

GRANT USAGE ON SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;

GRANT INSERT, UPDATE ON ledger.event, ledger.seat, ledger.application, ledger.outbox, ledger.placed_order, ledger.queue_status TO firstcome_worker;
GRANT INSERT ON ledger.audit TO firstcome_worker;

GRANT INSERT, UPDATE ON ledger.event TO firstcome_operator;
GRANT INSERT, UPDATE, DELETE ON ledger.seat TO firstcome_operator;
GRANT UPDATE ON ledger.application TO firstcome_operator;
GRANT INSERT ON ledger.audit, ledger.outbox TO firstcome_operator;
COMMIT;
