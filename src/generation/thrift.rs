//! Whether the metadata of a Parquet file can be read in time, and how long its pages say they are.
//!
//! The parser of `parquet` takes a list of booleans that it skips for elements without bytes, where the
//! [compact protocol](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) has one byte for
//! each: five bytes that promise 2^31 of them cost it seconds, and a list of such lists days. No footer of Parquet has
//! booleans in lists. Everything else is at least a byte long, so that looking through it takes no longer than it is.
//!
//! | type | bytes |
//! |---|---|
//! | 1, 2 a boolean | none in a struct; refused in lists and maps |
//! | 3 a byte | 1 |
//! | 4, 5, 6 an integer | a varint |
//! | 7 a double | 8 |
//! | 8 text | a varint, and as many bytes |
//! | 9, 10 a list, a set | a head with type and count, and its elements |
//! | 11 a map | a varint; if it is not 0, a byte with two types, and its pairs |
//! | 12 a struct | a head for each field, and the field; 0 ends it |
//! | 13 a UUID | 16 |

/// Structs and lists in one another: those of Parquet are a quarter as deep.
const MAX_DEPTH: u32 = 24;

/// Whether `bytes` begin with a struct of the compact protocol that is as long as it says, without booleans in lists.
#[must_use]
pub(super) fn is_bounded(bytes: &[u8]) -> bool {
    Cursor(bytes).of_struct(MAX_DEPTH).is_some()
}

/// What is left to look through. `None` is what cannot be.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn of_struct(&mut self, depth: u32) -> Option<()> {
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Some(());
            }
            if head >> 4 == 0 {
                self.varint()?;
            }
            if kind > 2 {
                self.of(kind, depth)?;
            }
        }
    }

    /// A value that has bytes of its own.
    fn of(&mut self, kind: u8, depth: u32) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => self.varint().and_then(|length| self.skip(length)),
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..count).try_for_each(|_| self.of(head & 0x0f, deeper))
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.of(kinds >> 4, deeper)?;
                    self.of(kinds & 0x0f, deeper)
                })
            }
            12 => self.of_struct(deeper),
            13 => self.skip(16),
            _ => None,
        }
    }
}

/// The [head of a page](https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift), as far as it
/// says how long the page is: in bytes, as it lies in the file and unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageHead {
    pub(super) packed: u64,
    pub(super) unpacked: u64,
}

impl PageHead {
    /// The head that `bytes` begin with, and what follows it; `None` when it is none or leaves a length out.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut cursor = Cursor(bytes);
        let (mut id, mut packed, mut unpacked) = (0, None, None);
        loop {
            let head = cursor.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Some((Self { packed: packed?, unpacked: unpacked? }, cursor.0));
            }
            id = if head >> 4 == 0 { natural(cursor.varint()?)? } else { id + u64::from(head >> 4) };
            match (id, kind) {
                (2, 5) => unpacked = Some(natural(cursor.varint()?)?),
                (3, 5) => packed = Some(natural(cursor.varint()?)?),
                (_, 1 | 2) => {}
                _ => cursor.of(kind, MAX_DEPTH)?,
            }
        }
    }
}

/// A number that is not negative, of its zigzag form.
fn natural(varint: u64) -> Option<u64> {
    varint.is_multiple_of(2).then_some(varint >> 1)
}

#[cfg(test)]
mod tests {
    use super::{PageHead, is_bounded};

    #[test]
    fn a_page_says_how_long_it_is() {
        let read = |bytes: &[u8]| PageHead::read(bytes).map(|(head, rest)| (head.unpacked, head.packed, rest.len()));
        for (what, bytes, wanted) in [
            ("both lengths, and a byte of the page", &[0x15, 0, 0x15, 0x80, 1, 0x15, 8, 0, 9][..], Some((64, 4, 1))),
            ("a struct and a flag behind them", &[0x25, 2, 0x15, 4, 0x2c, 0x15, 2, 0, 0x11, 0], Some((1, 2, 0))),
            ("fields with numbers of their own", &[0x05, 4, 2, 0x05, 6, 4, 0], Some((1, 2, 0))),
            ("without its length unpacked", &[0x35, 2, 0], None),
            ("without its length in the file", &[0x25, 2, 0], None),
            ("a negative length", &[0x25, 3, 0x15, 4, 0], None),
            ("a length of another type", &[0x26, 2, 0x15, 4, 0], None),
            ("without an end", &[0x25, 2, 0x15, 4], None),
            ("a list of booleans behind them", &[0x25, 2, 0x15, 4, 0x19, 0xf1, 0xff, 0xff, 0x7f, 0], None),
        ] {
            assert_eq!(read(bytes), wanted, "{what}");
        }
    }

    #[test]
    fn each_type_is_as_long_as_the_protocol_says() {
        for (what, bytes, sound) in [
            ("nothing", &[][..], false),
            ("an empty struct", &[0], true),
            ("booleans in a struct", &[0x11, 0x12, 0], true),
            ("a field with a number of its own", &[0x01, 0x80, 0x01, 0], true),
            (
                "a byte, three integers, a double",
                &[0x13, 9, 0x14, 2, 0x15, 0x80, 1, 0x16, 2, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0],
                true,
            ),
            ("a double cut short", &[0x17, 1, 2, 3, 4, 5, 6, 7], false),
            ("text", &[0x18, 2, b'a', b'b', 0], true),
            ("text beyond the end", &[0x18, 9, b'a', 0], false),
            ("a list of two integers", &[0x19, 0x25, 1, 2, 0], true),
            ("a set with a long count", &[0x1a, 0xf3, 2, 1, 2, 0], true),
            ("a list beyond the end", &[0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f, 1, 2, 0], false),
            ("a list of booleans", &[0x19, 0xf1, 0xff, 0xff, 0xff, 0x7f, 1, 2, 0], false),
            ("an empty list of booleans", &[0x19, 0x01, 0], true),
            ("a list of nothing", &[0x19, 0x20, 0], false),
            ("an empty map", &[0x1b, 0, 0], true),
            ("a map", &[0x1b, 1, 0x58, 7, 1, b'a', 0], true),
            ("a map of booleans", &[0x1b, 0xff, 0xff, 0xff, 0x7f, 0x11, 0], false),
            ("a struct in a struct", &[0x1c, 0x15, 2, 0, 0], true),
            ("a struct without an end", &[0x1c, 0x15, 2], false),
            ("a UUID", &[0x1d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], true),
            ("an unknown type", &[0x1e, 0, 0], false),
            (
                "a number without an end",
                &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
                false,
            ),
        ] {
            assert_eq!(is_bounded(bytes), sound, "{what}");
        }
        assert!(!is_bounded(&[0x1c; 100_000]), "a hundred thousand structs in one another");
    }
}
