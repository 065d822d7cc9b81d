//! The settings of a process: one TOML file, then the environment, then flags; later ones win. The origin of every value is kept
//! for messages, and all mistakes are reported together. The part that reads a setting decides what it means.

mod duration;
mod file;
mod part;
mod print;
mod settings;
mod state;
mod suggest;

pub use part::{Part, parse_time};
pub use print::{PrintedSettings, SettingChange};
pub use settings::{ENV_PREFIX, Settings};
pub use state::Mistakes;
