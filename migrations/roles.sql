-- The roles of the ledger on Postgres and their rights. The owner of the tables runs this file after `firstcome migrate`, with
-- `firstcome migrate --database-roles` or with psql. Safe to repeat; repeat it after a migration that adds a table.
--
-- The roles are groups without a login. Create a login for each process as a member of its group:
--     CREATE ROLE worker_1 LOGIN PASSWORD '...' IN ROLE firstcome_worker;
--
-- firstcome_worker    the worker: reads all tables, inserts and updates, does not update the audit, and deletes old domain events and
--                     webhook deliveries only
-- firstcome_operator  the operator API: changes settings, capacity and webhook endpoints, with audit; ends parked applications
-- firstcome_verify    the checker: reads all tables and writes none
-- No other role has access to the ledger. Only the owner changes tables.

DO $$
DECLARE
    missing TEXT;
BEGIN
    -- Roles belong to the whole cluster: another database or a concurrent run of this file may create them too.
    FOREACH missing IN ARRAY ARRAY['firstcome_worker', 'firstcome_operator', 'firstcome_verify'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

BEGIN;
-- Concurrent runs would update the same rows of the system catalogs; the lock makes the second one wait.
SELECT pg_advisory_xact_lock(hashtext('firstcome roles'));

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC, firstcome_worker, firstcome_operator, firstcome_verify;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

GRANT USAGE ON SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO firstcome_worker, firstcome_operator, firstcome_verify;

GRANT INSERT, UPDATE ON ledger.event, ledger.seat, ledger.seat_count, ledger.application, ledger.outbox, ledger.placed_order, ledger.queue_status, ledger.journal,
    ledger.activity, ledger.outbox_cursor, ledger.outbox_dead TO firstcome_worker;
GRANT INSERT, UPDATE ON ledger.webhook_delivery TO firstcome_worker;
GRANT UPDATE ON ledger.webhook_endpoint TO firstcome_worker;
GRANT DELETE ON ledger.outbox, ledger.webhook_delivery TO firstcome_worker;
GRANT INSERT ON ledger.audit TO firstcome_worker;

GRANT INSERT, UPDATE ON ledger.event, ledger.seat_count TO firstcome_operator;
GRANT INSERT, UPDATE, DELETE ON ledger.seat TO firstcome_operator;
GRANT UPDATE ON ledger.application, ledger.journal TO firstcome_operator;
GRANT INSERT, UPDATE, DELETE ON ledger.outbox_cursor, ledger.webhook_endpoint, ledger.webhook_delivery TO firstcome_operator;
GRANT INSERT ON ledger.audit, ledger.outbox TO firstcome_operator;
COMMIT;
