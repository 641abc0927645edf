//! Checks that the metadata of a Parquet file can be parsed in linear time, and reads the sizes in its page headers.
//!
//! The parser of `parquet` skips booleans in a list as elements without bytes, where the
//! [compact protocol](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) has one byte
//! for each: five bytes that declare 2^31 of them take seconds to parse, and a list of such lists takes days. No
//! Parquet footer has booleans in lists. Every other element takes at least one byte, so the check is linear.
//!
//! | type | bytes |
//! |---|---|
//! | 1, 2 a boolean | none in a struct; refused in lists and maps |
//! | 3 a byte | 1 |
//! | 4, 5, 6 an integer | a varint |
//! | 7 a double | 8 |
//! | 8 text | a varint, and that many bytes |
//! | 9, 10 a list, a set | a header with type and count, and its elements |
//! | 11 a map | a varint; if it is not 0, a byte with two types, and its pairs |
//! | 12 a struct | a header for each field, and the field; 0 ends it |
//! | 13 a UUID | 16 |
//!
//! That parser also reads a known field as its expected type, whatever type its header declares, and so may get out of
//! step with the protocol. A field of [`FILE`] with another type is refused, so that both agree on every byte.

use Kind::{Byte, Double, Flag, Int, List, Long, Short, Struct, Text};

/// Deepest nesting of structs and lists accepted; Parquet's own is half as deep.
const MAX_DEPTH: u32 = 24;

/// The type of a field or an element.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Flag,
    Byte,
    Short,
    Int,
    Long,
    Double,
    Text,
    List(&'static Kind),
    Struct(Fields),
}

/// The known fields of a struct, by field number.
type Fields = &'static [(u64, Kind)];

/// The structs of <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.
const FILE: Fields = &[
    (1, Int),
    (2, List(&Struct(SCHEMA_ELEMENT))),
    (3, Long),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(KEY_VALUE))),
    (6, Text),
    (7, List(&Struct(&[(1, Struct(&[]))]))),
];
const SCHEMA_ELEMENT: Fields = &[
    (1, Int),
    (2, Int),
    (3, Int),
    (4, Text),
    (5, Int),
    (6, Int),
    (7, Int),
    (8, Int),
    (9, Int),
    (10, Struct(LOGICAL_TYPE)),
];
const LOGICAL_TYPE: Fields = &[
    (1, Struct(&[])),
    (2, Struct(&[])),
    (3, Struct(&[])),
    (4, Struct(&[])),
    (5, Struct(&[(1, Int), (2, Int)])),
    (6, Struct(&[])),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Flag)])),
    (11, Struct(&[])),
    (12, Struct(&[])),
    (13, Struct(&[])),
    (14, Struct(&[])),
    (15, Struct(&[])),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Text)])),
    (18, Struct(&[(1, Text), (2, Int)])),
];
const TIME: Fields = &[(1, Flag), (2, Struct(&[(1, Struct(&[])), (2, Struct(&[])), (3, Struct(&[]))]))];
const KEY_VALUE: Fields = &[(1, Text), (2, Text)];
const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, Long),
    (3, Long),
    (4, List(&Struct(&[(1, Int), (2, Flag), (3, Flag)]))),
    (5, Long),
    (6, Long),
    (7, Short),
];
const COLUMN_CHUNK: Fields =
    &[(1, Text), (2, Long), (3, Struct(COLUMN)), (4, Long), (5, Int), (6, Long), (7, Int), (9, Text)];
const COLUMN: Fields = &[
    (1, Int),
    (2, List(&Int)),
    (3, List(&Text)),
    (4, Int),
    (5, Long),
    (6, Long),
    (7, Long),
    (8, List(&Struct(KEY_VALUE))),
    (9, Long),
    (10, Long),
    (11, Long),
    (12, Struct(STATISTICS)),
    (13, List(&Struct(&[(1, Int), (2, Int), (3, Int)]))),
    (14, Long),
    (15, Int),
    (16, Struct(&[(1, Long), (2, List(&Long)), (3, List(&Long))])),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&Int))])),
];
const STATISTICS: Fields =
    &[(1, Text), (2, Text), (3, Long), (4, Long), (5, Text), (6, Text), (7, Flag), (8, Flag), (9, Long)];
const BOX: Fields =
    &[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)];
/// The fields of a page header, without its sizes.
const PAGE: Fields = &[
    (1, Int),
    (4, Int),
    (5, Struct(&[(1, Int), (2, Int), (3, Int), (4, Int), (5, Struct(STATISTICS))])),
    (6, Struct(&[])),
    (7, Struct(&[(1, Int), (2, Int), (3, Flag)])),
    (8, Struct(&[(1, Int), (2, Int), (3, Int), (4, Int), (5, Int), (6, Int), (7, Flag), (8, Struct(STATISTICS))])),
];

/// Whether `bytes` begin with complete file metadata of the known types, without booleans in lists.
#[must_use]
pub(super) fn is_bounded(bytes: &[u8]) -> bool {
    Cursor(bytes).fields(FILE, MAX_DEPTH).is_some()
}

