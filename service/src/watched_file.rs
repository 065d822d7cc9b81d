//! A small file that is read again when its content changes, such as public keys that are rotated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::Context;

/// How often the file is read.
const READ_PERIOD: Duration = Duration::from_secs(2);
/// The longest file, in bytes.
const LENGTH_MAX: u64 = 64 * 1024;

/// Reads the file.
pub fn read(file: &Path) -> anyhow::Result<String> {
    let path = file.display();
    let length = std::fs::metadata(file).with_context(|| format!("cannot read {path}"))?.len();
    ensure!(length <= LENGTH_MAX, "{path} is longer than {LENGTH_MAX} bytes");
    std::fs::read_to_string(file).with_context(|| format!("cannot read {path}"))
}

/// Reads the file again and again until the tasks are stopped, and uses its content when it is not that of `first` or of the last time.
/// While the file cannot be read or used, the last content stays in use, and the check `name` warns.
pub fn watch(
    name: &'static str,
    file: PathBuf,
    first: String,
    ctx: &Context,
    use_content: impl Fn(&str) -> anyhow::Result<()> + Send + 'static,
) {
    let health = ctx.health.check(name);
    health.ok();
    let mut known = first;
    ctx.tasks.every(name, READ_PERIOD, move || {
        let read = read(&file).and_then(|content| {
            if known != content {
                use_content(&content).with_context(|| format!("cannot use {}", file.display()))?;
                tracing::info!(file = %file.display(), "a file has changed and is in use");
                known = content;
            }
            Ok(())
        });
        match read {
            Ok(()) => health.ok(),
            Err(error) => health.warn(format!("the last content stays in use: {error:#}")),
        }
        std::future::ready(())
    });
}
