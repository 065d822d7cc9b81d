//! The file with the public keys of passes. A rotation replaces it, so it is read again when its content changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use domain::PassVerifier;
use parking_lot::Mutex;
use service::Context;

/// How often the file is read.
const READ_PERIOD: Duration = Duration::from_secs(2);
/// The longest file.
const FILE_MAX: u64 = 64 * 1024;

/// Reads the file.
pub(super) fn read(file: &Path) -> anyhow::Result<(String, PassVerifier)> {
    let path = file.display();
    let length = std::fs::metadata(file).with_context(|| {
        format!("cannot read {path}; `firstcome keys passes KEYS` prints the public keys of passes")
    })?;
    anyhow::ensure!(length.len() <= FILE_MAX, "{path} is longer than {FILE_MAX} bytes");
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {path}"))?;
    let verifier = PassVerifier::from_jwks(&text).with_context(|| format!("{path} has no keys of passes"))?;
    Ok((text, verifier))
}

/// Reads the file again and again until the tasks are stopped, and passes on changed keys. While it cannot be read, the last keys stay in
/// use.
pub(super) fn watch(
    file: PathBuf,
    first: String,
    ctx: &Context,
    use_keys: impl Fn(PassVerifier) + Send + Sync + 'static,
) {
    let health = ctx.health.check("gateway-pass-keys");
    health.ok();
    let known = Mutex::new(first);
    ctx.tasks.every("gateway pass keys", READ_PERIOD, move || {
        match read(&file) {
            Ok((text, verifier)) => {
                let mut known = known.lock();
                if *known != text {
                    tracing::info!(keys = ?verifier, "the keys of passes have changed");
                    use_keys(verifier);
                    *known = text;
                }
                health.ok();
            }
            Err(error) => health.warn(format!("the last keys stay in use: {error:#}")),
        }
        std::future::ready(())
    });
}
