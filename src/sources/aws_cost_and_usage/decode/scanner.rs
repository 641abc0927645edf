//! A JSON scanner that gives up on anything unusual.
//!
//! It reads the few constructs that make up most of an answer: objects, lists and strings. serde_json reads everything
//! else in place. Anything that is not plain, valid JSON yields `None`: the caller then reads the whole text on the
//! slow path, which also reports errors.

use std::borrow::Cow;

use serde::Deserialize;

/// A position in the text.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Skips white space and returns the next byte without consuming it.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Reads an object: `member` is called with each name, positioned before its value. A name equal to the one that
    /// `usual` gives for its place is only compared, not parsed.
    pub(super) fn object<'n>(
        &mut self,
        usual: impl Fn(usize) -> Option<&'n str>,
        mut member: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<()> {
        let mut place = 0;
        self.list_of(b'{', b'}', |scan| {
            let expected = usual(place).filter(|name| scan.skip_name(name));
            place += 1;
            if let Some(name) = expected {
                return member(scan, name);
            }
            let name = scan.string()?;
            scan.eat(b':')?;
            member(scan, &name)
        })
    }

    /// Skips a name and its colon if they are next, without white space.
    fn skip_name(&mut self, name: &str) -> bool {
        let here = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let behind = here.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(name.as_bytes()));
        let behind = behind.and_then(|rest| rest.strip_prefix(b"\":"));
        self.at = behind.map_or(self.at, |rest| self.text.len() - rest.len());
        behind.is_some()
    }

    /// Skips `text` if it is next, byte for byte.
    pub(super) fn skip(&mut self, text: &str) -> bool {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|here| here.starts_with(text.as_bytes()));
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Runs `read` and restores the position if it returns `None`.
    pub(super) fn try_read<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Reads a list: `element` is called for each value, positioned before it.
    pub(super) fn list(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list_of(b'[', b']', element)
    }

    fn list_of(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                byte if byte == close => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads a string, borrowed if it has no escapes.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        if let Some(text) = self.try_read(Self::rest_of_plain) {
            return Some(Cow::Borrowed(text));
        }
        self.at -= 1;
        self.value::<String>().map(Cow::Owned)
    }

    /// Reads the rest of a string without escapes, after its opening quote.
    pub(super) fn rest_of_plain(&mut self) -> Option<&'a str> {
        let length = plain_length(self.text.as_bytes().get(self.at..)?);
        let end = self.at + length;
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        let text = self.text.get(self.at..end);
        self.at = end + 1;
        text
    }

    /// Reads the next value with serde_json.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }
}

/// The number of bytes before the first that a string cannot hold unescaped: a quote, a backslash or a control
/// character.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES * 0x80;
    let mut before = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let zero_in = |x: u64| x.wrapping_sub(ONES) & !x & TOPS;
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let found = zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\'))) | below_space;
        if found != 0 {
            return before + found.trailing_zeros() as usize / 8;
        }
        before += 8;
    }
    before + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

#[cfg(test)]
mod tests {
    use super::{Scan, plain_length};
    use proptest::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn the_plain_part_ends_where_it_should(text in "[ -~\\x00-\\x1f\"\\\\é日]{0,40}") {
            let slow = text.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            prop_assert_eq!(plain_length(text.as_bytes()), slow);
        }

        #[test]
        fn strings_are_what_serde_json_says(text in "\\PC{0,20}", tail in "[\\PC\"]{0,20}") {
            let json = format!("{}{tail}", serde_json::to_string(&text).expect("JSON"));
            let mut scan = Scan::new(&json);
            let found = scan.string();
            prop_assert_eq!(found.as_deref(), Some(text.as_str()));
            prop_assert_eq!(scan.at, json.len() - tail.len());
        }
    }

    #[test]
    fn what_is_not_sound_is_given_up() {
        let read = |text: &str| {
            let mut scan = Scan::new(text);
            let read = scan.object(|_| Some("a"), |scan, _| scan.list(|scan| scan.string().map(|_| ())));
            read.filter(|()| scan.is_at_end())
        };
        for sound in ["{}", " { } ", r#"{"a":[]}"#, r#"{ "a" : [ "b" , "\"" ] , "c\u0041":["é"]}"#] {
            assert_eq!(read(sound), Some(()), "{sound}");
        }
        for odd in
            ["", "{", "[]", r#"{"a":["b"]"#, r#"{"a":["b",]}"#, r#"{"a":["b"],}"#, r#"{"a" ["b"]}"#, "{\"a\":[\"\n\"]}"]
        {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(read(r#"{"a":[1]}"#), None);
        assert_eq!(read(r#"{"a":["\x"]}"#), None);
        assert_eq!(read("{} {}"), None);
    }
}
