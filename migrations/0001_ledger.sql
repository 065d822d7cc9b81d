-- The ledger: event settings, seats, admitted applications, outcomes, audit, outbox.
-- One text for SQLite and Postgres: only BIGINT and TEXT, times in milliseconds since 1970 UTC, keys as 32 hex digits,
-- no serial ids. Migrations are numbered and forward only; an older program refuses to open a newer ledger.

CREATE TABLE event (
    id            TEXT PRIMARY KEY,
    rev           BIGINT NOT NULL,
    settings      TEXT NOT NULL,                -- JSON of the settings as of `rev`
    state         TEXT NOT NULL CHECK (state IN ('scheduled', 'open', 'closed', 'settling', 'settled')),
    epoch         BIGINT NOT NULL DEFAULT 0,    -- the queue's epoch, written before the queue is armed with it
    number_limit  BIGINT NOT NULL DEFAULT 0,    -- the highest number that the queue may give, written before the queue gets it
    inbox_through BIGINT NOT NULL DEFAULT 0,    -- the last handled entry of the inbox
    leader_fence  BIGINT NOT NULL DEFAULT 0,
    leader_until  BIGINT NOT NULL DEFAULT 0,
    tokens        BIGINT NOT NULL DEFAULT 0 CHECK (tokens >= 0),
    refilled_at   BIGINT NOT NULL DEFAULT 0,
    changes       BIGINT NOT NULL DEFAULT 0,    -- raised by each admission and inbox request; the queue keeps the highest it was told
    judged_epoch  BIGINT NOT NULL DEFAULT 0,    -- the last epoch for which it is decided whether the queue lost applications
    lost_epoch    BIGINT NOT NULL DEFAULT 0,    -- the last epoch at whose arming applications were lost
    recovered_epoch BIGINT NOT NULL DEFAULT 0,  -- the last loss whose recovery has ended; below `lost_epoch`, nothing is admitted
    recover_until BIGINT NOT NULL DEFAULT 0,    -- no admission before this time: receipts may restore applications that the queue lost
    journals_missing BIGINT NOT NULL DEFAULT 0, -- no admission while above 0: awaited journals that were not replayed for `lost_epoch`
    frozen        TEXT,                         -- why the event is frozen: no application is admitted
    closed_seq    BIGINT,
    settled_seq   BIGINT,
    version       BIGINT NOT NULL DEFAULT 0,    -- of the event's own domain events
    outbox_seq    BIGINT NOT NULL DEFAULT 0,    -- the last number given in the outbox
    outbox_purged BIGINT NOT NULL DEFAULT 0,    -- domain events up to this number are deleted
    CHECK ((state = 'settled') = (settled_seq IS NOT NULL))
);

-- The journals of the processes that acknowledge applications. After a loss, admission waits for those that are awaited.
CREATE TABLE journal (
    event          TEXT NOT NULL REFERENCES event (id),
    id             TEXT NOT NULL,               -- 'none' for processes without a journal
    registered_at  BIGINT NOT NULL,
    replayed_epoch BIGINT NOT NULL,             -- the last loss that it was replayed for
    awaited        BIGINT NOT NULL CHECK (awaited IN (0, 1)),
    PRIMARY KEY (event, id)
);

-- One row for each seat: selling a seat twice would need two rows with the same key.
CREATE TABLE seat (
    event   TEXT NOT NULL REFERENCES event (id),
    n       BIGINT NOT NULL,
    state   TEXT NOT NULL DEFAULT 'free' CHECK (state IN ('free', 'held', 'sold')),
    app_key TEXT,
    PRIMARY KEY (event, n),
    UNIQUE (event, app_key),
    CHECK ((state = 'free') = (app_key IS NULL))
);
CREATE INDEX seat_free ON seat (event, n) WHERE state = 'free';
CREATE INDEX seat_held ON seat (event, n) WHERE state = 'held';

-- How many seats of an event are free, held and sold: the sums over its rows. A transaction that changes seats adds to one row at its
-- end. There are several rows, so that responses to order calls that end at the same time do not wait for each other.
CREATE TABLE seat_count (
    event TEXT NOT NULL REFERENCES event (id),
    shard BIGINT NOT NULL,
    free  BIGINT NOT NULL,
    held  BIGINT NOT NULL,
    sold  BIGINT NOT NULL,
    PRIMARY KEY (event, shard)
);

