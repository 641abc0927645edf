//! Pagination in the most awkward way that the real service may use.
//!
//! A page ends after a fixed number of groups, so a day can be split over pages. Occasionally a few groups of a day are
//! held back and come a page later, after other days. No group of a period ever comes twice.

use chrono::{Datelike, NaiveDate};

use super::dice::mix;
use super::fault::Fault;
use super::results::Results;

/// A position in the results: a period, and one of its groups (`None` for a period without groups).
pub(super) type Place = (usize, Option<usize>);

/// Results split into pages.
#[derive(Debug)]
pub(super) struct Paged {
    pub(super) results: Results,
    pub(super) pages: Vec<Vec<Place>>,
}

impl Paged {
    /// Splits grouped results into pages of at most `page_groups` groups; ungrouped results are one page.
    pub(super) fn new(results: Results, grouped: bool, page_groups: usize, seed: u64) -> Self {
        let groups: usize = results.periods.iter().map(|(_, cells)| cells.len()).sum();
        let page_groups = page_groups.max(1);
        let places = if grouped && groups > page_groups {
            unkind_order(&results, page_groups, seed)
        } else {
            results.periods.iter().enumerate().flat_map(|(period, (_, cells))| of_period(period, cells.len())).collect()
        };
        let limit = if grouped { page_groups } else { usize::MAX };
        Self { results, pages: cut(places, limit) }
    }
}

fn of_period(period: usize, cells: usize) -> Vec<Place> {
    if cells == 0 { vec![(period, None)] } else { (0..cells).map(|cell| (period, Some(cell))).collect() }
}

/// All places in order, except for a few that are delayed by at least a page.
fn unkind_order(results: &Results, page_groups: usize, seed: u64) -> Vec<Place> {
    let mut places = Vec::new();
    let mut held: Vec<Place> = Vec::new();
    let mut held_at = 0;
    for (period, (_, cells)) in results.periods.iter().enumerate() {
        if !held.is_empty() && places.len() >= held_at + page_groups {
            places.append(&mut held);
        }
        let hash = mix(&[seed, 61, period as u64]);
        let holds = held.is_empty() && cells.len() > 3 && hash.is_multiple_of(5);
        for place in of_period(period, cells.len()) {
            let late = place.1.is_some_and(|cell| mix(&[hash, cell as u64]).is_multiple_of(9));
            if holds && late && held.len() < 3 { held.push(place) } else { places.push(place) }
        }
        if holds {
            held_at = places.len();
        }
    }
    places.append(&mut held);
    places
}

fn cut(places: Vec<Place>, limit: usize) -> Vec<Vec<Place>> {
    let mut pages = vec![Vec::new()];
    let mut on_page = 0;
    for place in places {
        let counts = usize::from(place.1.is_some());
        if on_page + counts > limit {
            pages.push(Vec::new());
            on_page = 0;
        }
        on_page += counts;
        if let Some(page) = pages.last_mut() {
            page.push(place);
        }
    }
    pages
}

/// The content of a token: the page it leads to, of which query, as of which day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) fingerprint: [u8; 8],
    pub(super) page: u32,
    pub(super) today: NaiveDate,
}

impl Token {
    /// The token as opaque text.
    pub(super) fn text(self, seed: u64) -> String {
        let bytes = self.bytes();
        let seal = seal(&bytes, seed).to_be_bytes();
        bytes.iter().chain(&seal).map(|byte| format!("{byte:02X}")).collect()
    }

    /// The page that a token's text leads to; an error for another query or day than it was issued for.
    pub(super) fn page(text: &str, fingerprint: [u8; 8], today: NaiveDate, seed: u64) -> Result<usize, Fault> {
        let invalid =
            || Fault::new("InvalidNextTokenException", "The pagination token is invalid. Try again without it.");
        let page = unsealed(text, seed).ok_or_else(invalid)?;
        let issued = Self { fingerprint, page, today }.text(seed);
        if issued == text {
            return usize::try_from(page).map_err(|_| invalid());
        }
        Err(Fault::new(
            "RequestChangedException",
            "Your request parameters changed between pages. Try again with the old parameters or without a pagination token.",
        ))
    }

    fn bytes(self) -> Vec<u8> {
        let day = self.today.num_days_from_ce().to_be_bytes();
        [&self.fingerprint[..], &self.page.to_be_bytes(), &day].concat()
    }
}

fn seal(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(mix(&[seed, 62]), |state, byte| mix(&[state, u64::from(*byte)]))
}

/// The page number of a token, if its checksum is valid.
fn unsealed(text: &str, seed: u64) -> Option<u32> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect();
    let (body, sealed) = bytes.split_at_checked(16)?;
    if digits.len() != 48 || sealed != seal(body, seed).to_be_bytes() {
        return None;
    }
    Some(body.get(8..12)?.iter().fold(0, |page, byte| (page << 8) | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use crate::sandbox::reader::{NOW, ask, pages, query, read, refused, service};

    #[test]
    fn pages_cut_days_bring_days_back_and_lose_nothing() {
        let group_by = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "USAGE_TYPE" }]);
        let query = query("2026-08-01", "2026-11-01", "DAILY", &group_by);
        let (small, large) = (service(97), service(100_000));
        assert_eq!(read(&small, &query, NOW), read(&large, &query, NOW));
        assert_eq!(pages(&large, &query, NOW).len(), 1);
        let starts: Vec<Vec<String>> = pages(&small, &query, NOW)
            .iter()
            .map(|page| {
                let periods = page["ResultsByTime"].as_array().unwrap();
                assert!(periods.iter().map(|p| p["Groups"].as_array().unwrap().len()).sum::<usize>() <= 97);
                periods.iter().map(|p| p["TimePeriod"]["Start"].as_str().unwrap().to_owned()).collect()
            })
            .collect();
        assert!(starts.windows(2).any(|pair| pair[0].last() == pair[1].first()), "no day is cut over pages");
        let late = |(number, page): (usize, &Vec<String>)| {
            page.iter().any(|day| starts[..number.saturating_sub(1)].iter().any(|earlier| earlier.contains(day)))
        };
        assert!(starts.iter().enumerate().any(late), "no day comes back later");
    }

    #[test]
    fn tokens_belong_to_one_query_on_one_day() {
        let ce = service(10);
        let group_by = json!([{ "Type": "DIMENSION", "Key": "USAGE_TYPE" }]);
        let mut first = query("2026-10-05", "2026-10-08", "DAILY", &group_by);
        let token = ask(&ce, &first, NOW)["NextPageToken"].clone();
        let mut other = query("2026-10-05", "2026-10-09", "DAILY", &group_by);
        other["NextPageToken"] = token.clone();
        assert_eq!(refused(&ce, &other, NOW).0, "RequestChangedException");
        first["NextPageToken"] = token;
        assert_eq!(refused(&ce, &first, "2026-11-22T04:00:00Z").0, "RequestChangedException");
        first["NextPageToken"] = json!("C0FFEE");
        assert_eq!(refused(&ce, &first, NOW).0, "InvalidNextTokenException");
    }
}
