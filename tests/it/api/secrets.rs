//! No secret in any output, at the most verbose log level: a canary in every place that takes a secret, servers that
//! echo what they were sent, and a search for each canary in every encoding.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::support::cost_explorer::DAILY;
use crate::support::done::Done;
use crate::support::lake::{files, rows};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Asked, Reply, Script};

const NOW: &str = "2026-11-03T06:00:00Z";
pub(super) const CANARIES: [(&str, &str); 13] = [
    ("the secret access key", "canary/SecretKey+71faQ"),
    ("the session token", "canary/SessionToken+82eb=="),
    ("Datadog's API key", "canaryApiKey93dcZ"),
    ("Datadog's application key", "canary\"AppKey\\A4cdY"),
    ("the external id", "canary-ExternalId-b5ce"),
    ("the webhook's path", "canaryWebhookC6df"),
    ("the page's token", "canaryPageTokenD7e0"),
    ("the container's token", "canaryContainerE8f1"),
    ("the password of an address", "canaryPasswordF9a2"),
    ("the query of an address", "canarySignature0ab3"),
    ("single sign-on: access", "canaryAccessTokenG1b4"),
    ("single sign-on: refresh", "canaryRefreshTokenH2c5"),
    ("single sign-on: client", "canaryClientSecretI3d6"),
];
const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n";

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        (0..=chunk.len()).for_each(|at| text.push(alphabet[(word >> (18 - 6 * at)) as usize & 63].into()));
    }
    text
}

