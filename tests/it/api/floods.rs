//! Floods: answers and files that would exhaust memory if read in full. Each is refused with a message that names the
//! limit, and the process stays below [`MOST_KIB`] throughout.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use crate::sizes::is_whole;
use crate::support::bucket::bucket_but;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::figures::gather;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// Upper limit of a run's resident memory.
const MOST_KIB: u64 = 256 << 10;
const MIB: usize = 1 << 20;

pub(super) const SAVINGS: &str = r#"
[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }]
[window]
begin = "2026-11-01"
"#;

/// Writes an answer: a head, then pieces until the callback returns false.
pub(super) type Flood = fn(&mut dyn FnMut(&[u8]) -> bool);

/// Serves the flood on every connection.
pub(super) fn serving(flood: Flood) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || pour(&stream, flood));
        }
    });
    url
}

fn pour(mut stream: &TcpStream, flood: Flood) {
    let mut asked = [0; 65_536];
    let _ = stream.read(&mut asked);
    flood(&mut |piece| stream.write_all(piece).is_ok());
}

/// A head, then `count` MiB of the same piece.
fn mebibytes(send: &mut dyn FnMut(&[u8]) -> bool, head: &str, begin: &str, piece: &str, count: usize) {
    let block = piece.repeat(MIB / piece.len());
    let _ = send(head.as_bytes()) && send(begin.as_bytes()) && (0..count).all(|_| send(block.as_bytes()));
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
const BAD: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";

fn a_gibibyte(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, GOOD, "{\"x\":\"", "a", 1_024);
}

fn a_gibibyte_of_refusal(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, BAD, "{\"__type\":\"ValidationException\",\"Message\":\"", "a", 1_024);
}

fn a_gibibyte_of_spaces(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, GOOD, "", " ", 1_024);
}

/// A million nested lists.
fn depth(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, GOOD, "{\"actual_cost\":", "[", 1);
}

fn members(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, GOOD, "{\"actual_cost\":{\"times\":[1", ",1", 15);
}

fn groups(send: &mut dyn FnMut(&[u8]) -> bool) {
    let begin = "{\"ResultsByTime\":[{\"TimePeriod\":{\"Start\":\"2026-11-01\",\"End\":\"2026-11-02\"},\"Total\":{\"UnblendedCost\":{\"Amount\":\"1\"}},\"Groups\":[";
    let group = "{\"Keys\":[\"a\"],\"Metrics\":{\"UnblendedCost\":{\"Amount\":\"1\"}}},";
    mebibytes(send, GOOD, begin, group, 31);
}

fn a_million_groups(send: &mut dyn FnMut(&[u8]) -> bool) {
    let begin = "{\"ResultsByTime\":[{\"TimePeriod\":{\"Start\":\"2026-11-01\",\"End\":\"2026-11-02\"},\"Groups\":[";
    let group = "{\"Keys\":[\"Amazon Elastic Compute Cloud\"],\"Metrics\":{\"UnblendedCost\":{\"Amount\":\"1\",\"Unit\":\"USD\"}}},";
    mebibytes(send, GOOD, begin, group, 97);
}

fn headers(send: &mut dyn FnMut(&[u8]) -> bool) {
    let many: String = (0..10_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let _ = send(b"HTTP/1.1 200 OK\r\n") && send(many.as_bytes()) && send(b"\r\n{}");
}

fn a_long_header(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, "HTTP/1.1 200 OK\r\nx-long: ", "", "a", 64);
}

fn a_bomb(send: &mut dyn FnMut(&[u8]) -> bool) {
    let _ = send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n") && send(&gzip_of_zeros());
}

