//! The leader's writes as values, so that a store carries them out behind one gateway. They decide nothing.

use domain::AppKey;

use crate::contract::{Armed, Arming, Closing, Projection, Restored};

/// A leader's write.
#[derive(Debug)]
pub(crate) enum Lead {
    Arm(Arming),
    Project(Projection),
    Admitted { through: u32, keys: Vec<AppKey> },
    Acknowledge { through: i64 },
    Restore(Vec<Restored>),
    Settle,
}

/// What a leader's write did.
#[derive(Debug)]
pub(crate) enum Led {
    Armed(Armed),
    Closed(Closing),
    Written,
}

impl Lead {
    /// Whether it may come before the queue is armed: these are what brings a queue back.
    pub(crate) fn needs_no_arming(&self) -> bool {
        matches!(self, Self::Arm(_) | Self::Project(_) | Self::Restore(_))
    }
}
