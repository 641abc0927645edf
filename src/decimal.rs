//! Amounts: decimal text to a 128-bit count of 10^-12, without rounding.
//!
//! Cost Explorer returns amounts as text with at most ten decimals; the tables hold `DECIMAL(38,12)`. No float is
//! involved and nothing is rounded: text that does not fit is refused.
//!
//! | text | result |
//! |---|---|
//! | `39.1603300457`, `-0.0000000001`, `+1`, `.5` | exact |
//! | `1.2E-7`, `1e3` | exact, the exponent is applied to the digits |
//! | `-0` | zero |
//! | `0.1234567890123` | refused: 13 decimals |
//! | ``, ` 1`, `1,5`, `NaN`, `Infinity` | refused: not a number |
//! | 27 integer digits | refused: does not fit `DECIMAL(38,12)` |

use std::fmt;

use crate::text::thousands;

/// Decimal places of every amount column.
pub const SCALE: u32 = 12;
/// 1, as a count of 10^-12.
pub const ONE: i128 = 10_i128.pow(SCALE);
/// Significant digits of every amount column.
pub const PRECISION: u8 = 38;

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The text is not a decimal number.
    NotANumber,
    /// The number has more than [`SCALE`] decimals.
    TooManyDecimals,
    /// The number has more than 26 integer digits.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a decimal number",
            Self::TooManyDecimals => "has more than 12 decimals, which would have to be rounded",
            Self::TooLarge => "does not fit DECIMAL(38,12)",
        })
    }
}

/// Reads decimal text as a count of 10^-12.
///
/// ```
/// use costlake::decimal::{Fault, parse, text};
///
/// assert_eq!(parse("39.1603300457"), Ok(39_160_330_045_700));
/// assert_eq!(parse("1.2E-7").map(text), Ok("0.00000012".to_owned()));
/// assert_eq!(parse("0.1234567890123"), Err(Fault::TooManyDecimals));
/// ```
///
/// # Errors
/// A [`Fault`] when the text is no number or cannot be held exactly.
pub fn parse(text: &str) -> Result<i128, Fault> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if let Some(magnitude) = parse_short(digits) {
        return Ok(if negative { -magnitude } else { magnitude });
    }
    let split = digits.iter().position(|b| matches!(b, b'e' | b'E'));
    let (mantissa, exponent) = match split {
        Some(at) => (&digits[..at], parse_exponent(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let (magnitude, decimals) = parse_mantissa(mantissa)?;
    let value = shift(magnitude, SCALE as i32 + exponent - decimals)?;
    Ok(if negative { -value } else { value })
}

/// Reads decimal text as a count of 10^-12, rounded to 12 decimals, half away from zero: for figures that an API
/// computes with more decimals than it documents.
///
/// ```
/// use costlake::decimal::{parse_rounded, text};
///
/// assert_eq!(parse_rounded("0.30000000000000004").map(text), Ok("0.3".to_owned()));
/// assert_eq!(parse_rounded("-0.0000000000005").map(text), Ok("-0.000000000001".to_owned()));
/// ```
///
/// # Errors
/// A [`Fault`] when the text is no number or too large.
pub fn parse_rounded(text: &str) -> Result<i128, Fault> {
    match parse(text) {
        Err(Fault::TooManyDecimals) => {}
        exact => return exact,
    }
    let unsigned = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent.as_bytes())?),
        None => (unsigned, 0),
    };
    let whole = mantissa.find('.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    let point = i32::try_from(whole).map_err(|_| Fault::TooLarge)? + exponent;
    // A count below zero: the first digit stands more than one place behind the last decimal.
    let Ok(kept) = usize::try_from(point + SCALE as i32) else { return Ok(0) };
    let value = digits.iter().take(kept).try_fold(0_i128, |value, digit| {
        value.checked_mul(10).and_then(|value| value.checked_add(i128::from(*digit))).ok_or(Fault::TooLarge)
    })?;
    let value = shift(value + i128::from(digits.get(kept).is_some_and(|next| *next >= 5)), 0)?;
    Ok(if text.starts_with('-') { -value } else { value })
}

/// The fast path: plain digits that fit a `u64`, as the API writes them; anything else takes the slow path.
fn parse_short(text: &[u8]) -> Option<i128> {
    const TENS: [u64; SCALE as usize + 1] = tens();
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, decimals) = (text.get(..point)?, text.get(point + 1..).unwrap_or_default());
    if !(1..=19).contains(&(whole.len() + decimals.len())) {
        return None;
    }
    let missing = (SCALE as usize).checked_sub(decimals.len())?;
    let value = append_digits(append_digits(0, whole)?, decimals)?;
    Some(i128::from(value) * i128::from(TENS[missing]))
}