CREATE TABLE application (
    event       TEXT NOT NULL REFERENCES event (id),
    app_key     TEXT NOT NULL,
    number      BIGINT NOT NULL CHECK (number > 0),
    state       TEXT NOT NULL CHECK (state IN ('called', 'ordering', 'undoing', 'parked', 'ended')),
    undo        TEXT CHECK (undo IN ('cancel', 'reject')),
    undo_by     TEXT CHECK (undo_by IN ('applicant', 'operator', 'order_service')),
    seat        BIGINT,
    called_until BIGINT,                        -- when the time of a called applicant ends, by the queue's clock; kept afterwards
    extended    BIGINT NOT NULL DEFAULT 0 CHECK (extended IN (0, 1)), -- whether that time was extended
    fence       BIGINT NOT NULL DEFAULT 0,      -- rises with every call lease and every decision
    lease_until BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL DEFAULT 0,      -- the highest BIGINT until the queue has the application as admitted
    attempts    BIGINT NOT NULL DEFAULT 0,      -- order calls since `state` was entered
    outcome     TEXT CHECK (outcome IN ('ordered', 'rejected', 'cancelled', 'expired')),
    order_no    TEXT,
    contact     TEXT NOT NULL DEFAULT '',       -- sealed, base64; empty once it is no longer needed
    req_hash    TEXT NOT NULL DEFAULT '',       -- the hash of the client's secret, for a queue that has lost it; empty if unknown
    admitted_at BIGINT NOT NULL,
    ended_at    BIGINT,
    projected_epoch BIGINT NOT NULL DEFAULT 0,  -- the last epoch of the queue that has this outcome, or the called state
    PRIMARY KEY (event, app_key),
    UNIQUE (event, number),
    CHECK (state <> 'ended' OR outcome IS NOT NULL),
    CHECK (outcome IS NULL OR state = 'ended' OR outcome = 'ordered'),  -- an order that is being undone is still ordered
    CHECK ((outcome = 'ordered') = (order_no IS NOT NULL)),
    CHECK ((state = 'undoing') = (undo IS NOT NULL) OR state = 'parked'),
    CHECK (state <> 'called' OR called_until IS NOT NULL)
);
CREATE INDEX application_due ON application (event, number) WHERE state IN ('ordering', 'undoing');
CREATE INDEX application_called ON application (event, called_until) WHERE state = 'called';
CREATE INDEX application_parked ON application (event) WHERE state = 'parked';
CREATE INDEX application_unprojected ON application (event, projected_epoch) WHERE outcome IS NOT NULL;
CREATE INDEX application_called_unprojected ON application (event, projected_epoch) WHERE called_until IS NOT NULL AND outcome IS NULL;

-- Append-only. `at` rises with every row, even if the clock goes back, so that it identifies a row and a list can continue from
-- any row. Ending a parked application adds a row without raising the rev.
CREATE TABLE audit (
    event  TEXT NOT NULL,
    rev    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    before TEXT NOT NULL,
    after  TEXT NOT NULL,
    hash   TEXT NOT NULL,                       -- SHA-256 over this row and the hash before it
    PRIMARY KEY (event, at)
);
CREATE INDEX audit_newest ON audit (at, rev);

-- Domain events, written in the transaction of the decision that they report. The leader numbers them afterwards, so a row that
-- commits late gets a late number and no target passes a gap. Within one application, `at` never falls.
CREATE TABLE outbox (
    event   TEXT NOT NULL,
    app_key TEXT NOT NULL,                      -- empty for a domain event about the event as a whole
    version BIGINT NOT NULL,                    -- the application's fence after the decision, or the event's `version`
    type    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    data    TEXT NOT NULL,                      -- JSON, without personal data
    seq     BIGINT,
    PRIMARY KEY (event, app_key, version)
);
CREATE INDEX outbox_new ON outbox (event, at) WHERE seq IS NULL;
CREATE UNIQUE INDEX outbox_seq ON outbox (event, seq) WHERE seq IS NOT NULL;

-- How far each target has acknowledged the domain events of an event.
CREATE TABLE outbox_cursor (
    target        TEXT NOT NULL,
    event         TEXT NOT NULL,
    seq           BIGINT NOT NULL,
    failing_since BIGINT,
    failures      BIGINT NOT NULL DEFAULT 0,    -- attempts since `failing_since`
    next_try_at   BIGINT NOT NULL DEFAULT 0,
    last_error    TEXT,
    PRIMARY KEY (target, event)
);

