//! Small files that are read again when their content changes, such as keys that are rotated.

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
    watch_all(name, [file], [first], ctx, move |[content]| use_content(content));
}

/// Like [`watch`], for files that are used together. One that was replaced before the others may not fit them; then they are tried again.
pub fn watch_all<const N: usize>(
    name: &'static str,
    files: [PathBuf; N],
    first: [String; N],
    ctx: &Context,
    use_contents: impl Fn(&[String; N]) -> anyhow::Result<()> + Send + 'static,
) {
    let health = ctx.health.check(name);
    health.ok();
    let mut known = first;
    let names = files.each_ref().map(|file| file.display().to_string()).join(", ");
    ctx.tasks.every(name, READ_PERIOD, move || {
        let read = read_all(&files).and_then(|contents| {
            if known != contents {
                use_contents(&contents).with_context(|| format!("cannot use {names}"))?;
                tracing::info!(files = names, "a file has changed and is in use");
                known = contents;
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

/// Reads files that are used together.
pub fn read_all<const N: usize>(files: &[PathBuf; N]) -> anyhow::Result<[String; N]> {
    let mut contents = [const { String::new() }; N];
    for (content, file) in contents.iter_mut().zip(files) {
        *content = read(file)?;
    }
    Ok(contents)
}
