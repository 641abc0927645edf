//! Listings: what can stand in a grouping or a filter of a source, as the API knows it (`costlake values SOURCE.KEY`).

use crate::error::Result;
use crate::request::{Answer, Request};
use crate::window::Window;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct KnownValue {
    /// The text to write into a job.
    pub value: String,
    /// What it is, where the API says so, such as the name of an account.
    pub description: Option<String>,
}

/// Values, and the request for the next page, if there is one.
pub type ValuesPage = (Vec<KnownValue>, Option<Request>);

/// A question for values: its first request, and the reader of its answers.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The request for the first page.
    pub first: Request,
    /// Reads one page.
    pub read: fn(&Request, &Answer) -> Result<ValuesPage>,
}

/// The listings of a source.
#[derive(Debug)]
pub struct Listings {
    /// What can stand behind the source's name, for help and errors.
    pub keys: &'static [&'static str],
    /// The listing of a key, for values that occurred in a window; `None` if it is none of the keys.
    pub of: fn(&str, Window) -> Option<Listing>,
}
