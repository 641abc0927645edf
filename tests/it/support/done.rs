//! The result of one call of the binary.

use serde_json::Value;

/// Exit code and everything printed.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) arguments: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Whether the text was printed, on stdout or stderr; a sentence may be folded there.
    fn has(&self, words: &str) -> bool {
        let unfolded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let printed = [&self.stdout, &self.stderr];
        printed.iter().any(|text| text.contains(words) || unfolded(text).contains(words))
    }

    /// Asserts that the text was printed, on stdout or stderr.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(self.has(words), "does not say `{words}`: {self}");
        self
    }

    /// Asserts that the text was not printed on either.
    #[track_caller]
    pub(crate) fn hides(&self, words: &str) -> &Self {
        assert!(!self.has(words), "says `{words}`: {self}");
        self
    }

    /// Stdout, which must be one JSON document; its `exit_code` must be the process's.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        let document: Value = match serde_json::from_str(&self.stdout) {
            Ok(document) => document,
            Err(error) => panic!("stdout is not one JSON document: {error}: {self}"),
        };
        assert_eq!(document["exit_code"].as_i64(), self.code.map(i64::from), "{self}");
        document
    }

    /// The report of the only job of a run.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        let document = self.document();
        assert_eq!(document["jobs"].as_array().map(Vec::len), Some(1), "{self}");
        document["jobs"][0].clone()
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { arguments, code, stdout, stderr } = self;
        write!(f, "costlake {arguments}\nexit {code:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}
