//! The key file: root secrets by key id. It is created once, readable only by its owner, and never overwritten: without the old
//! keys no receipt could be read and every applicant could apply a second time.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use data_encoding::HEXLOWER_PERMISSIVE;
use domain::keys::Root;
use domain::{Keyring, Kid, Rng};

/// Reads the keys. Creates the first key if there is neither a key file nor a queue that was created with one.
pub(crate) fn read_or_make(file: &Path, queue: &Path, rng: &Rng) -> anyhow::Result<Keyring> {
    if !file.exists() {
        let is_orphaned = queue.exists();
        ensure!(
            !is_orphaned,
            "{} is missing, but {} holds a queue that was made with it: put the key file back",
            file.display(),
            queue.display()
        );
        make(file, rng)?;
    }
    read(file)
}

/// Creates a key file with one new key. Never overwrites a file.
pub(crate) fn make(file: &Path, rng: &Rng) -> anyhow::Result<()> {
    ensure!(!file.exists(), "{} exists, and key files are never overwritten", file.display());
    let mut secret = [0; 32];
    rng(&mut secret);
    let text = format!(
        "# Root secrets. Keep this file: receipts and application keys are derived from it.\n\
         # To rotate, add a key, then set it as current; keep the old ones until their events are over.\n\
         current = \"k1\"\n\n[keys]\nk1 = \"{}\"\n",
        HEXLOWER_PERMISSIVE.encode(&secret)
    );
    // Written to another file first and then renamed, so that a crash cannot leave a partial key file.
    let partial = file.with_extension("new");
    let mut out =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads a key file. Fails if other users can read it.
pub(crate) fn read(file: &Path) -> anyhow::Result<Keyring> {
    let path = file.display();
    let metadata = std::fs::metadata(file).with_context(|| {
        format!("cannot read {path}; `firstcome keys make {path}` creates one for all processes")
    })?;
    let others_may_read = open_to_others(metadata.mode(), metadata.uid(), metadata.gid());
    ensure!(!others_may_read, "{path} can be read by others: chmod 600 {path}");
    let table: toml::Table =
        std::fs::read_to_string(file)?.parse().with_context(|| format!("{path} is not TOML"))?;
    let current = table.get("current").and_then(toml::Value::as_str).and_then(Kid::new);
    let current = current.with_context(|| format!("{path} does not name a current key: current = \"k1\""))?;
    let Some(keys) = table.get("keys").and_then(toml::Value::as_table) else { bail!("{path} has no [keys]") };
    let roots = keys.iter().map(|(kid, secret)| {
        let kid = Kid::new(kid)
            .with_context(|| format!("{path}: a key id is 1 to 8 of a-z and 0-9, not '{kid}'"))?;
        let bytes = secret.as_str().and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok());
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let root =
            bytes.with_context(|| format!("{path}: key {} is not 64 hexadecimal digits", kid.as_str()))?;
        Ok((kid, Root::new(root)))
    });
    let roots = roots.collect::<anyhow::Result<Vec<_>>>()?;
    Keyring::new(current, roots).with_context(|| format!("in {path}"))
}

/// Whether users other than the owner and root have rights to a file. The group root may read a file of root: systemd passes a
/// credential as such a file, mode 0440, with an access control list for the user of the service.
fn open_to_others(mode: u32, uid: u32, gid: u32) -> bool {
    let allowed = if (uid, gid) == (0, 0) { 0o740 } else { 0o700 };
    mode & 0o777 & !allowed != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use testkit::TempFolder;

    const FILE: &str = "keys.toml";

    fn keys_of(folder: &TempFolder, seed: u64) -> anyhow::Result<Keyring> {
        read_or_make(&folder.path().join(FILE), &folder.path().join("queue.db"), &testkit::seeded(seed))
    }
    fn error_of(folder: &TempFolder) -> String {
        format!("{:#}", keys_of(folder, 1).unwrap_err())
    }

    #[test]
    fn the_first_key_is_created_once_and_only_its_owner_can_read_it() {
        let folder = TempFolder::new("keys");
        keys_of(&folder, 1).unwrap();
        let first = std::fs::read(folder.path().join(FILE)).unwrap();
        keys_of(&folder, 2).unwrap();
        assert_eq!(std::fs::read(folder.path().join(FILE)).unwrap(), first);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_queue_without_its_key_file_gets_no_new_keys() {
        let folder = TempFolder::new("keys");
        std::fs::write(folder.path().join("queue.db"), "").unwrap();
        assert!(error_of(&folder).contains("put the key file back"));
    }

    #[test]
    fn a_systemd_credential_is_accepted() {
        let root_group = [0o400, 0o440, 0o600, 0o640].map(|mode| open_to_others(mode, 0, 0));
        assert_eq!(root_group, [false; 4]);
        let other_group = [0o440, 0o640].map(|mode| open_to_others(mode, 0, 5) && open_to_others(mode, 5, 0));
        assert_eq!(other_group, [true; 2]);
        assert_eq!([0o400, 0o600].map(|mode| open_to_others(mode, 5, 5)), [false; 2]);
        assert_eq!([0o404, 0o460, 0o450, 0o401].map(|mode| open_to_others(mode, 0, 0)), [true; 4]);
    }

    #[test]
    fn a_broken_or_readable_key_file_is_refused_with_the_reason() {
        let folder = TempFolder::new("keys");
        let file = folder.path().join(FILE);
        std::fs::write(&file, "current = \"k1\"").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(error_of(&folder).contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(error_of(&folder).contains("[keys]"));
        std::fs::write(&file, "current = \"k1\"\n[keys]\nk1 = \"abc\"").unwrap();
        assert!(error_of(&folder).contains("64 hexadecimal digits"));
        std::fs::write(&file, format!("current = \"k2\"\n[keys]\nk1 = \"{}\"", "0".repeat(64))).unwrap();
        assert!(error_of(&folder).contains("'k2'"));
    }
}
