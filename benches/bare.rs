//! The lower bound for the comparison: only reads the pages and writes the rows.
//!
//! `bare URL FIRST LAST FOLDER [daily|hourly] [day|month]` requests every page from `FIRST` to `LAST` (exclusive),
//! scans the bytes, fills Arrow builders and writes a zstd-1 Parquet file per day or per month, with costlake's
//! columns. It has no escape handling, checks, sort, digest, fsync or signature: it is the floor that costlake is
//! measured against, not a program to copy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{NaiveDate, NaiveTime};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

const METRICS: [(&str, &str); 5] = [
    ("UnblendedCost", "unblended_cost"),
    ("BlendedCost", "blended_cost"),
    ("AmortizedCost", "amortized_cost"),
    ("NetUnblendedCost", "net_unblended_cost"),
    ("UsageQuantity", "usage_quantity"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [url, first, last, folder, options @ ..] = arguments.as_slice() else { panic!("URL FIRST LAST FOLDER") };
    let hourly = options.first().is_some_and(|grain| grain == "hourly");
    let by_month = options.get(1).is_some_and(|layout| layout == "month");
    let mut server = BufReader::new(TcpStream::connect(url.trim_start_matches("http://")).expect("a server"));
    let mut out = Out::new(folder, hourly, if by_month { 7 } else { 10 });
    let mut token = None;
    let mut body = Vec::new();
    loop {
        ask(&mut server, (first, last, hourly), token.as_deref(), &mut body);
        token = page(&body, &mut out);
        if token.is_none() {
            break;
        }
    }
    out.write();
}

fn ask(server: &mut BufReader<TcpStream>, span: (&str, &str, bool), token: Option<&str>, body: &mut Vec<u8>) {
    let (first, last, hourly) = span;
    let time = if hourly { "T00:00:00Z" } else { "" };
    let metrics: Vec<String> = METRICS.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let token = token.map_or(String::new(), |token| format!(r#","NextPageToken":"{token}""#));
    let query = format!(
        r#"{{"TimePeriod":{{"Start":"{first}{time}","End":"{last}{time}"}},"Granularity":"{}","Metrics":[{}],"GroupBy":[{{"Type":"DIMENSION","Key":"SERVICE"}},{{"Type":"DIMENSION","Key":"USAGE_TYPE"}}]{token}}}"#,
        if hourly { "HOURLY" } else { "DAILY" },
        metrics.join(",")
    );
    let head = format!("POST / HTTP/1.1\r\nhost: bare\r\ncontent-length: {}\r\n\r\n", query.len());
    server.get_mut().write_all((head + &query).as_bytes()).expect("a request");
    let mut length = 0;
    let mut line = String::new();
    while server.read_line(&mut line).expect("a head") > 2 {
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.trim().parse().expect("a length");
        }
        line.clear();
    }
    body.resize(length, 0);
    server.read_exact(body).expect("a body");
}

/// A cursor over the bytes of an answer.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// Skips `text` if it is next; returns whether it was.
    fn skip(&mut self, text: &str) -> bool {
        let here = self.bytes[self.at..].starts_with(text.as_bytes());
        self.at += if here { text.len() } else { 0 };
        here
    }

    fn expect(&mut self, text: &str) {
        assert!(self.skip(text), "no {text} at byte {}", self.at);
    }

    /// The text up to the next quote.
    fn text(&mut self) -> &'a str {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'"').expect("a quote");
        let text = &self.bytes[self.at..self.at + length];
        self.at += length + 1;
        std::str::from_utf8(text).expect("text")
    }
}

/// Reads one page into the builders; returns the token of the next one.
fn page(body: &[u8], out: &mut Out) -> Option<String> {
    let mut scan = Scan { bytes: body, at: 0 };
    scan.expect("{\"GroupDefinitions\":[");
    while !scan.skip("],") {
        scan.at += 1;
    }
    let token = scan.skip("\"NextPageToken\":\"").then(|| {
        let token = scan.text().to_owned();
        scan.expect(",");
        token
    });
    scan.expect("\"ResultsByTime\":[");
    loop {
        scan.expect("{\"TimePeriod\":{\"Start\":\"");
        let start = scan.text();
        scan.expect(",\"End\":\"");
        scan.text();
        scan.expect("},\"Total\":{},\"Groups\":[");
        out.begin(start);
        while !scan.skip("]") {
            group(&mut scan, out);
            scan.skip(",");
        }
        scan.expect(",\"Estimated\":false}");
        if !scan.skip(",") {
            break;
        }
    }
    token
}

