//! Amounts as integers in units of 1e-10, the smallest step Cost Explorer prints.
//!
//! Integer sums are exact in any order, so every grouping adds up to the ungrouped totals digit for digit.

/// One whole unit (one dollar, one hour, one request).
pub(super) const ONE: i64 = 10_000_000_000;

/// `value * numerator / denominator`, truncated towards zero; zero for a zero denominator.
pub(super) fn share(value: i64, numerator: i64, denominator: i64) -> i64 {
    let product = i128::from(value) * i128::from(numerator);
    let quotient = product.checked_div(i128::from(denominator)).unwrap_or(0);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}

/// `part` of `whole` in percent, as text; `0` of nothing.
pub(super) fn percent(part: i128, whole: i128) -> String {
    let hundred = 100 * i128::from(ONE);
    text((part * hundred).checked_div(whole).unwrap_or(0))
}

/// The decimal text of an amount as the service prints it: no trailing zeros, no exponent, zero is `0`.
pub(super) fn text(amount: i128) -> String {
    let one = u128::from(ONE.unsigned_abs());
    let size = amount.unsigned_abs();
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, fraction) = (size / one, size % one);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:010}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::{ONE, percent, share, text};

    #[test]
    fn text_is_plain_decimal() {
        let one = i128::from(ONE);
        assert_eq!(text(0), "0");
        assert_eq!(text(one), "1");
        assert_eq!(text(-1), "-0.0000000001");
        assert_eq!(text(12 * one + 5_000_000_000), "12.5");
        assert_eq!(text(-(one + 1)), "-1.0000000001");
    }

    #[test]
    fn share_truncates_and_keeps_signs() {
        assert_eq!(share(10, 1, 3), 3);
        assert_eq!(share(-10, 1, 3), -3);
        assert_eq!(share(5, 1, 0), 0);
        assert_eq!(percent(1, 3), "33.3333333333");
        assert_eq!(percent(1, 0), "0");
    }
}
