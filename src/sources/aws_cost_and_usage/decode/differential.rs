//! Random answers read by three decoders: the fast path, the slow path, and lookups in a `serde_json::Value`.

use fastrand::Rng;
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

use super::columns::Wanted;
use super::compare::{METRICS, Row, empty_rows, groupings, read_both, seen};
use super::{fast, full};
use crate::decimal;

/// The reference decoder; used for valid answers only.
fn looked_up(text: &str, grouped: bool) -> Vec<Row> {
    let answer: Value = serde_json::from_str(text).expect("JSON");
    let mut rows = Vec::new();
    for result in answer["ResultsByTime"].as_array().expect("results") {
        let start = result["TimePeriod"]["Start"].as_str().expect("a start");
        let mut push = |keys: Vec<String>, metrics: &Value| {
            let amount = |name: &str| decimal::parse(metrics[name]["Amount"].as_str().expect("an amount"));
            let amounts = METRICS.iter().map(|(name, _)| amount(name).expect("a number")).collect();
            let unit = metrics["UsageQuantity"]["Unit"].as_str().map(str::to_owned);
            rows.push((start.to_owned(), keys, amounts, unit));
        };
        if !grouped {
            push(Vec::new(), &result["Total"]);
            continue;
        }
        for group in result["Groups"].as_array().into_iter().flatten() {
            let key = |index: usize| group["Keys"][index].as_str().expect("a key");
            let team = key(1).strip_prefix("team$").expect("a value of the tag");
            push(vec![key(0).to_owned(), team.to_owned()], &group["Metrics"]);
        }
    }
    rows
}

/// Writes a random answer.
struct Writer {
    dice: Rng,
    /// Whether members may be missing, null, duplicated or wrong.
    odd: bool,
    out: String,
}

impl Writer {
    fn chance(&mut self, of: u32) -> bool {
        self.dice.u32(..of) == 0
    }

