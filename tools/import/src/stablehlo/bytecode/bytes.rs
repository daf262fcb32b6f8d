//! Bytes of a file from one place to another, and the numbers in them.

use std::fmt;

/// What is wrong with a file, and at which byte.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) at: usize,
    pub(super) message: String,
}

pub(super) type Read<T> = Result<T, Damage>;

#[derive(Clone)]
pub(super) struct Bytes<'f> {
    file: &'f [u8],
    at: usize,
    end: usize,
}

impl<'f> Bytes<'f> {
    pub(super) fn new(file: &'f [u8]) -> Self {
        Self { file, at: 0, end: file.len() }
    }

    pub(super) fn at_end(file: &'f [u8]) -> Self {
        Self { file, at: file.len(), end: file.len() }
    }

    pub(super) fn fail<T>(&self, message: impl fmt::Display) -> Read<T> {
        Err(Damage { at: self.at, message: message.to_string() })
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.end
    }

    pub(super) fn rest(&self) -> &'f [u8] {
        &self.file[self.at..self.end]
    }

    pub(super) fn pass(&mut self, count: usize) -> Read<()> {
        if count > self.end - self.at {
            return self.fail(format!("{count} bytes where {} are left", self.end - self.at));
        }
        self.at += count;
        Ok(())
    }

    /// The next bytes by themselves.
    pub(super) fn part(&mut self, count: usize) -> Read<Self> {
        let start = self.at;
        self.pass(count)?;
        Ok(Self { file: self.file, at: start, end: self.at })
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        let byte = self.rest().first().copied();
        self.pass(1)?;
        Ok(byte.unwrap_or(0))
    }

    /// A number whose length is the number of zeros that its first byte ends with.
    pub(super) fn varint(&mut self) -> Read<u64> {
        let first = self.byte()?;
        let more = first.trailing_zeros() as usize;
        let start = self.at;
        self.pass(more)?;
        let mut wide = [0; 8];
        wide[..more].copy_from_slice(&self.file[start..start + more]);
        let high = u64::from_le_bytes(wide);
        // With eight bytes after it, the first has no bits of the number.
        Ok(if more == 8 { high } else { high << (7 - more) | u64::from(first) >> (more + 1) })
    }

    pub(super) fn signed(&mut self) -> Read<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number and a flag.
    pub(super) fn flagged(&mut self) -> Read<(u64, bool)> {
        let value = self.varint()?;
        Ok((value >> 1, value & 1 == 1))
    }

    /// A number of bytes, of which there are so many.
    pub(super) fn size(&mut self) -> Read<usize> {
        self.count()
    }

    /// How many of something follow, each of which takes a byte at least.
    pub(super) fn count(&mut self) -> Read<usize> {
        let count = self.varint()?;
        self.checked(count)
    }

    /// As [`Self::count`], with a flag.
    pub(super) fn flagged_count(&mut self) -> Read<(usize, bool)> {
        let (count, flag) = self.flagged()?;
        Ok((self.checked(count)?, flag))
    }

    pub(super) fn checked(&self, count: u64) -> Read<usize> {
        let left = self.end - self.at;
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(count),
            _ => self.fail(format!("{count} of something where {left} bytes are left")),
        }
    }

    /// The number of an entry of a table of this length.
    pub(super) fn index(&mut self, length: usize) -> Read<usize> {
        let index = self.varint()?;
        match usize::try_from(index) {
            Ok(index) if index < length => Ok(index),
            _ => self.fail(format!("number {index} of {length}")),
        }
    }

    pub(super) fn text_to_null(&mut self) -> Read<()> {
        match self.rest().iter().position(|byte| *byte == 0) {
            Some(length) => self.pass(length + 1),
            None => self.fail("a string does not end"),
        }
    }

    /// A section: its number and what is in it.
    pub(super) fn section(&mut self) -> Read<(u8, Self)> {
        let first = self.byte()?;
        let length = self.varint()?;
        if first & 0x80 != 0 {
            let alignment = self.varint()?;
            if !alignment.is_power_of_two() || alignment > 1 << 20 {
                return self.fail(format!("an alignment of {alignment} bytes"));
            }
            let rest = self.at % alignment as usize;
            if rest != 0 {
                self.pass(alignment as usize - rest)?;
            }
        }
        let length = self.checked(length)?;
        Ok((first & 0x7f, self.part(length)?))
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn numbers_are_read_at_every_length() {
        for (bytes, value) in [
            (&[0x01][..], 0),
            (&[0xff], 127),
            (&[0x02, 0x02], 128),
            (&[0xfe, 0xff], (1 << 14) - 1),
            (&[0x04, 0x00, 0x02], 1 << 14),
            (&[0x80, 1, 0, 0, 0, 0, 0, 0], 1),
            (&[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], u64::MAX),
        ] {
            assert_eq!(Bytes::new(bytes).varint().unwrap(), value, "{bytes:?}");
            assert!(Bytes::new(&bytes[..bytes.len() - 1]).varint().is_err(), "{bytes:?}");
        }
        assert_eq!(Bytes::new(&[0x07]).signed().unwrap(), -2);
    }
}
