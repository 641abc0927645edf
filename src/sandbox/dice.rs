//! Stateless pseudo-random numbers: every "random" figure is a hash of the thing it belongs to.
//!
//! With a stateful generator a day would depend on the days drawn before it. Hashing the seed with the day and the line
//! makes every day computable independently, in any order, and identical after a restart.

/// Hashes words to one number, uniformly distributed.
pub(super) fn mix(words: &[u64]) -> u64 {
    words.iter().fold(0x9E37_79B9_7F4A_7C15, |state, word| spread(state.rotate_left(23) ^ spread(*word)))
}

/// Hashes a text (FNV-1a, then `spread`).
pub(super) fn of_text(text: &str) -> u64 {
    spread(
        text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)),
    )
}

/// A number in `low..=high` drawn from a hash.
pub(super) fn between(hash: u64, low: i64, high: i64) -> i64 {
    let width = high.saturating_sub(low).unsigned_abs().saturating_add(1);
    low.saturating_add(i64::try_from(hash % width).unwrap_or(0))
}

/// True for about `percent` of all hashes.
pub(super) fn chance(hash: u64, percent: u64) -> bool {
    hash % 100 < percent
}

/// Text of `digits` lower-case hexadecimal digits drawn from a hash.
pub(super) fn hex(hash: u64, digits: usize) -> String {
    let text = format!("{hash:016x}{:016x}", spread(hash));
    text.chars().take(digits).collect()
}

/// Formats 32 hexadecimal digits as a version 4 UUID.
pub(super) fn uuid(digits: &str) -> String {
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn spread(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{between, chance, hex, mix, of_text};

    #[test]
    fn same_words_same_number_other_words_another() {
        assert_eq!(mix(&[1, 2, 3]), mix(&[1, 2, 3]));
        assert_ne!(mix(&[1, 2, 3]), mix(&[1, 3, 2]));
        assert_ne!(of_text("team"), of_text("teams"));
    }

    #[test]
    fn draws_stay_inside_and_reach_both_ends() {
        let drawn: Vec<i64> = (0..200).map(|n| between(mix(&[n]), -2, 2)).collect();
        assert!(drawn.iter().all(|n| (-2..=2).contains(n)) && drawn.contains(&-2) && drawn.contains(&2));
        let hits = (0..10_000).filter(|n| chance(mix(&[*n]), 30)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        assert_eq!(hex(7, 20).len(), 20);
    }
}
