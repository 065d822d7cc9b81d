//! The composition root of the program: selects the parts that run and the stores they use. It contains no domain logic.

pub mod command;
mod crowd;
mod keys;
mod output;
pub mod setup;
mod stores;
pub mod system;

pub use setup::Setup;
pub use system::System;
