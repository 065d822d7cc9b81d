//! The transactions of an event's leader: each checks the leader's fence and extends its lease.

pub(crate) mod admission;
pub(crate) mod called;
pub(crate) mod epoch;
pub(crate) mod freeze;
pub(crate) mod inbox;
pub(crate) mod known_applications;
pub(crate) mod leader_lease;
pub(crate) mod lifecycle;
pub(crate) mod numbering;
pub(crate) mod projection;
pub(crate) mod queue_status;
pub(crate) mod reconciliation;
pub(crate) mod recovery;