-- Domain events that a target can never accept. The target continues behind them.
CREATE TABLE outbox_dead (
    target TEXT NOT NULL,
    event  TEXT NOT NULL,
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    error  TEXT NOT NULL,
    PRIMARY KEY (target, event, seq)
);

-- The webhook endpoints. Each is a target of the outbox; its cursor says which domain events have become deliveries.
CREATE TABLE webhook_endpoint (
    id            TEXT PRIMARY KEY,
    url           TEXT NOT NULL,
    types         TEXT NOT NULL,                -- JSON list of the kinds that it gets; empty for all
    events        TEXT NOT NULL,                -- JSON list of the events; empty for all
    state         TEXT NOT NULL CHECK (state IN ('on', 'paused', 'disabled')),
    secret        TEXT NOT NULL,                -- sealed
    secret_before TEXT,                         -- the former one, which signs too until `before_until`
    before_until  BIGINT NOT NULL DEFAULT 0,
    in_flight_max BIGINT NOT NULL,              -- falls while the endpoint is overloaded
    failing_since BIGINT,
    created_at    BIGINT NOT NULL
);

-- One row for each domain event that an endpoint gets. The data is in the outbox, and both are deleted together.
CREATE TABLE webhook_delivery (
    endpoint    TEXT NOT NULL,
    event       TEXT NOT NULL,                  -- empty for a test
    seq         BIGINT NOT NULL,
    app_key     TEXT NOT NULL,
    type        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'done', 'dead')),
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL,                -- the highest BIGINT while an earlier delivery of the same application is pending
    lease_until BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,      -- rises with every lease and every result
    last_status BIGINT,
    last_ms     BIGINT,
    last_error  TEXT,
    ended_at    BIGINT,
    PRIMARY KEY (endpoint, event, seq)
);
CREATE INDEX webhook_due ON webhook_delivery (endpoint, next_try_at, event, seq) WHERE state = 'pending';
CREATE INDEX webhook_next ON webhook_delivery (endpoint, event, app_key, seq) WHERE state = 'pending';
CREATE INDEX webhook_leased ON webhook_delivery (endpoint, lease_until) WHERE lease_until > 0;

-- The orders of the embedded order service. A row in state 'gone' is a tombstone.
CREATE TABLE placed_order (
    event    TEXT NOT NULL,
    app_key  TEXT NOT NULL,
    order_no TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('live', 'gone')),
    at       BIGINT NOT NULL,
    PRIMARY KEY (event, app_key)
);

-- The status of the queue, written by the leader once a second, since the operator API reads the ledger only.
CREATE TABLE queue_status (
    event            TEXT PRIMARY KEY REFERENCES event (id),
    at               BIGINT NOT NULL,
    epoch            BIGINT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('scheduled', 'open', 'closed', 'settling', 'settled')),
    seq              BIGINT NOT NULL,           -- the last number given or skipped
    admitted_through BIGINT NOT NULL,
    waiting          BIGINT NOT NULL,
    closed_seq       BIGINT,
    skipped_numbers  BIGINT NOT NULL,           -- numbers in gaps
    armed            BIGINT NOT NULL CHECK (armed IN (0, 1)),
    sold_milli_per_s BIGINT NOT NULL,           -- seats sold per second, in thousandths
    oldest_wait_ms   BIGINT,                    -- how long the first application of the queue has waited; NULL if none or unknown
    highest_seq      BIGINT NOT NULL            -- the highest `seq` that was ever reported; a queue with less has lost applications
);

-- What happened in each of the last 900 seconds, for the charts of the operator console: a ring, in which a second takes the row of the
-- one 900 seconds before it. The leader writes the figures of the queue, and each dispatcher adds its order calls.
CREATE TABLE activity (
    event   TEXT NOT NULL REFERENCES event (id),
    slot    BIGINT NOT NULL,                    -- the second modulo 900
    at      BIGINT NOT NULL,                    -- the start of the second
    applied BIGINT,                             -- numbers given, without skipped ones; NULL if no leader reported
    waiting BIGINT,
    calls   TEXT NOT NULL DEFAULT '',           -- JSON of the order calls that ended; empty if there are none
    PRIMARY KEY (event, slot)
);
