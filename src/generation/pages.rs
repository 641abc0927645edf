//! Checks the page sizes of a Parquet file before it is decoded.
//!
//! The header of a page gives its uncompressed size, up to 2 GiB, and the reader of `parquet` allocates that before it
//! decompresses anything: an object of two kilobytes whose metadata pointed to a wrong offset took 1.4 GB. So the page
//! headers are checked first, with [`super::thrift`].

use parquet::file::metadata::ParquetMetaData;

use super::thrift::PageHead;

/// Longest uncompressed page: costlake writes 1 MiB, but one text value of a 32 MiB answer has to fit.
const MAX_UNPACKED: u64 = 64 << 20;

/// Whether every page of every column lies where the metadata say, with a header of plausible sizes.
#[must_use]
pub(super) fn are_bounded(metadata: &ParquetMetaData, file: &[u8]) -> bool {
    metadata.row_groups().iter().flat_map(|group| group.columns()).all(|column| {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let place = usize::try_from(start).ok().zip(usize::try_from(column.compressed_size()).ok());
        let chunk = place.and_then(|(start, length)| file.get(start..start.checked_add(length)?));
        chunk.is_some_and(is_bounded)
    })
}

fn is_bounded(mut chunk: &[u8]) -> bool {
    while !chunk.is_empty() {
        let Some((head, rest)) = PageHead::read(chunk) else { return false };
        let Some(rest) = usize::try_from(head.packed).ok().and_then(|packed| rest.get(packed..)) else { return false };
        if head.unpacked > MAX_UNPACKED {
            return false;
        }
        chunk = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{MAX_UNPACKED, is_bounded};

    /// A page header of sizes below 2^28, followed by `there` bytes.
    fn page(unpacked: u64, packed: u64, there: usize) -> Vec<u8> {
        let varint =
            |value: u64| (0..4).map(move |at| ((value >> (7 * at)) & 0x7f) as u8 | if at < 3 { 0x80 } else { 0 });
        let head = [0x25].into_iter().chain(varint(2 * unpacked)).chain([0x15]).chain(varint(2 * packed)).chain([0]);
        head.chain(std::iter::repeat_n(7, there)).collect()
    }

    #[test]
    fn a_column_is_its_pages_one_after_the_other() {
        let two = [page(100, 3, 3), page(MAX_UNPACKED, 5, 5)].concat();
        assert!(is_bounded(&two) && is_bounded(&[]));
        assert!(!is_bounded(&two[..two.len() - 1]), "the last page is cut short");
        assert!(!is_bounded(&page(MAX_UNPACKED + 1, 5, 5)), "a page that says it is too long");
        assert!(!is_bounded(&page(100, 5, 6)), "a byte that is no page");
    }
}