/// Appends digits to `value`; at most 19 in all.
fn append_digits(value: u64, text: &[u8]) -> Option<u64> {
    let (words, rest) = text.as_chunks();
    let value = words.iter().try_fold(value, |value, word| Some(value * 100_000_000 + eight_digits(*word)?))?;
    rest.iter().try_fold(value, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// Parses eight digits at once: combines them into pairs, then fours, then one number.
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(text);
    let high = |word: u64| word & (ONES * 0xf0);
    // Six characters after `9` share its upper four bits; adding 6 changes those bits.
    if high(word) != ONES * 0x30 || high(word + ONES * 6) != ONES * 0x30 {
        return None;
    }
    let pairs = (word & (ONES * 0x0f)).wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32)
}

const fn tens() -> [u64; SCALE as usize + 1] {
    let mut tens = [1; SCALE as usize + 1];
    let mut at = 1;
    while at < tens.len() {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
}

/// Parses digits and point into (all digits as one integer, number of decimals), without a fraction's trailing zeros.
fn parse_mantissa(text: &[u8]) -> Result<(i128, i32), Fault> {
    let (mut value, mut decimals, mut zeros) = (0_i128, 0_i32, 0_i32);
    let (mut seen_point, mut seen_digit) = (false, false);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                if seen_point && *byte == b'0' {
                    zeros = zeros.saturating_add(1);
                    continue;
                }
                for _ in 0..zeros {
                    value = value.checked_mul(10).ok_or(Fault::TooManyDecimals)?;
                }
                decimals = decimals.saturating_add(zeros).saturating_add(i32::from(seen_point));
                zeros = 0;
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(i128::from(byte - b'0')))
                    .ok_or(if seen_point { Fault::TooManyDecimals } else { Fault::TooLarge })?;
            }
            b'.' if !seen_point => seen_point = true,
            _ => return Err(Fault::NotANumber),
        }
    }
    if seen_digit { Ok((value, decimals)) } else { Err(Fault::NotANumber) }
}

fn parse_exponent(text: &[u8]) -> Result<i32, Fault> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::NotANumber);
    }
    Ok(sign * digits.iter().fold(0, |all, digit| all * 10 + i32::from(digit - b'0')))
}

/// `value * 10^by`, exactly.
fn shift(value: i128, by: i32) -> Result<i128, Fault> {
    const LIMIT: i128 = 10_i128.pow(PRECISION as u32);
    let mut value = value;
    if value == 0 {
        return Ok(0);
    }
    for _ in 0..by.max(0) {
        value = value.checked_mul(10).filter(|v| *v < LIMIT).ok_or(Fault::TooLarge)?;
    }
    for _ in by.min(0)..0 {
        if value % 10 != 0 {
            return Err(Fault::TooManyDecimals);
        }
        value /= 10;
    }
    if value < LIMIT { Ok(value) } else { Err(Fault::TooLarge) }
}

/// Writes a count of 10^-12 as decimal text without trailing zeros: `-0.5`, `12`, `0`.
#[must_use]
pub fn text(value: i128) -> String {
    let one = 10_u128.pow(SCALE);
    let magnitude = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (magnitude / one, magnitude % one);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:012}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

/// Writes a count of 10^-12 for people: rounded to so many decimals (half away from zero), with thousands separators:
/// `-1,234.57`.
#[must_use]
pub fn shown(value: i128, decimals: u32) -> String {
    let unit = 10_u128.pow(SCALE - decimals.min(SCALE));
    let rounded = (value.unsigned_abs() + unit / 2) / unit;
    let one = 10_u128.pow(decimals.min(SCALE));
    let sign = if value < 0 && rounded > 0 { "-" } else { "" };
    let whole = thousands(&(rounded / one).to_string());
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{:0width$}", rounded % one, width = decimals.min(SCALE) as usize)
}

/// `part / whole` as a count of 10^-`decimals`, rounded half away from zero; `None` of nothing, and where the digits do
/// not suffice.
#[must_use]
pub fn ratio(part: i128, whole: i128, decimals: u32) -> Option<i128> {
    let tenths = part.checked_mul(10_i128.checked_pow(decimals + 1)?)?.checked_div(whole)?;
    Some((tenths + 5 * tenths.signum()) / 10)
}

/// A part as percent of a whole, for people: `66.7 %`.
#[must_use]
pub fn percent(part: i128, whole: i128) -> Option<String> {
    let thousandths = ratio(part, whole, 3)?;
    let sign = if thousandths < 0 { "-" } else { "" };
    let size = thousandths.unsigned_abs();
    Some(format!("{sign}{}.{} %", thousands(&(size / 10).to_string()), size % 10))
}

#[cfg(test)]
mod tests {
    use super::{Fault, eight_digits, parse, parse_rounded, percent, ratio, shown, text};
    use proptest::{prop_assert_eq, proptest};

