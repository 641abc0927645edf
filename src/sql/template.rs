//! Templates of views: `{word}` is a placeholder for a word of the job or dialect, and a line that ends in `-- if name`
//! or `-- if not name` is kept only if that condition holds.

use std::collections::{BTreeMap, BTreeSet};

/// The words and conditions of a template.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    words: BTreeMap<&'static str, String>,
    holds: BTreeSet<&'static str>,
}

impl Words {
    /// Adds `text` for `{word}`.
    pub(super) fn with(mut self, word: &'static str, text: impl Into<String>) -> Self {
        self.words.insert(word, text.into());
        self
    }

    /// Sets whether the condition `name` `holds`.
    pub(super) fn when(mut self, name: &'static str, holds: bool) -> Self {
        if holds {
            self.holds.insert(name);
        }
        self
    }

    /// The filled template. It takes one pass: placeholders in filled-in text are not expanded.
    pub(super) fn fill(&self, template: &str) -> String {
        template
            .trim_end()
            .lines()
            .filter_map(|line| self.kept(line))
            .map(|line| self.filled(line))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn kept<'a>(&self, line: &'a str) -> Option<&'a str> {
        let Some((code, condition)) = line.rsplit_once(" -- if ") else { return Some(line) };
        let holds = match condition.strip_prefix("not ") {
            Some(name) => !self.holds.contains(name),
            None => self.holds.contains(condition),
        };
        holds.then_some(code)
    }

    fn filled(&self, line: &str) -> String {
        let (mut filled, mut rest) = (String::new(), line);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let known = after.split_once('}').and_then(|(word, after)| Some((self.words.get(word)?, after)));
            match known {
                Some((text, after)) => {
                    filled.push_str(text);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_and_lines_come_and_go() {
        let words = Words::default().with("a", "{b} {a}").with("b", "B").when("seen", true);
        let template =
            "{a}, {b} -- if seen\n{b} -- if not seen\n{b} -- if unseen\n{c} -- if not unseen\n-- if it is so\n";
        assert_eq!(words.fill(template), "{b} {a}, B\n{c}\n-- if it is so");
    }
}
