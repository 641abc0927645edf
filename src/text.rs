//! Numbers formatted for people, the same on the terminal and on the status page; keys as names of columns.

use sha2::{Digest, Sha256};

/// A number with thousands separators: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// Digits with thousands separators.
#[must_use]
pub fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes: `22.3 MB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{}.{} kB", number / 1_000, number % 1_000 / 100),
        _ => format!("{}.{} MB", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// Bytes as hexadecimal digits, two each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `1 day`, `2 days`.
#[must_use]
pub fn plural(number: u64, what: &str) -> String {
    counted(number, what, &format!("{what}s"))
}

/// The number with the words for one, or those for any other number: `1 day is`, `2 days are`.
#[must_use]
pub fn counted(number: u64, one: &str, others: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { others })
}

/// A key as part of a column name: lower case, each run of other characters than ASCII letters and digits becomes one
/// `_`. A key without any is replaced by its hash, because every engine must be able to read the column name.
#[must_use]
pub fn slug(key: &str) -> String {
    let mut slug = String::new();
    for c in key.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() {
        return hex(&Sha256::digest(key.as_bytes())[..4]);
    }
    slug.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, counted, hex, plural, slug};

    #[test]
    fn a_byte_is_two_digits() {
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([5, 1_500, 22_300_000].map(bytes), ["5 B", "1.5 kB", "22.3 MB"]);
        assert_eq!([plural(1, "day"), plural(2, "day")], ["1 day", "2 days"]);
        assert_eq!(
            [1, 0, 1_200].map(|n| counted(n, "day is", "days are")),
            ["1 day is", "0 days are", "1,200 days are"]
        );
    }

    #[test]
    fn tag_keys_become_column_names() {
        for (key, wanted) in [
            ("team", "team"),
            ("Cost Center", "cost_center"),
            ("aws:createdBy", "aws_createdby"),
            ("  x--y  ", "x_y"),
            ("ProjectId", "projectid"),
            ("Größe", "gr_e"),
        ] {
            assert_eq!(slug(key), wanted, "{key}");
        }
        assert_eq!(slug("日本").len(), 8);
    }
}
