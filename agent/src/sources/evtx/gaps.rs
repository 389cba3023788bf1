//! Files with holes: a preallocated log may be gigabytes of nothing. It must not read what the file system knows to be
//! a hole.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};

/// A file that an event log can be read from.
pub trait LogFile: Read + Seek {
    /// Where the next bytes at or after `offset` are that may be other than zero; nothing where only a hole follows.
    /// The position in the file is undefined afterwards.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>>;
}

impl LogFile for File {
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        use rustix::io::Errno;
        match rustix::fs::seek(&*self, rustix::fs::SeekFrom::Data(offset)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::NXIO) => Ok(None),
            // A file system without holes: everything may be data.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(offset)),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }
}

impl<T: AsRef<[u8]>> LogFile for Cursor<T> {
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }
}

impl<F: LogFile + ?Sized> LogFile for &mut F {
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        (**self).next_data(offset)
    }
}