/// The bytes left to check. Its methods return `None` on invalid data.
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

    /// Number and type of the next field after field number `last`; type 0 is the end.
    fn head(&mut self, last: u64) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        let id = match head >> 4 {
            _ if kind == 0 => last,
            0 => natural(self.varint()?)?,
            more => last + u64::from(more),
        };
        Some((id, kind))
    }

    fn fields(&mut self, known: Fields, depth: u32) -> Option<()> {
        let mut id = 0;
        loop {
            let (next, kind) = self.head(id)?;
            if kind == 0 {
                return Some(());
            }
            id = next;
            self.field(known, id, kind, depth)?;
        }
    }

    fn field(&mut self, known: Fields, id: u64, kind: u8, depth: u32) -> Option<()> {
        match known.iter().find(|(number, _)| *number == id) {
            Some((_, Flag)) => matches!(kind, 1 | 2).then_some(()),
            Some((_, wanted)) => self.known(*wanted, kind, depth),
            None if matches!(kind, 1 | 2) => Some(()),
            None => self.unknown(kind, depth),
        }
    }

    /// Skips a value that must have the type `wanted`; booleans, which are part of the field header, are not values.
    fn known(&mut self, wanted: Kind, kind: u8, depth: u32) -> Option<()> {
        match (wanted, kind) {
            (Byte, 3) | (Short, 4) | (Int, 5) | (Long, 6) | (Double, 7) | (Text, 8) => self.unknown(kind, depth),
            (List(inner), 9) => self.elements(depth, |cursor, kind, deeper| cursor.known(*inner, kind, deeper)),
            (Struct(fields), 12) => self.fields(fields, depth.checked_sub(1)?),
            _ => None,
        }
    }

    /// Skips a value of any type but a boolean.
    fn unknown(&mut self, kind: u8, depth: u32) -> Option<()> {
        match kind {
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => self.varint().and_then(|length| self.skip(length)),
            9 | 10 => self.elements(depth, Self::unknown),
            11 => {
                let (count, deeper) = (self.varint()?, depth.checked_sub(1)?);
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.unknown(kinds >> 4, deeper)?;
                    self.unknown(kinds & 0x0f, deeper)
                })
            }
            12 => self.fields(&[], depth.checked_sub(1)?),
            13 => self.skip(16),
            _ => None,
        }
    }

    fn elements(&mut self, depth: u32, each: impl Fn(&mut Self, u8, u32) -> Option<()>) -> Option<()> {
        let (head, deeper) = (self.byte()?, depth.checked_sub(1)?);
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (0..count).try_for_each(|_| each(self, head & 0x0f, deeper))
    }
}

/// The sizes in a [page header](https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift),
/// in bytes: compressed, as in the file, and uncompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageHead {
    pub(super) packed: u64,
    pub(super) unpacked: u64,
}

impl PageHead {
    /// The header at the start of `bytes`, and the rest; `None` when it is invalid or lacks a size.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut cursor = Cursor(bytes);
        let (mut id, mut packed, mut unpacked) = (0, None, None);
        loop {
            let (next, kind) = cursor.head(id)?;
            id = next;
            match (id, kind) {
                (_, 0) => return Some((Self { packed: packed?, unpacked: unpacked? }, cursor.0)),
                (2, 5) => unpacked = Some(natural(cursor.varint()?)?),
                (3, 5) => packed = Some(natural(cursor.varint()?)?),
                (2 | 3, _) => return None,
                _ => cursor.field(PAGE, id, kind, MAX_DEPTH)?,
            }
        }
    }
}

/// Decodes a zigzag varint; `None` if it is negative.
fn natural(varint: u64) -> Option<u64> {
    varint.is_multiple_of(2).then_some(varint >> 1)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, MAX_DEPTH, PageHead, is_bounded};

    #[test]
    fn a_page_says_how_long_it_is() {
        let read = |bytes: &[u8]| PageHead::read(bytes).map(|(head, rest)| (head.unpacked, head.packed, rest.len()));
        for (what, bytes, wanted) in [
            ("both lengths, and a byte of the page", &[0x15, 0, 0x15, 0x80, 1, 0x15, 8, 0, 9][..], Some((64, 4, 1))),
            ("a struct and a flag behind them", &[0x25, 2, 0x15, 4, 0x2c, 0x15, 2, 0, 0xf1, 0], Some((1, 2, 0))),
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
            assert_eq!(Cursor(bytes).fields(&[], MAX_DEPTH).is_some(), sound, "{what}");
        }
        assert!(!is_bounded(&[0x1c; 100_000]), "a hundred thousand structs in one another");
    }

    #[test]
    fn a_field_is_of_its_own_type_or_none_of_the_known() {
        for (what, bytes, sound) in [
            ("a version", &[0x15, 2, 0][..], true),
            ("a version that is text", &[0x18, 1, b'a', 0], false),
            ("a version that is a flag", &[0x11, 0], false),
            ("a column's name", &[0x29, 0x1c, 0x48, 1, b'a', 0, 0], true),
            ("a column's name that is a number", &[0x29, 0x1c, 0x45, 2, 0, 0], false),
            ("columns that are numbers", &[0x29, 0x15, 2, 0], false),
            ("a set of columns", &[0x2a, 0x1c, 0x48, 1, b'a', 0, 0], false),
            ("a field that nobody knows", &[0x08, 80, 1, b'a', 0], true),
        ] {
            assert_eq!(is_bounded(bytes), sound, "{what}");
        }
    }
}
