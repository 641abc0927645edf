//! Money that requests cost: whole US cents, shown as dollars.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// An amount of US cents; arithmetic stays at the limits instead of wrapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(pub u64);

impl Cents {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The price of so many requests, each at this price.
    #[must_use]
    pub const fn times(self, requests: u64) -> Self {
        Self(self.0.saturating_mul(requests))
    }

    /// What is left of it after `spent`; nothing if that is more.
    #[must_use]
    pub const fn less(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// How many requests it pays for at `price`; any number if they are free.
    #[must_use]
    pub fn requests_at(self, price: Self) -> u64 {
        self.0.checked_div(price.0).unwrap_or(u64::MAX)
    }
}

impl Add for Cents {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

/// In dollars: `1.46`.
impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::Cents;

    #[test]
    fn cents_are_shown_as_dollars() {
        for (cents, shown) in [(0, "0.00"), (5, "0.05"), (99, "0.99"), (146, "1.46"), (100_000, "1000.00")] {
            assert_eq!(Cents(cents).to_string(), shown);
        }
    }

    #[test]
    fn amounts_stay_at_their_limits() {
        let most = Cents(u64::MAX);
        assert_eq!((Cents(2).times(3), most.times(2)), (Cents(6), most));
        assert_eq!((Cents(2) + Cents(3), most + Cents(1)), (Cents(5), most));
        assert_eq!((Cents(5).less(Cents(3)), Cents(3).less(Cents(5))), (Cents(2), Cents::ZERO));
        assert_eq!([Cents(1), Cents(2)].into_iter().sum::<Cents>(), Cents(3));
    }

    #[test]
    fn an_amount_pays_for_whole_requests() {
        for (amount, price, requests) in [(7, 1, 7), (7, 2, 3), (1, 2, 0), (7, 0, u64::MAX)] {
            assert_eq!(Cents(amount).requests_at(Cents(price)), requests, "{amount} at {price}");
        }
    }
}