fn group(scan: &mut Scan<'_>, out: &mut Out) {
    scan.expect("{\"Keys\":[\"");
    out.service.append_value(scan.text());
    scan.expect(",\"");
    out.usage_type.append_value(scan.text());
    scan.expect("],\"Metrics\":{");
    for (index, (name, _)) in METRICS.iter().enumerate() {
        scan.expect("\"");
        scan.expect(name);
        scan.expect("\":{\"Amount\":\"");
        let amount = decimal(scan.text().as_bytes());
        out.amounts[index].append_value(amount);
        scan.expect(",\"Unit\":\"");
        let unit = scan.text();
        match index {
            0 => out.currency.append_value(unit),
            4 => out.unit.append_value(unit),
            _ => {}
        }
        scan.expect("}");
        scan.skip(",");
    }
    scan.expect("}}");
    match &mut out.time {
        Time::Day(days) => days.append_value(i32::try_from(out.millis / 86_400_000).unwrap()),
        Time::Hour(hours) => hours.append_value(out.millis),
    }
    out.estimated.append_value(false);
}

/// Parses decimal text in units of 10^-12.
fn decimal(text: &[u8]) -> i128 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        digits => (false, digits),
    };
    let (mut value, mut decimals, mut behind) = (0_u64, 0, 0);
    for byte in digits {
        if *byte == b'.' {
            behind = 1;
        } else {
            value = value * 10 + u64::from(byte - b'0');
            decimals += behind;
        }
    }
    let value = i128::from(value) * 10_i128.pow(12 - decimals);
    if negative { -value } else { value }
}

enum Time {
    Day(Date32Builder),
    Hour(TimestampMillisecondBuilder),
}

/// The builders of the current file.
struct Out {
    folder: String,
    /// Length of the period prefix that names a file: 7 for a month, 10 for a day.
    cut: usize,
    file: String,
    millis: i64,
    time: Time,
    estimated: BooleanBuilder,
    service: StringBuilder,
    usage_type: StringBuilder,
    amounts: Vec<Decimal128Builder>,
    currency: StringBuilder,
    unit: StringBuilder,
}

impl Out {
    fn new(folder: &str, hourly: bool, cut: usize) -> Self {
        let amount = || Decimal128Builder::new().with_data_type(DataType::Decimal128(38, 12));
        Self {
            folder: folder.to_owned(),
            cut,
            file: String::new(),
            millis: 0,
            time: if hourly {
                Time::Hour(TimestampMillisecondBuilder::new().with_timezone("UTC"))
            } else {
                Time::Day(Date32Builder::new())
            },
            estimated: BooleanBuilder::new(),
            service: StringBuilder::new(),
            usage_type: StringBuilder::new(),
            amounts: METRICS.iter().map(|_| amount()).collect(),
            currency: StringBuilder::new(),
            unit: StringBuilder::new(),
        }
    }

    fn begin(&mut self, start: &str) {
        if self.file != start[..self.cut] {
            self.write();
            self.file = start[..self.cut].to_owned();
        }
        let hour: i64 = start.get(11..13).map_or(0, |hour| hour.parse().expect("an hour"));
        let day: NaiveDate = start[..10].parse().expect("a day");
        self.millis = day.and_time(NaiveTime::MIN).and_utc().timestamp_millis() + hour * 3_600_000;
    }

    fn write(&mut self) {
        if self.file.is_empty() {
            return;
        }
        let (name, kind, time): (_, _, ArrayRef) = match &mut self.time {
            Time::Day(days) => ("usage_date", DataType::Date32, Arc::new(days.finish())),
            Time::Hour(hours) => (
                "period_start",
                DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                Arc::new(hours.finish()),
            ),
        };
        let mut fields = vec![
            Field::new(name, kind, false),
            Field::new("estimated", DataType::Boolean, false),
            Field::new("service", DataType::Utf8, false),
            Field::new("usage_type", DataType::Utf8, false),
        ];
        fields.extend(METRICS.iter().map(|(_, column)| Field::new(*column, DataType::Decimal128(38, 12), false)));
        fields.extend(["currency", "usage_quantity_unit"].map(|name| Field::new(name, DataType::Utf8, true)));
        let mut columns: Vec<ArrayRef> = vec![
            time,
            Arc::new(self.estimated.finish()),
            Arc::new(self.service.finish()),
            Arc::new(self.usage_type.finish()),
        ];
        columns.extend(self.amounts.iter_mut().map(|amounts| Arc::new(amounts.finish()) as ArrayRef));
        columns.push(Arc::new(self.currency.finish()));
        columns.push(Arc::new(self.unit.finish()));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
        let mut properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()));
        for (_, column) in METRICS {
            properties = properties.set_column_dictionary_enabled(column.into(), false);
        }
        let folder = format!("{}/part={}", self.folder, self.file);
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = File::create(format!("{folder}/data.parquet")).expect("a file");
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties.build())).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a footer");
    }
}
