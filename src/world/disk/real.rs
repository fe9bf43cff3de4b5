//! A directory of the machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Disk, Mapped, Output, flat, mapping};

/// How much is read, written or zeroed with one call of the system: large enough that the calls do not count.
const BUFFER_BYTES: usize = 64 << 10;

/// The unit in which the system tells how much of a disk a file takes.
const BLOCK_BYTES: u64 = 512;

/// A directory of the machine.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    /// Open since the beginning, so that a sync learns of every failure since.
    directory: File,
}

impl RealDisk {
    /// Opens a directory, making it, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// What the system answers.
    pub fn open(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            directory: File::open(folder)?,
        })
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        Ok(self.folder.join(flat(name)?))
    }

    /// A file that nobody had under this name before.
    fn make(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }
}

/// Makes a directory and those above it where they are missing, each safe in the one above.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => Path::new("/"),
    };
    make_folder(above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // What has no readable name is not ours, and neither is a directory (`lost+found`).
            if let (true, Ok(name)) = (
                entry.file_type()?.is_file(),
                entry.file_name().into_string(),
            ) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        let file = File::open(self.path(name)?)?;
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let file = Self::make(&path)?;
        Ok(Box::new(Written(BufWriter::with_capacity(
            BUFFER_BYTES,
            file,
        ))))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path(name)?)?;
        Ok(Box::new(Written(BufWriter::with_capacity(
            BUFFER_BYTES,
            file,
        ))))
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()> {
        let path = self.path(name)?;
        let file = Self::make(&path)?;
        let Err(error) = zero(&file, bytes) else {
            return Ok(());
        };
        match fs::remove_file(&path) {
            Ok(()) => Err(error),
            Err(second) => Err(io::Error::new(
                error.kind(),
                format!("{error}; and what there is of it cannot be removed: {second}"),
            )),
        }
    }

    fn map(&self, name: &str) -> io::Result<Mapped> {
        let path = self.path(name)?;
        mapping::map(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn placed(&self, name: &str) -> io::Result<Option<u64>> {
        let metadata = fs::metadata(self.path(name)?)?;
        let length = metadata.len();
        Ok((metadata.blocks() * BLOCK_BYTES >= length).then_some(length))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

/// Writes zeros rather than reserve the place only: the first store to a place that is merely reserved waits for the file
/// system's own journal, up to 27 ms (measured).
fn zero(mut file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; BUFFER_BYTES];
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
        file.write_all(&zeros[..now])?;
        left -= now as u64;
    }
    file.sync_data()
}

struct Written(BufWriter<File>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for Written {
    fn sync(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_all()
    }
}
