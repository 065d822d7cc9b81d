-- What the control room reads and writes: the line's figures, and an audit of more than settings.

-- The line at a glance, written by the leader once a second, since the room sees the book only.
CREATE TABLE line_status (
    event         TEXT PRIMARY KEY REFERENCES event (id),
    at            BIGINT NOT NULL,
    epoch         BIGINT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('scheduled', 'open', 'closed', 'settling', 'settled')),
    seq           BIGINT NOT NULL,
    moved_through BIGINT NOT NULL,
    waiting       BIGINT NOT NULL,
    closed_seq    BIGINT,
    missing       BIGINT NOT NULL,              -- numbers in gaps
    armed         BIGINT NOT NULL CHECK (armed IN (0, 1)),
    ordered_milli BIGINT NOT NULL,              -- seats sold per second, in thousandths
    oldest_ms     BIGINT                        -- how long the first in line has waited; NULL if nobody waits or nobody knows
);

-- An operator also ends single applications, which is no new rev. Within an event `at` rises with every row, whatever the clock
-- does, so that a row is found by it and a list can be read on from any row.
CREATE TABLE audit_by_time (
    event  TEXT NOT NULL,
    rev    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    before TEXT NOT NULL,
    after  TEXT NOT NULL,
    CONSTRAINT audit_key PRIMARY KEY (event, at)
);
INSERT INTO audit_by_time (event, rev, at, actor, action, reason, before, after)
    SELECT event, rev, at, actor, action, reason, before, after FROM audit;
DROP TABLE audit;
ALTER TABLE audit_by_time RENAME TO audit;
CREATE INDEX audit_newest ON audit (at, rev);