    fn space(&mut self) {
        let space = ["", "", "", "", "", " ", "\n\t"][self.dice.usize(..7)];
        self.out.push_str(space);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                c if (c as u32) < 0x20 || self.chance(40) => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().for_each(|unit| self.out.push_str(&format!("\\u{unit:04x}")));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn one_of(&mut self, texts: &[&str]) {
        let at = self.dice.usize(..texts.len());
        self.text(texts[at]);
    }

    fn list(&mut self, count: usize, mut item: impl FnMut(&mut Self, usize)) {
        self.out.push('[');
        for index in 0..count {
            if index > 0 {
                self.out.push(',');
            }
            self.space();
            item(self, index);
            self.space();
        }
        self.out.push(']');
    }

    /// An object with its members in random order, sometimes with an unknown one.
    fn object(&mut self, names: &[&str], mut member: impl FnMut(&mut Self, &str)) {
        let mut names: Vec<&str> = names.iter().copied().filter(|_| !(self.odd && self.chance(60))).collect();
        if self.chance(4) {
            names.push("Unheard");
        }
        if let Some(twice) = names.first().copied().filter(|_| self.odd && self.chance(60)) {
            names.push(twice);
        }
        self.dice.shuffle(&mut names);
        self.out.push('{');
        for (index, name) in names.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.space();
            self.text(name);
            self.space();
            self.out.push(':');
            self.space();
            match name {
                "Unheard" => self.out.push_str(r#"{"a":[1,-2.5e3,"]}\"",{"Keys":null}],"b":true}"#),
                _ if self.odd && self.chance(60) => self.out.push_str("null"),
                _ => member(self, name),
            }
            self.space();
        }
        self.out.push('}');
    }

    fn amount(&mut self) {
        let (sign, whole) = (["", "", "-", "+"][self.dice.usize(..4)], self.dice.u64(..1_000_000));
        let fraction = self.dice.u64(..10_000_000_000);
        let text = match self.dice.u32(..8) {
            0 => "0".to_owned(),
            1 => format!("{sign}{whole}E-{}", self.dice.u32(..7)),
            2 => format!("{sign}{}.{}e{}", whole % 10, fraction % 1000, self.dice.u32(..6)),
            3 => format!("{sign}{whole}{fraction:010}{fraction:010}"),
            4 if self.odd && self.chance(20) => format!("{whole}.{fraction:010}123"),
            5 if self.odd && self.chance(20) => "1,5".to_owned(),
            _ => format!("{sign}{whole}.{fraction:010}"),
        };
        self.text(&text);
    }

    fn metrics(&mut self) {
        self.object(&METRICS.map(|(name, _)| name), |w, name| {
            w.object(&["Amount", "Unit"], |w, member| match (member, name) {
                ("Amount", _) => w.amount(),
                (_, "UsageQuantity") => w.one_of(&["Hrs", "GB \"raw\"", "N/A"]),
                _ if w.odd && w.chance(90) => w.text("EUR"),
                _ => w.text("USD"),
            });
        });
    }

    fn keys(&mut self) {
        const KEYS: [&str; 7] =
            ["Amazon Simple Storage Service", "", "a\"b\\c", "日本 é", "team$web", "tab\tbed 😀", "$"];
        const TEAMS: [&str; 5] = ["team$web", "team$", "team$team$a", "team$\"日本\\ é", "team$tab\tbed 😀"];
        let count = if self.odd && self.chance(60) { self.dice.usize(..4) } else { 2 };
        self.list(count, |w, index| match index {
            1 if !(w.odd && w.chance(40)) => w.one_of(&TEAMS),
            _ => w.one_of(&KEYS),
        });
    }

    fn result(&mut self, day: usize, grouped: bool) {
        self.object(&["TimePeriod", "Total", "Groups", "Estimated"], |w, name| match name {
            "TimePeriod" => w.object(&["Start", "End"], |w, end| {
                w.text(&format!("2026-10-{:02}", day + if end == "Start" { 1 } else { 2 }));
            }),
            "Estimated" => w.out.push_str(["true", "false"][day % 2]),
            "Groups" if grouped => {
                let count = w.dice.usize(..6);
                w.list(count, |w, _| {
                    w.object(&["Keys", "Metrics"], |w, name| if name == "Keys" { w.keys() } else { w.metrics() });
                });
            }
            "Groups" => w.out.push_str("[]"),
            _ if grouped && w.dice.bool() => w.out.push_str("{}"),
            _ => w.metrics(),
        });
    }

    fn answer(mut self, grouped: bool) -> String {
        let days = self.dice.usize(..4);
        let names = ["ResultsByTime", "GroupDefinitions", "NextPageToken", "DimensionValueAttributes"];
        self.object(&names, |w, name| match name {
            "ResultsByTime" => w.list(days, |w, day| w.result(day, grouped)),
            "GroupDefinitions" => {
                w.out.push_str(r#"[{"Type":"DIMENSION","Key":"SERVICE"},{"Type":"TAG","Key":"team"}]"#)
            }
            "NextPageToken" => w.one_of(&["", "next \"one\""]),
            _ => w.out.push_str(r#"[{"Value":"1","Attributes":{"description":"prod"}}]"#),
        });
        if self.odd && self.chance(20) {
            let at = self.dice.usize(..self.out.len());
            self.out.truncate(self.out.floor_char_boundary(at));
        }
        self.out
    }
}

proptest! {
    #[test]
    fn a_sound_answer_is_read_the_same_in_three_ways(seed: u64, grouped: bool) {
        let groupings = groupings(grouped);
        let wanted = Wanted { groupings: &groupings, metrics: &METRICS };
        let text = Writer { dice: Rng::with_seed(seed), odd: false, out: String::new() }.answer(grouped);
        let (mut quickly, mut at_length) = (empty_rows(groupings.len()), empty_rows(groupings.len()));
        let end = fast::read_page(text.as_bytes(), &wanted, &mut quickly);
        prop_assert!(end.is_some(), "given up: {text}");
        let quickly = seen(end.expect("an end"), &quickly);
        let end = full::read_page(text.as_bytes(), &wanted, &mut at_length).expect("a sound answer");
        prop_assert_eq!(&quickly, &seen(end, &at_length), "{}", text);
        prop_assert_eq!(quickly.1, looked_up(&text, grouped), "{}", text);
    }

    #[test]
    fn an_odd_answer_says_the_same_as_at_length(seed: u64, grouped: bool) {
        let mut dice = Rng::with_seed(seed);
        let first = Writer { dice: dice.fork(), odd: false, out: String::new() }.answer(grouped);
        let text = Writer { dice, odd: true, out: String::new() }.answer(grouped);
        let alike = read_both(first.as_bytes(), text.as_bytes(), grouped);
        prop_assert!(alike.is_ok(), "{}\n{}", text, alike.unwrap_err());
    }
}