/// Every encoding of a secret that is searched for.
fn spellings(secret: &str) -> Vec<String> {
    let swapped = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let bytes = || secret.bytes();
    let percent = |keep: fn(u8) -> bool| -> String {
        bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let mut all = vec![
        secret.to_owned(),
        secret.to_lowercase(),
        secret.to_uppercase(),
        secret.chars().map(swapped).collect(),
        secret.chars().rev().collect(),
        secret.replace('/', "\\/"),
        json!(secret).to_string().trim_matches('"').to_owned(),
        json!(json!(secret).to_string()).to_string().trim_matches(['"', '\\']).to_owned(),
        percent(|_| false),
        percent(|b| b.is_ascii_alphanumeric()),
        percent(|b| b.is_ascii_alphanumeric()).to_lowercase(),
        bytes().map(|b| format!("{b:02x}")).collect(),
        bytes().map(|b| format!("{b:02X}")).collect(),
        bytes().map(|b| format!("\\u{b:04x}")).collect(),
        bytes().map(|b| format!("{b}, ")).collect(),
        secret.replace('+', "&#43;").replace('/', "&#x2f;"),
    ];
    let standard = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let for_urls = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for alphabet in [standard, for_urls] {
        for before in 0..3 {
            let text = base64(&[&vec![b'x'; before], secret.as_bytes()].concat(), alphabet);
            // The first and last characters depend on the neighbouring bytes.
            all.push(text[(before * 8).div_ceil(6)..text.len() - 2].to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The canaries found in some bytes.
fn found(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let in_text = |(name, secret): &(&str, &str)| {
        let spelling = spellings(secret).into_iter().find(|spelling| text.contains(spelling.as_str()))?;
        let at = text.find(&spelling).unwrap_or(0);
        let around: String = text[..at].chars().rev().take(120).collect::<Vec<_>>().into_iter().rev().collect();
        Some(format!("{name} as {spelling} behind {around}"))
    };
    CANARIES.iter().filter_map(in_text).collect()
}

#[track_caller]
pub(super) fn clean(what: &str, bytes: &[u8]) {
    let leaks = found(bytes);
    assert!(leaks.is_empty(), "{what} holds {leaks:#?}");
}

#[track_caller]
pub(super) fn nothing_leaked(house: &Lakehouse, done: &Done) {
    clean(&format!("stdout of {}", done.arguments), done.stdout.as_bytes());
    clean(&format!("stderr of {}", done.arguments), done.stderr.as_bytes());
    nothing_kept(house);
}

/// Checks every file of the lake as stored, decompressed and, for objects, row by row.
#[track_caller]
fn nothing_kept(house: &Lakehouse) {
    for path in files(&house.lake()) {
        let bytes = fs::read(&path).expect("a file");
        clean(&path.display().to_string(), &bytes);
        if path.extension().is_some_and(|extension| extension == "zst") {
            clean(&path.display().to_string(), &zstd::stream::decode_all(&bytes[..]).expect("a raw answer"));
        }
    }
    for table in ["costs", "config"] {
        clean(table, format!("{:?}", rows(&house.lake(), table)).as_bytes());
    }
}

pub(super) fn canary(name: &str) -> &'static str {
    CANARIES.iter().find(|(known, _)| known.contains(name)).expect("a canary").1
}

/// A lakehouse with a canary in every place that takes a secret, and the folder of its secret files.
pub(super) fn with_canaries(url: &str) -> (Lakehouse, TempDir) {
    let mut house = Lakehouse::new(url, NOW);
    let files = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    house.set("AWS_SECRET_ACCESS_KEY", canary("access key"));
    house.set("AWS_SESSION_TOKEN", canary("session token"));
    house.set("DD_API_KEY", canary("API key"));
    house.unset("DD_APP_KEY");
    house.set("DD_APP_KEY_FILE", &file("app-key", canary("application key")));
    house.set("COSTLAKE_WEBHOOK_URL", &format!("{url}/services/{}", canary("webhook")));
    house.set("COSTLAKE_LOG", "trace");
    house.set("RUST_LOG", "trace");
    file("page-token", canary("page's token"));
    house.job("costs", DAILY);
    house.job("config", CONFIG);
    (house, files)
}

/// Echoes everything it was sent, and the secret behind the signature, in every part of an answer.
pub(super) fn repeats(asked: &Asked) -> Reply {
    let headers = ["authorization", "x-amz-security-token", "dd-api-key", "dd-application-key"];
    let sent: Vec<&str> = headers.iter().filter_map(|name| asked.header(name)).collect();
    let known = if asked.header("dd-api-key").is_some() { 2..4 } else { 0..2 };
    let secrets: Vec<&str> = CANARIES[known].iter().map(|(_, secret)| *secret).collect();
    let words = format!("{} {} {} {}", sent.join(" "), secrets.join(" "), asked.path, asked.body);
    let body = if asked.header("dd-api-key").is_some() {
        json!({ "errors": [words] })
    } else {
        json!({ "__type": "ValidationException", "Message": words })
    };
    let id = secrets.join("-");
    let reply = Reply::new(400, body.to_string()).with("x-amzn-requestid", &id).with("x-request-id", &id);
    reply.with("location", &format!("http://{}/", secrets[0])).with("set-cookie", &id)
}

#[test]
fn the_search_finds_a_canary_in_every_spelling() {
    for (name, secret) in CANARIES {
        for spelling in spellings(secret) {
            let planted = format!("some words {spelling} and more");
            assert!(!found(planted.as_bytes()).is_empty(), "{name} as {spelling} is not found");
        }
    }
    assert!(found(b"nothing to see").is_empty());
}

#[test]
fn a_good_run_leaks_nothing() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let (house, _files) = with_canaries(&sandbox.url());
    for output in ["text", "json"] {
        let done = house.costlake(&["--log-format", output, "--output", output, "run"]);
        done.exits(0);
        assert!(done.stderr.contains("TRACE"), "the log is not at its most talkative");
        nothing_leaked(&house, &done);
    }
    let range = ["--from", "2026-11-01", "--to", "2026-11-02"];
    let backfill = [&["backfill", "costs", "--yes"][..], &range].concat();
    for arguments in
        [&["connect"][..], &["status"], &["plan"], &["check"], &["verify", "--full"], &["rebuild", "config"], &backfill]
    {
        nothing_leaked(&house, house.costlake(arguments).exits(0));
    }
}

#[test]
fn servers_that_repeat_what_they_are_sent() {
    let script = Script::answering(repeats).with_totals();
    let (mut house, _files) = with_canaries(script.url());
    house.set("AWS_ENDPOINT_URL_STS", script.url());
    for output in ["text", "json"] {
        for command in [&["run"][..], &["check", "--online"], &["plan"], &["status"]] {
            let done = house.costlake(&[&["--log-format", output, "--output", output][..], command].concat());
            nothing_leaked(&house, &done);
        }
    }
    assert!(script.take_asked().len() >= 4, "nothing was asked");
    let role =
        "[aws]\nrole_arn = \"arn:aws:iam::123456789012:role/x\"\nexternal_id = \"canary-ExternalId-b5ce\"\n[limits]";
    house.job("costs", &DAILY.replace("[limits]", role));
    nothing_leaked(&house, &house.costlake(&["run", "costs"]));
    assert!(
        script.take_asked().iter().any(|asked| asked.body.contains("canary-ExternalId-b5ce")),
        "no role was asked for"
    );
}

#[test]
fn credentials_in_addresses() {
    let (password, query) = (canary("password"), canary("query"));
    for host in ["127.0.0.1:9", "192.0.2.1:9"] {
        let url = format!("http://user:{password}@{host}/x?X-Amz-Signature={query}");
        for (name, job) in [
            ("AWS_ENDPOINT_URL_COST_EXPLORER", "costs"),
            ("AWS_ENDPOINT_URL_STS", "costs"),
            ("COSTLAKE_DATADOG_URL", "config"),
            ("AWS_ENDPOINT_URL_S3", "costs"),
            ("DD_SITE", "config"),
        ] {
            let (mut house, _files) = with_canaries("http://127.0.0.1:9");
            house.set(name, &url);
            let command: &[&str] = match name {
                "AWS_ENDPOINT_URL_S3" => &["--lake", "s3://bucket/x", "status"],
                _ => &["check", "--online", job],
            };
            nothing_leaked(&house, &house.costlake(command));
        }
        let (house, _files) = with_canaries("http://127.0.0.1:9");
        nothing_leaked(&house, &house.costlake(&["--lake", &url, "status"]));
        nothing_leaked(&house, &house.json(&["--lake", &format!("s3://key:{password}@b/x?{query}"), "run"]));
    }
}

/// Credentials of a container, a profile and a `credential_process`: none of them come from environment variables.
#[test]
fn credentials_of_other_places() {
    let told = json!({
        "Version": 1, "AccessKeyId": "AKIATESTTESTTESTTEST", "SecretAccessKey": canary("access key"),
        "SessionToken": canary("session token"), "Token": canary("session token"), "Expiration": "2036-01-01T00:00:00Z",
    });
    let answer = told.clone();
    let script = Script::answering(move |asked| match asked.path.as_str() {
        "/container" => Reply::good(&answer).with("content-type", "application/json"),
        _ => repeats(asked),
    })
    .with_totals();
    let (mut house, secret_files) = with_canaries(script.url());
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].iter().for_each(|name| house.unset(name));
    house.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", script.url()));
    house.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", canary("container"));
    let done = house.costlake(&["run", "costs"]);
    nothing_leaked(&house, &done);
    let asked = script.take_asked();
    assert!(asked.iter().any(|asked| asked.header("x-amz-security-token") == Some(canary("session token"))), "{done}");
    house.unset("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let path = |name: &str| secret_files.path().join(name).to_string_lossy().into_owned();
    fs::write(path("told"), told.to_string()).expect("a file");
    let by_program = format!("credential_process = /bin/cat {}\n", path("told"));
    let by_keys = format!(
        "aws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = {}\naws_session_token = {}\n",
        canary("access key"),
        canary("session token")
    );
    for profile in [by_program, by_keys] {
        fs::write(path("config"), format!("[profile p]\n{profile}")).expect("a file");
        house.set("AWS_CONFIG_FILE", &path("config"));
        house.set("AWS_PROFILE", "p");
        let done = house.costlake(&["run", "costs"]);
        nothing_leaked(&house, &done);
        let asked = script.take_asked();
        assert!(asked.iter().any(|asked| asked.header("x-amz-security-token").is_some()), "{done}");
    }
}

fn get(address: &str, path: &str, token: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let bearer = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}connection: close\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

#[test]
fn whoever_serves_shows_none() {
    serving_shows_none("text", "");
}

#[test]
fn whoever_serves_with_a_log_in_json_shows_none() {
    serving_shows_none("json", "");
}

/// A run that panics is recorded and shown like any other.
#[test]
fn whoever_serves_tells_no_secret_of_a_panic() {
    for format in ["text", "json"] {
        serving_shows_none(format, &format!("after_plan:1:panic:it held {}", canary("access key")));
    }
}

fn serving_shows_none(format: &str, crash: &str) {
    let script =
        Script::answering(
            |asked| if asked.path.starts_with("/services/") { Reply::new(200, "ok") } else { repeats(asked) },
        );
    let script = script.with_totals();
    let (mut house, secret_files) = with_canaries(script.url());
    house.set("COSTLAKE_CRASH", crash);
    for (name, text) in [("costs", DAILY), ("config", CONFIG)] {
        house.job(name, &format!("{text}\n[schedule]\ncron = \"0 6 * * *\"\n"));
    }
    let token = secret_files.path().join("page-token");
    let log = secret_files.path().join("log");
    let token = token.to_string_lossy();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--token-file", &token, "--allow-actions"];
    let mut child = house
        .begin_logging(&[&["--log-format", format][..], &arguments].concat(), fs::File::create(&log).expect("a log"));
    let mut printed = BufReader::new(child.stdout.take().expect("stdout"));
    let mut line = String::new();
    printed.read_line(&mut line).expect("a line");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let is_record = |path: &str| path.contains("/runs/") && !path.contains(".started");
    let runs = |folder: &Path| files(folder).iter().filter(|path| is_record(&path.to_string_lossy())).count();
    while runs(&house.lake()) < 2 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut shown = BTreeMap::new();
    for path in ["/", "/metrics", "/api/status", "/healthz", "/readyz", "/nowhere"] {
        for token in [canary("page's token"), "wrong-token-of-nobody", ""] {
            shown.insert((path, token), get(&address, path, token));
        }
    }
    child.kill().expect("a process");
    child.wait().expect("a process");
    assert!(runs(&house.lake()) >= 2, "the jobs did not run: {}", fs::read_to_string(&log).expect("a log"));
    assert!(shown[&("/", canary("page's token"))].starts_with(b"HTTP/1.1 200"), "the page was not shown");
    for ((path, _), answer) in &shown {
        clean(path, answer);
    }
    let said = fs::read(&log).expect("a log");
    clean("the log", &said);
    assert_eq!(String::from_utf8_lossy(&said).contains("it held [secret]"), !crash.is_empty());
    nothing_kept(&house);
    for message in script.take_asked().iter().filter(|asked| asked.path.starts_with("/services/")) {
        clean("a message to the chat", message.body.as_bytes());
    }
}

/// A refusal may name a person; a run record would keep the name.
#[test]
fn people_that_an_error_names_are_neither_said_nor_kept() {
    let api = Script::new();
    let words = "Not for finance-team, write to <jo.doe@acme.example>";
    api.then([Reply::new(400, format!(r#"{{"__type":"ValidationException","message":"{words}"}}"#))]);
    let house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    let done = house.costlake(&["run"]);
    done.exits(1).says("write to <[e-mail]>").hides("acme.example");
    house.json(&["status"]).says("[e-mail]").hides("acme.example");
    for file in files(&house.lake()) {
        let bytes = fs::read(&file).expect("a file");
        assert!(!String::from_utf8_lossy(&bytes).contains("acme.example"), "{}", file.display());
    }
}
