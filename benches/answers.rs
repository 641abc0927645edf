//! A mock Cost Explorer server for the comparison. Its figures are a function of day, group and metric only, so every
//! client reads the same bytes and each page can be rendered independently.
//!
//! `answers --listen 127.0.0.1:8098 [--groups 2000] [--page 5000] [--latency-ms 0] [--per-second 0] [--restate-from DAY]`
//!
//! `GET /counters` returns requests, refused requests and bytes since the previous call, as JSON. `--per-second` sets
//! the rate limit (with a burst of the same size); requests beyond it are refused, as the API does. `--restate-from`
//! changes the figures of that day and all later ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Duration as Span, NaiveDate, Utc};
use serde_json::Value;

const USAGE_TYPES: u64 = 50;
/// Units of 10^-10.
const ONE: i64 = 10_000_000_000;

struct Settings {
    groups: u64,
    page: u64,
    latency: Duration,
    per_second: f64,
    restate_from: Option<NaiveDate>,
    counters: Mutex<Counters>,
}

struct Counters {
    requests: u64,
    refused: u64,
    bytes: u64,
    tokens: f64,
    refilled: Instant,
}

fn main() {
    let mut listen = "127.0.0.1:8098".to_owned();
    let counters = Counters { requests: 0, refused: 0, bytes: 0, tokens: 0.0, refilled: Instant::now() };
    let mut settings = Settings {
        groups: 2_000,
        page: 5_000,
        latency: Duration::ZERO,
        per_second: 0.0,
        restate_from: None,
        counters: Mutex::new(counters),
    };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--listen" => listen = value,
            "--groups" => settings.groups = value.parse().unwrap(),
            "--page" => settings.page = value.parse().unwrap(),
            "--latency-ms" => settings.latency = Duration::from_millis(value.parse().unwrap()),
            "--per-second" => settings.per_second = value.parse().unwrap(),
            "--restate-from" => settings.restate_from = Some(value.parse().unwrap()),
            _ => panic!("there is no {name}"),
        }
    }
    let listener = TcpListener::bind(&listen).expect("a free port");
    println!("listening on {listen}");
    let settings: &'static Settings = Box::leak(Box::new(settings));
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(settings, &stream));
    }
}