    #[test]
    fn odd_but_valid_amounts_are_exact() {
        for (given, wanted) in [
            ("39.1603300457", 39_160_330_045_700),
            ("-0.0000000001", -100),
            ("0", 0),
            ("-0", 0),
            ("1.2E-7", 120_000),
            ("1e3", 1_000_000_000_000_000),
            ("+1", 1_000_000_000_000),
            (".5", 500_000_000_000),
            ("5.", 5_000_000_000_000),
            ("0.000000000001", 1),
            ("1.50000000000000000000000", 1_500_000_000_000),
            ("99999999999999999999999999", 99_999_999_999_999_999_999_999_999_000_000_000_000),
        ] {
            assert_eq!(parse(given), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn what_would_be_rounded_or_is_no_number_is_refused() {
        for given in ["0.1234567890123", "1.2E-12", "0.0000000000001"] {
            assert_eq!(parse(given), Err(Fault::TooManyDecimals), "{given}");
        }
        for given in ["", " 1", "1 ", "1,5", "NaN", "Infinity", "-", ".", "1e", "1e+", "--1", "1.2.3", "0x1", "1e99999"]
        {
            assert_eq!(parse(given), Err(Fault::NotANumber), "{given}");
        }
        for given in ["100000000000000000000000000", "1e27", "9".repeat(60).as_str()] {
            assert_eq!(parse(given), Err(Fault::TooLarge), "{given}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero_and_only_where_it_must_be() {
        for (given, wanted) in [
            ("39.1603300457", "39.1603300457"),
            ("0.0000000000004999", "0"),
            ("0.0000000000005", "0.000000000001"),
            ("-0.0000000000015", "-0.000000000002"),
            ("0.9999999999999", "1"),
            ("1.23456789012345678901234567890123456789012345", "1.234567890123"),
            ("12345.6789012345678E-3", "12.345678901235"),
            ("7e-13", "0.000000000001"),
            ("7e-14", "0"),
            ("1e-300", "0"),
        ] {
            assert_eq!(parse_rounded(given).map(text).as_deref(), Ok(wanted), "{given}");
        }
        for given in ["", "1.2.3", "NaN", "1e99999"] {
            assert_eq!(parse_rounded(given), Err(Fault::NotANumber), "{given}");
        }
        assert_eq!(parse_rounded(&format!("{}.{}", "9".repeat(27), "1".repeat(20))), Err(Fault::TooLarge));
    }

    #[test]
    fn shares_are_rounded_and_have_the_sign_of_the_quotient() {
        for (part, whole, wanted) in [
            (2, 3, Some("66.7 %")),
            (-1, 3, Some("-33.3 %")),
            (-5, -20, Some("25.0 %")),
            (123, 1, Some("12,300.0 %")),
            (1, 0, None),
        ] {
            assert_eq!(percent(part, whole).as_deref(), wanted, "{part} of {whole}");
        }
        assert_eq!([ratio(2, 3, 4), ratio(-1, 3, 4), ratio(i128::MAX, 3, 4)], [Some(6_667), Some(-3_333), None]);
    }

    #[test]
    fn amounts_for_people_are_rounded_half_away_from_zero() {
        for (given, decimals, wanted) in [
            ("1234567.005", 2, "1,234,567.01"),
            ("-0.004", 2, "0.00"),
            ("-0.005", 2, "-0.01"),
            ("0.000123456789", 6, "0.000123"),
            ("999.5", 0, "1,000"),
            ("0.1", 12, "0.100000000000"),
        ] {
            assert_eq!(shown(parse(given).expect("a number"), decimals), wanted, "{given}");
        }
    }

    proptest! {
        #[test]
        fn short_texts_are_read_as_long_ones(text in "[+-]?[0-9]{0,12}[.]?[0-9]{0,8}") {
            // Zeros behind the point do not change the number, but make the text too long for the fast path.
            let point = if text.contains('.') { "" } else { "." };
            prop_assert_eq!(parse(&text).is_ok(), text.contains(|c: char| c.is_ascii_digit()));
            if let Ok(number) = parse(&text) {
                prop_assert_eq!(parse(&format!("{text}{point}{}", "0".repeat(20))), Ok(number));
            }
        }

        #[test]
        fn eight_digits_are_read_at_once(text in "[0-9]{8}|[ -~]{8}") {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().expect("a number"));
            prop_assert_eq!(eight_digits(text.as_bytes().try_into().expect("eight bytes")), plain);
        }

        #[test]
        fn text_and_back_is_the_same(value in -(10_i128.pow(38) - 1)..10_i128.pow(38)) {
            prop_assert_eq!(parse(&text(value)), Ok(value));
        }
    }
}
