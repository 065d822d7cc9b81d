//! The kinds of faults, and how often each is chosen.

use std::time::Duration;

use testkit::order_stub::Behavior;

/// The longest pause of a process: the lease of a leader is 3 s, so that some pauses outlast it.
const PAUSE_MS_MAX: u64 = 5000;

/// A fault, with all that chance decides about it.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// SIGKILL of a signup service, which is started again.
    KillSignup(usize),
    /// SIGKILL of a worker, which is started again.
    KillWorker(usize),
    /// SIGKILL of a signup service and a worker at once.
    KillBoth(usize),
    /// SIGSTOP and SIGCONT of a signup service.
    PauseSignup(usize, Duration),
    /// SIGSTOP and SIGCONT of a worker; it may still believe that it leads.
    PauseWorker(usize, Duration),
    /// SIGKILL of Redis, which is started again with its files.
    KillRedis,
    /// SIGKILL of Redis in the middle of a write: the last command in its file is incomplete.
    TearRedis,
    /// SIGSTOP and SIGCONT of Redis.
    PauseRedis(Duration),
    /// Redis comes back empty.
    WipeRedis,
    /// Redis comes back empty while a signup service is dead, which is started again later.
    WipeWithoutSignup(usize, Duration),
    /// Redis comes back with an earlier copy of its files.
    RestoreRedis,
    /// The same, and every signup service was started anew meanwhile: only their journals know what is missing.
    RestoreUnderNewSignups,
    /// The disk of a signup service's journal is full for a while.
    FillJournal(usize, Duration),
    /// SIGKILL of Postgres, which is started again after a while.
    KillPostgres(Duration),
    /// Postgres comes back with an earlier copy of its files, while the queue and the order service went on.
    RestorePostgres,
    /// The order service fails some calls for a while.
    FailOrders(OrderFailure, Duration),
    /// The operator pauses the release and resumes it.
    PauseRelease(Duration),
    /// The operator adds seats.
    RaiseCapacity(u32),
}

/// How the order service fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum OrderFailure {
    /// It commits, and its response is lost.
    CommitsWithoutResponse,
    /// It closes the connection before it reads the order.
    Closes,
    /// It responds with an error page.
    ErrorPage,
    /// It commits, and its response is cut off.
    Truncates,
    /// It responds later than the caller waits.
    IsLate,
}

impl Fault {
    pub(super) fn choose(dice: &mut fastrand::Rng) -> Self {
        let nth = dice.usize(0..2);
        let pause = Duration::from_millis(dice.u64(100..PAUSE_MS_MAX));
        let short = Duration::from_millis(dice.u64(50..2000));
        match dice.u32(0..100) {
            0..14 => Self::KillSignup(nth),
            14..28 => Self::KillWorker(nth),
            28..34 => Self::KillBoth(nth),
            34..40 => Self::PauseSignup(nth, short),
            40..50 => Self::PauseWorker(nth, pause),
            50..58 => Self::KillRedis,
            58..62 => Self::TearRedis,
            62..67 => Self::PauseRedis(short),
            67..69 => Self::WipeRedis,
            69..71 => Self::WipeWithoutSignup(nth, short),
            71..73 => Self::RestoreRedis,
            73..75 => Self::RestoreUnderNewSignups,
            75..78 => Self::FillJournal(nth, short),
            78..80 => Self::KillPostgres(short),
            80..84 => Self::RestorePostgres,
            84..93 => Self::FailOrders(OrderFailure::choose(dice), short),
            93..97 => Self::PauseRelease(short),
            _ => Self::RaiseCapacity(dice.u32(1..50)),
        }
    }

    /// The name in the report.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::KillSignup(_) => "kill signup service",
            Self::KillWorker(_) => "kill worker",
            Self::KillBoth(_) => "kill signup service and worker",
            Self::PauseSignup(..) => "pause signup service",
            Self::PauseWorker(..) => "pause worker",
            Self::KillRedis => "kill Redis",
            Self::TearRedis => "kill Redis, torn write",
            Self::PauseRedis(_) => "pause Redis",
            Self::WipeRedis => "wipe Redis",
            Self::WipeWithoutSignup(..) => "wipe Redis, a signup service is dead",
            Self::RestoreRedis => "older copy of Redis",
            Self::RestoreUnderNewSignups => "older copy of Redis, new signup services",
            Self::FillJournal(..) => "disk of a journal full",
            Self::KillPostgres(_) => "kill Postgres",
            Self::RestorePostgres => "older copy of Postgres",
            Self::FailOrders(failure, _) => failure.kind(),
            Self::PauseRelease(_) => "operator pauses",
            Self::RaiseCapacity(_) => "operator adds seats",
        }
    }
}

impl OrderFailure {
    fn choose(dice: &mut fastrand::Rng) -> Self {
        match dice.u32(0..5) {
            0 => Self::CommitsWithoutResponse,
            1 => Self::Closes,
            2 => Self::ErrorPage,
            3 => Self::Truncates,
            _ => Self::IsLate,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::CommitsWithoutResponse => "order service: lost response",
            Self::Closes => "order service: closed connection",
            Self::ErrorPage => "order service: 503",
            Self::Truncates => "order service: cut response",
            Self::IsLate => "order service: late",
        }
    }

    pub(super) fn behavior(self) -> Behavior {
        match self {
            Self::CommitsWithoutResponse => Behavior::NoResponse { executes: true },
            Self::Closes => Behavior::Close { executes: false },
            Self::ErrorPage => Behavior::error_page(503),
            Self::Truncates => Behavior::Truncate,
            Self::IsLate => Behavior::Delay(Duration::from_millis(1500)),
        }
    }
}