fn serve(settings: &Settings, stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((first, body)) = read_request(&mut reader) {
        let (status, answer) = if first.starts_with("GET /counters") {
            ("200 OK", counters(settings))
        } else if settings.admits() {
            std::thread::sleep(settings.latency);
            ("200 OK", settings.answer(&serde_json::from_slice(&body).expect("a JSON request")))
        } else {
            ("400 Bad Request", r#"{"__type":"LimitExceededException","Message":"Rate exceeded"}"#.to_owned())
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut out = stream;
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}

/// First line and body of the next request; `None` when the connection ends.
fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn counters(settings: &Settings) -> String {
    let mut counters = settings.counters.lock().unwrap();
    let told =
        format!(r#"{{"requests":{},"refused":{},"bytes":{}}}"#, counters.requests, counters.refused, counters.bytes);
    (counters.requests, counters.refused, counters.bytes) = (0, 0, 0);
    told
}

impl Settings {
    /// Counts a request; returns whether it is within the limit.
    fn admits(&self) -> bool {
        let mut counters = self.counters.lock().unwrap();
        counters.requests += 1;
        if self.per_second == 0.0 {
            return true;
        }
        let gained = counters.refilled.elapsed().as_secs_f64() * self.per_second;
        counters.refilled = Instant::now();
        counters.tokens = (counters.tokens + gained).min(self.per_second);
        let admitted = counters.tokens >= 1.0;
        counters.tokens -= f64::from(u8::from(admitted));
        counters.refused += u64::from(!admitted);
        admitted
    }

    fn answer(&self, query: &Value) -> String {
        let metrics: Vec<&str> =
            query["Metrics"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let hourly = query["Granularity"] == "HOURLY";
        let instant = |name: &str| {
            let text = query["TimePeriod"][name].as_str().unwrap();
            text[..10].parse::<NaiveDate>().unwrap().and_time(chrono::NaiveTime::MIN).and_utc()
        };
        let (start, end) = (instant("Start"), instant("End"));
        let step = if hourly { Span::hours(1) } else { Span::days(1) };
        let periods = u64::try_from((end - start).num_hours() / step.num_hours()).unwrap();
        let grouped = query["GroupBy"].as_array().is_some_and(|groups| !groups.is_empty());
        let mut out = String::with_capacity(2 << 20);
        out.push('{');
        if !grouped {
            out.push_str(r#""ResultsByTime":["#);
            for index in 0..periods {
                self.period(&mut out, start, index, step, |out, at| self.total(out, at, &metrics));
            }
            out.push_str("]}");
        } else {
            self.page(&mut out, query, (start, periods, step), &metrics);
        }
        self.counters.lock().unwrap().bytes += out.len() as u64;
        out
    }

    fn page(&self, out: &mut String, query: &Value, span: (DateTime<Utc>, u64, Span), metrics: &[&str]) {
        let (start, periods, step) = span;
        let total = periods * self.groups;
        let from: u64 = query["NextPageToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let to = (from + self.page).min(total);
        let _ = write!(out, r#""GroupDefinitions":{},"#, query["GroupBy"]);
        if to < total {
            let _ = write!(out, r#""NextPageToken":"{to}","#);
        }
        out.push_str(r#""ResultsByTime":["#);
        let mut next = from;
        while next < to {
            let (index, first) = (next / self.groups, next % self.groups);
            let last = (first + to - next).min(self.groups);
            self.period(out, start, index, step, |out, at| {
                out.push_str(r#""Total":{},"Groups":["#);
                for group in first..last {
                    self.group(out, at, group, metrics);
                }
                end_list(out);
            });
            next += last - first;
        }
        out.push_str(r#"],"DimensionValueAttributes":[]}"#);
    }

    fn period(
        &self,
        out: &mut String,
        start: DateTime<Utc>,
        index: u64,
        step: Span,
        fill: impl FnOnce(&mut String, DateTime<Utc>),
    ) {
        let at = start + step * i32::try_from(index).unwrap();
        let form = if step == Span::days(1) { "%Y-%m-%d" } else { "%Y-%m-%dT%H:00:00Z" };
        if out.ends_with('}') {
            out.push(',');
        }
        let _ =
            write!(out, r#"{{"TimePeriod":{{"Start":"{}","End":"{}"}},"#, at.format(form), (at + step).format(form));
        fill(out, at);
        out.push_str(r#","Estimated":false}"#);
    }

    fn group(&self, out: &mut String, at: DateTime<Utc>, group: u64, metrics: &[&str]) {
        let (service, usage_type) = (group / USAGE_TYPES, group % USAGE_TYPES);
        let _ = write!(
            out,
            r#"{{"Keys":["Amazon Service Number {service:03}","USW2-UsageType:{usage_type:02}.large"],"Metrics":{{"#
        );
        for metric in metrics {
            let amount = Amount(self.amount(at, group, metric));
            let _ = write!(out, r#""{metric}":{{"Amount":"{amount}","Unit":"{}"}},"#, unit(metric));
        }
        out.pop();
        out.push_str("}},");
    }

    fn total(&self, out: &mut String, at: DateTime<Utc>, metrics: &[&str]) {
        out.push_str(r#""Total":{"#);
        for metric in metrics {
            let sum: i64 = (0..self.groups).map(|group| self.amount(at, group, metric)).sum();
            let _ = write!(out, r#""{metric}":{{"Amount":"{}","Unit":"{}"}},"#, Amount(sum), unit(metric));
        }
        out.pop();
        out.push_str(r#"},"Groups":[]"#);
    }

    /// 2.7% are zero, 0.5% negative; in four of five groups the blended cost equals the unblended cost.
    fn amount(&self, at: DateTime<Utc>, group: u64, metric: &str) -> i64 {
        let restated = self.restate_from.is_some_and(|day| at.date_naive() >= day);
        let seed = at.timestamp() as u64 ^ (u64::from(restated) << 62);
        let metric = match metric {
            "BlendedCost" if !mix(seed, group, 99).is_multiple_of(5) => "UnblendedCost",
            metric => metric,
        };
        let salt = metric.bytes().fold(0, |salt: u64, byte| salt * 31 + u64::from(byte));
        let dice = mix(seed, group, salt);
        match dice % 1_000 {
            0..27 => 0,
            27..32 => -((dice >> 12) as i64 % (100 * ONE)) - 1,
            _ => (dice >> 12) as i64 % (100 * ONE) + 1,
        }
    }
}

fn end_list(out: &mut String) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push(']');
}

fn unit(metric: &str) -> &'static str {
    if metric.ends_with("Cost") { "USD" } else { "N/A" }
}

/// SplitMix64 over three values.
fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ c.rotate_left(32);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        z = (z ^ (z >> 30)).wrapping_mul(factor);
    }
    z ^ (z >> 31)
}

/// An amount as the API writes it: without trailing zeros.
struct Amount(i64);

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, mut rest, mut width) = (size / ONE as u64, size % ONE as u64, 10);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        while rest.is_multiple_of(10) {
            (rest, width) = (rest / 10, width - 1);
        }
        write!(f, "{sign}{whole}.{rest:0width$}")
    }
}
