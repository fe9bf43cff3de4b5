//! One process per directory: a second one learns who has it, and leaves.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::real::make_folder;

/// The file that is locked. It stays when the process ends: a lock that is removed could be taken twice.
const NAME: &str = "LOCK";

/// The most that is read of the holder's description, in bytes.
const HOLDER_BYTES_MAX: u64 = 512;

/// Held as long as this process owns the directory; goes with the process, however that ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{0} is in use by {1}; stop it, or choose another data_dir")]
    Taken(String, String),
    /// The system refused.
    #[error("{0} cannot be locked: {1}")]
    Io(String, io::Error),
}

impl DirectoryLock {
    /// Locks a directory for this process, which `holder` describes, in one line, to the next one that tries. The directory
    /// is made if it is not there.
    ///
    /// # Errors
    /// `Taken` with the description that the other process left, `Io` if the system refuses.
    pub fn take(folder: &Path, holder: &str) -> Result<Self, LockError> {
        let refused = |error| LockError::Io(folder.display().to_string(), error);
        make_folder(folder).map_err(refused)?;
        let file = open(&folder.join(NAME)).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {
                describe(&file, holder).map_err(refused)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Taken(
                folder.display().to_string(),
                described(&file).map_err(refused)?,
            )),
            Err(TryLockError::Error(error)) => Err(refused(error)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // What an earlier process wrote stays until the lock is ours.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Writes first and shortens then, so that whoever reads meanwhile finds a first line.
fn describe(file: &File, holder: &str) -> io::Result<()> {
    let line = format!("{}\n", holder.replace('\n', " "));
    file.write_all_at(line.as_bytes(), 0)?;
    file.set_len(line.len() as u64)
}

fn described(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // Empty only in the instant before the very first holder has described itself.
    let line = text.lines().next().filter(|line| !line.is_empty());
    Ok(line.unwrap_or("another process").to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_second_who_locks_learns_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(folder.path(), "quotad 0.1.0, process 4711").unwrap();
        let second = DirectoryLock::take(folder.path(), "process 4712").unwrap_err();
        assert_eq!(
            second.to_string(),
            format!(
                "{} is in use by quotad 0.1.0, process 4711; stop it, or choose another data_dir",
                folder.path().display()
            )
        );
        drop(first);
        let third = DirectoryLock::take(folder.path(), "process 4713").unwrap();
        let fourth = DirectoryLock::take(folder.path(), "process 4714").unwrap_err();
        assert!(fourth.to_string().contains("in use by process 4713;"));
        drop(third);
    }

    #[test]
    fn a_directory_that_is_not_there_is_made_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let _lock = DirectoryLock::take(&folder, "me").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(NAME)), 0o600);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_refused_by_name() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DirectoryLock::take(&file.join("data"), "me").unwrap_err();
        assert!(matches!(error, LockError::Io(ref name, _) if name.ends_with("file/data")));
    }
}
