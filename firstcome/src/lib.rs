//! The program's composition root: which parts run, over which stores. It holds no rule of its own.

pub mod command;
mod crowd;
mod keys;
mod output;
pub mod setup;
mod stores;
pub mod system;

pub use setup::Setup;
pub use system::System;