/// A gibibyte of zeros as gzip, a thousandth of that in size: one deflate block of copies of the previous byte, each
/// of maximum length.
fn gzip_of_zeros() -> Vec<u8> {
    let mut bits = Bits::default();
    // Last block, fixed codes; the literal 0, then copies of 258 bytes at distance 1.
    bits.put(0b011, 3);
    bits.code(0x30, 8);
    for _ in 0..(1_024 * MIB / 258) {
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &bits.done()].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push((self.held & 0xff) as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Huffman codes are stored most significant bit first.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn done(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.bytes
    }
}

/// Upper limit of a run's duration on a flood sent at full speed; without the guards some take many minutes.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits for a process to end; returns its status and peak resident memory in KiB, as the kernel reports it.
fn watched(mut child: Child) -> (ExitStatus, u64) {
    let path = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("a process") {
            return (ended, most);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// [`measured`], as one of the floods and large answers that the documents count.
#[track_caller]
pub(super) fn within_bounds(what: &str, house: &Lakehouse, arguments: &[&str], code: i32, words: &str) {
    let most = measured(what, house, arguments, code, words);
    gather("floods", |counts| {
        counts.add("floods", 1);
        counts.most("most", most);
        format!("{} floods, at most {} MiB", counts.of("floods"), counts.of("most"))
    });
}

/// Runs costlake with its log in a file; asserts exit code, message, log size, duration and peak memory, which it
/// returns in MiB.
#[track_caller]
pub(super) fn measured(what: &str, house: &Lakehouse, arguments: &[&str], code: i32, words: &str) -> u64 {
    let begun = Instant::now();
    let log = house.folder().join("log");
    let child = house.begin_logging(arguments, fs::File::create(&log).expect("a log"));
    let (ended, most) = watched(child);
    let said = fs::read_to_string(&log).expect("a log");
    println!("{what}: {} MiB, {:.1} s", most >> 10, begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() < LONGEST, "{what} took {:?}", begun.elapsed());
    assert_eq!(ended.code(), Some(code), "{what}: {said:.2000}");
    assert!(said.contains(words), "{what} does not say `{words}`: {said:.2000}");
    assert!(said.len() < 64 << 10, "{what}: {} bytes were said", said.len());
    assert!(most > 0 && most < MOST_KIB, "{what}: {} MiB were resident", most >> 10);
    most >> 10
}

#[track_caller]
fn flooded(what: &str, job: &str, flood: Flood, words: &str) {
    let house = Lakehouse::new(&serving(flood), NOW);
    house.job("table", job);
    within_bounds(what, &house, &["run"], 1, words);
    assert!(house.objects().is_empty());
}

#[test]
fn floods_of_cost_explorer() {
    flooded("a GiB", DAILY, a_gibibyte, "larger than 32 MiB");
    flooded("a GiB of spaces", DAILY, a_gibibyte_of_spaces, "larger than 32 MiB");
    flooded("a GiB of refusal", DAILY, a_gibibyte_of_refusal, "without an error code");
    flooded("depth", DAILY, depth, "cannot be read");
    flooded("31 MiB of groups", DAILY, groups, "cannot be read");
    flooded("10^6 groups", DAILY, a_million_groups, "larger than 32 MiB");
    flooded("a bomb", DAILY, a_bomb, "cannot be read");
}

#[test]
fn floods_of_datadog() {
    flooded("a GiB", SAVINGS, a_gibibyte, "larger than 16 MiB");
    flooded("a GiB of spaces", SAVINGS, a_gibibyte_of_spaces, "larger than 16 MiB");
    flooded("a GiB of refusal", SAVINGS, a_gibibyte_of_refusal, "Datadog refuses the request");
    flooded("depth", SAVINGS, depth, "is not the JSON");
    flooded("15 MiB of times", SAVINGS, members, "is not the JSON");
    flooded("a bomb", SAVINGS, a_bomb, "larger than 16 MiB");
}

/// These count as connection failures, which are retried: the run is stopped after the first.
#[test]
fn heads_without_an_end() {
    for (what, job) in [("Cost Explorer", DAILY), ("Datadog", SAVINGS)] {
        for (kind, flood) in [("10^4 headers", headers as Flood), ("a long header", a_long_header)] {
            let house = Lakehouse::new(&serving(flood), NOW);
            house.job("table", job);
            let log = house.folder().join("log");
            let mut child = house.begin_logging(&["run"], fs::File::create(&log).expect("a log"));
            let until = Instant::now() + Duration::from_secs(30);
            let again = || fs::read_to_string(&log).expect("a log").contains("; retrying in ");
            while !again() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
            child.kill().expect("a process");
            child.wait().expect("a process");
            assert!(again(), "{what}, {kind}: {}", fs::read_to_string(&log).expect("a log"));
            assert!(peak.is_some_and(|most| most < MOST_KIB), "{what}, {kind}: {peak:?} KiB");
        }
    }
}

#[test]
fn pages_without_an_end() {
    let script = Script::answering({
        let mut number = 0;
        move |asked| {
            number += 1;
            let mut page = two_days();
            page["ResultsByTime"] = serde_json::json!([]);
            if asked.json().get("GroupBy").is_some() {
                page["NextPageToken"] = serde_json::json!(format!("page-{number}"));
            }
            Reply::good(&page)
        }
    })
    .with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    house.job(
        "table",
        &DAILY.replace("[limits]", "control = \"report\"\n[budget]\nmax_requests_per_run = 60\n[limits]"),
    );
    let done = house.costlake(&["run"]);
    assert!([Some(1), Some(4)].contains(&done.code), "{done}");
    assert!(house.objects().is_empty());
}

/// Job files of about 1 MiB or more, each with its message, which must stay short.
fn jobs_without_an_end() -> [(&'static str, String, &'static str); 8] {
    let numbered = |count: usize, entry: fn(usize) -> String| (0..count).map(entry).collect::<Vec<_>>().join(",");
    let queries =
        numbered(15_000, |n| format!("{{ provider = \"aws\", product = \"p{n}\", commitment_type = \"ri\" }}"));
    let half = numbered(40_000, |n| format!("{{ provider = \"p{n}\" }}"));
    let commitments = |queries: &str| format!("[source]\ntype = \"datadog_commitments\"\nqueries = [{queries}]\n");
    let cost = "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\n";
    let config = |schedule: &str| format!("[schedule]\n{schedule}\n[source]\ntype = \"datadog_ccm_config\"\n");
    let zone = "x".repeat(1_000_000);
    [
        ("a huge job", "# nothing\n".repeat(1 << 20), "longer than 1 MiB"),
        ("a deep job", format!("x = {}1{}\n", "[".repeat(500_000), "]".repeat(500_000)), "not valid TOML"),
        ("a long name", config(&format!("cron = \"1 1 * * *\"\ntimezone = \"{zone}\"")), "unknown time zone `xxx"),
        ("a long cron", config(&format!("cron = \"{}1 1 * * *\"", "1,".repeat(500_000))), "1000009 characters"),
        ("many keys", numbered(100_000, |n| format!("k{n}=1")).replace(',', "\n"), "99902 more problems"),
        ("many metrics", format!("{cost}metrics = [{}]\n", numbered(90_000, |n| format!("\"m{n}\""))), "90000 entries"),
        ("many queries", commitments(&queries), "15000 entries"),
        ("many halves of queries", commitments(&half), "40000 entries"),
    ]
}

#[test]
fn files_without_an_end() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    for (what, text, words) in jobs_without_an_end() {
        house.job("table", &text);
        within_bounds(what, &house, &["check"], 2, words);
    }
    house.job("table", DAILY);
    let record = house.lake().join("_costlake/table/table.json");
    fs::create_dir_all(record.parent().expect("a folder")).expect("a folder");
    let pairs = (0..100_000).map(|n| format!("[\"k{n}\",\"v\"]")).collect::<Vec<_>>().join(",");
    fs::write(&record, format!("{{\"format\":1,\"table\":\"table\",\"fingerprint\":[{pairs}]}}")).expect("a record");
    within_bounds("a large record", &house, &["verify"], 2, "no longer matches its table");
    fs::remove_file(&record).expect("removed");
    let ledger = house.lake().join("_costlake/table/ledger");
    fs::create_dir_all(&ledger).expect("a folder");
    let snapshot = ledger.join(format!("{:020}.json", 1));
    let ledgers = [("a huge ledger", 4_u64 << 30, "longer than 64 MiB"), ("a large ledger", 60 << 20, "")];
    // Reading a large one takes seconds without optimisation.
    let tried = if is_whole() { 2 } else { 1 };
    for (what, size, words) in ledgers.into_iter().take(tried) {
        let file = fs::File::create(&snapshot).expect("a ledger");
        file.set_len(size).expect("a hole");
        if size < 64 << 20 {
            fs::write(&snapshot, format!("{{\"format\":1,\"x\":[{}0]}}", "0,".repeat(30 << 20))).expect("a ledger");
        }
        within_bounds(what, &house, &["status"], if words.is_empty() { 0 } else { 1 }, words);
    }
    fs::remove_file(&snapshot).expect("removed");
    let object = house.lake().join("table/billing_period=2026-11");
    fs::create_dir_all(&object).expect("a folder");
    let file = fs::File::create(object.join("data.parquet")).expect("an object");
    file.set_len(4 << 30).expect("a hole");
    let mut end = &file;
    std::io::Seek::seek(&mut end, std::io::SeekFrom::End(-8)).expect("an end");
    end.write_all(b"\xff\xff\xff\x7fPAR1").expect("an end");
    within_bounds("a footer of 2 GiB", &house, &["verify"], 6, "");
}

/// A bucket that answers with a flood: an endless listing, object or refusal.
fn flooded_lake(what: &str, url: &str, words: &str) {
    let api = Script::new();
    let mut house = Lakehouse::new(api.url(), NOW);
    house.set("AWS_ENDPOINT_URL_S3", url);
    house.job("table", DAILY);
    within_bounds(what, &house, &["--lake", "s3://bucket/x", "run"], 1, words);
    assert!(api.take_asked().is_empty(), "{what}: the API was asked");
}

fn a_gibibyte_of_failure(send: &mut dyn FnMut(&[u8]) -> bool) {
    mebibytes(send, "HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n", "<Error><Message>", "a", 1_024);
}

/// A bucket whose listings are `page`.
fn listing(page: Vec<u8>) -> Script {
    bucket_but(move |asked| asked.path.contains("list-type").then(|| Reply::new(200, page.clone())))
}

/// A page of a listing that never ends.
fn page_of(count: usize) -> Vec<u8> {
    let entry = |number| {
        format!(
            "<Contents><Key>x/table/{number:0100}</Key><LastModified>2026-11-03T06:00:00.000Z</LastModified><Size>1</Size></Contents>"
        )
    };
    let entries: String = (0..count).map(entry).collect();
    let head = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>on</NextContinuationToken>";
    format!("{head}{entries}</ListBucketResult>").into_bytes()
}

fn a_long_object(send: &mut dyn FnMut(&[u8]) -> bool) {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\netag: \"a\"\r\n\
        last-modified: Tue, 03 Nov 2026 06:00:00 GMT\r\n\r\n";
    mebibytes(send, head, "", "a", 1_024);
}

#[test]
fn floods_of_a_bucket() {
    flooded_lake("a GiB without a length", &serving(a_gibibyte), "cannot read from the bucket");
    flooded_lake("a GiB of object", &serving(a_long_object), "longer than 64 MiB");
    flooded_lake("a GiB of failure", &serving(a_gibibyte_of_failure), "cannot read from the bucket");
    flooded_lake("a GiB of refusal", &serving(a_gibibyte_of_refusal), "cannot read from the bucket");
    flooded_lake("33 MiB of listing", listing(vec![b' '; 33 * MIB]).url(), "the answer is longer than 32 MiB");
    if is_whole() {
        flooded_lake("objects for ever", listing(page_of(50_000)).url(), "more than 500000 objects");
    }
}

#[test]
fn floods_of_those_who_give_credentials() {
    let api = Script::new();
    let role = DAILY.replace("[limits]", "[aws]\nrole_arn = \"arn:aws:iam::111111111111:role/costs\"\n[limits]");
    let (a_gib, a_refusal): (Flood, Flood) = (a_gibibyte, a_gibibyte_of_refusal);
    for (what, flood) in [("a GiB of role", a_gib), ("a GiB of denial", a_refusal)] {
        let mut house = Lakehouse::new(api.url(), NOW);
        house.set("AWS_ENDPOINT_URL_STS", &serving(flood));
        house.job("table", &role);
        within_bounds(what, &house, &["run"], 1, "the answer is longer than 40 MiB");
        let mut house = Lakehouse::new(api.url(), NOW);
        house.unset("AWS_ACCESS_KEY_ID");
        house.unset("AWS_SECRET_ACCESS_KEY");
        house.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/credentials", serving(flood)));
        house.job("table", DAILY);
        within_bounds(what, &house, &["run"], 1, "the answer is longer than 40 MiB");
    }
    assert!(api.take_asked().is_empty(), "the API was asked");
}
