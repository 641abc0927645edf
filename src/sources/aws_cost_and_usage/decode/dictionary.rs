//! A dictionary-encoded string column: each distinct text is stored once, and a row holds its id.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{StringArray, StringBuilder};

/// Id of a row without a text.
const NONE: u32 = u32::MAX;

/// A growing column.
#[derive(Debug, Default)]
pub(in crate::sources::aws_cost_and_usage) struct Names {
    ids: Vec<u32>,
    texts: Vec<Arc<str>>,
    index: HashMap<Arc<str>, u32>,
    /// For each text, the id of the different text that last followed it. Rows come in nearly the same order every day,
    /// so most texts are found with one comparison.
    follower: Vec<u32>,
}

impl Names {
    pub(in crate::sources::aws_cost_and_usage) fn push(&mut self, text: &str) {
        let last = self.ids.last().copied().unwrap_or(NONE);
        let is = |id: u32| self.texts.get(id as usize).is_some_and(|known| **known == *text);
        if is(last) {
            self.ids.push(last);
            return;
        }
        let guess = self.follower.get(last as usize).copied().unwrap_or(NONE);
        let id = if is(guess) { guess } else { self.find(text) };
        if let Some(follower) = self.follower.get_mut(last as usize) {
            *follower = id;
        }
        self.ids.push(id);
    }

    pub(in crate::sources::aws_cost_and_usage) fn push_option(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push(text),
            None => self.ids.push(NONE),
        }
    }

    fn find(&mut self, text: &str) -> u32 {
        if let Some(id) = self.index.get(text) {
            return *id;
        }
        let id = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.follower.push(NONE);
        self.index.insert(text, id);
        id
    }

    /// Rows so far.
    pub(in crate::sources::aws_cost_and_usage) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Drops the rows after the first `len`.
    pub(in crate::sources::aws_cost_and_usage) fn truncate(&mut self, len: usize) {
        self.ids.truncate(len);
    }

    /// The texts, row by row.
    pub(in crate::sources::aws_cost_and_usage) fn column(&self) -> StringArray {
        self.mapped(Some)
    }

    /// As [`Names::column`], with `with` applied to each text.
    pub(in crate::sources::aws_cost_and_usage) fn mapped<'a>(
        &'a self,
        with: impl Fn(&'a str) -> Option<&'a str>,
    ) -> StringArray {
        let texts: Vec<Option<&str>> = self.texts.iter().map(|text| with(text)).collect();
        let of = |id: &u32| texts.get(*id as usize).copied().flatten();
        let bytes = self.ids.iter().map(|id| of(id).map_or(0, str::len)).sum();
        let mut column = StringBuilder::with_capacity(self.ids.len(), bytes);
        self.ids.iter().for_each(|id| column.append_option(of(id)));
        column.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use arrow::array::StringArray;

    #[test]
    fn every_row_keeps_its_text() {
        let given = [Some("b"), Some("a"), None, Some("b"), Some("b"), Some("a"), Some(""), Some("b"), Some("c")];
        let mut names = Names::default();
        given.iter().for_each(|text| names.push_option(*text));
        assert_eq!(names.column(), StringArray::from(given.to_vec()));
        assert_eq!(names.texts.len(), 4);
    }

    #[test]
    fn rows_can_be_taken_back() {
        let mut names = Names::default();
        ["a", "b", "c"].iter().for_each(|text| names.push(text));
        names.truncate(1);
        names.push("c");
        assert_eq!(names.column(), StringArray::from(vec!["a", "c"]));
    }
}
