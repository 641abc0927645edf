//! The page of environment variables: a list here, compared with what `src/` reads and with the flags of the program.

use std::collections::{BTreeMap, BTreeSet};

use super::{head, is_kept, row, wrapped};
use crate::conventions::readme::{commands, help};
use crate::conventions::source::rust_files;

/// Where a variable is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By a source file, which names it; flags of the same meaning win.
    Us,
    /// By a library: the AWS SDK, the TLS stack, the proxy rules, colours.
    Library,
}

/// A variable: its name, who reads it, and its meaning.
type Variable = (&'static str, By, &'static str);

/// Sections and their variables.
const SECTIONS: [(&str, &[Variable]); 6] = [
    (
        "costlake",
        &[
            ("COSTLAKE_JOBS", By::Us, "folder of job files"),
            ("COSTLAKE_LAKE", By::Us, "where the tables are: a folder, `file:///folder` or `s3://bucket/prefix`"),
            ("COSTLAKE_LAKE_SSE", By::Us, "encryption that each write in a bucket names"),
            ("COSTLAKE_LAKE_KMS_KEY_ID", By::Us, "KMS key that each write in a bucket names"),
            ("COSTLAKE_NOW", By::Us, "fixes the clock, for trials: `2026-11-20T06:30:00Z`; every output says so"),
            ("COSTLAKE_LOG", By::Us, "what is logged, such as `costlake=debug`; goes before `-v` and `--quiet`"),
            ("RUST_LOG", By::Us, "the same, where `COSTLAKE_LOG` is not set"),
        ],
    ),
    (
        "Messages and the page of `serve`",
        &[
            ("COSTLAKE_WEBHOOK_URL", By::Us, "address for Slack-compatible messages of `serve`; a secret"),
            ("COSTLAKE_WEBHOOK_URL_FILE", By::Us, "file that holds that address; not both"),
            ("COSTLAKE_PAGE_URL", By::Us, "address of the page, for links in messages"),
        ],
    ),
    (
        "Datadog",
        &[
            ("DD_API_KEY", By::Us, "API key"),
            ("DD_API_KEY_FILE", By::Us, "file that holds the API key; not both"),
            ("DD_APP_KEY", By::Us, "application key"),
            ("DD_APP_KEY_FILE", By::Us, "file that holds the application key; not both"),
            ("DD_SITE", By::Us, "Datadog site, such as `datadoghq.eu`; the key `datadog.site` of a job wins"),
            ("COSTLAKE_DATADOG_URL", By::Us, "whole address in place of the site's, such as that of the sandbox"),
        ],
    ),
    (
        "AWS",
        &[
            ("AWS_PROFILE", By::Us, "profile of the AWS configuration; `aws.profile` of a job wins"),
            ("AWS_ACCESS_KEY_ID", By::Us, "static credentials, with the next two; they go before a profile"),
            ("AWS_SECRET_ACCESS_KEY", By::Us, "secret of the access key"),
            ("AWS_SESSION_TOKEN", By::Us, "token of temporary credentials"),
            ("AWS_ACCOUNT_ID", By::Us, "account of static credentials, twelve digits"),
            ("AWS_REGION", By::Us, "region; `aws.region` of a job wins"),
            ("AWS_DEFAULT_REGION", By::Us, "the same, where `AWS_REGION` is not set"),
            ("AWS_CONFIG_FILE", By::Us, "in place of `~/.aws/config`"),
            ("AWS_SHARED_CREDENTIALS_FILE", By::Us, "in place of `~/.aws/credentials`"),
            ("AWS_LOGIN_CACHE_DIRECTORY", By::Us, "where `aws login` keeps its sessions"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", By::Us, "token of a pod, with `AWS_ROLE_ARN`"),
            ("AWS_ROLE_ARN", By::Library, "role for the token of `AWS_WEB_IDENTITY_TOKEN_FILE`"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", By::Us, "set by ECS: credentials of the task's role"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", By::Us, "set by EKS Pod Identity: credentials of the pod's role"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", By::Us, "token for either of them"),
            ("AWS_EXECUTION_ENV", By::Us, "set by AWS; sent to it as part of the user agent"),
            ("AWS_ENDPOINT_URL", By::Us, "address in place of AWS's own, for all services"),
            ("AWS_ENDPOINT_URL_COST_EXPLORER", By::Us, "the same for Cost Explorer"),
            ("AWS_ENDPOINT_URL_S3", By::Us, "the same for S3"),
            ("AWS_ENDPOINT_URL_STS", By::Us, "the same for STS"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", By::Library, "`true`: none of the four counts"),
            ("AWS_USE_FIPS_ENDPOINT", By::Library, "`true`: FIPS endpoints"),
            ("AWS_USE_DUALSTACK_ENDPOINT", By::Library, "`true`: endpoints that also have IPv6"),
        ],
    ),
    (
        "Proxies and certificates",
        &[
            ("HTTPS_PROXY", By::Us, "proxy for https, `http://host:port` or `http://user:password@host:port`"),
            ("HTTP_PROXY", By::Us, "proxy for plain http"),
            ("ALL_PROXY", By::Us, "proxy for either that has none of its own"),
            ("NO_PROXY", By::Library, "hosts that are asked directly"),
            (
                "AWS_CA_BUNDLE",
                By::Us,
                "PEM file with authorities to trust besides the platform's, for every connection",
            ),
            ("SSL_CERT_FILE", By::Us, "PEM file with authorities in place of the platform's"),
            ("SSL_CERT_DIR", By::Us, "folder of such files"),
        ],
    ),
    (
        "Terminal",
        &[
            ("NO_COLOR", By::Library, "no colours; `--color` wins"),
            ("CLICOLOR_FORCE", By::Library, "colours where there is no terminal; `--color` wins"),
            ("COLUMNS", By::Us, "width of tables and messages, 40 to 160"),
        ],
    ),
];

/// What only tests of a build with debug assertions read, and a name that stands for none.
const OF_TESTS: [&str; 3] = ["COSTLAKE_CRASH", "COSTLAKE_TEST_TIMEOUT_MS", "COSTLAKE_NO_VARIABLE"];
/// What a name of a variable that is read here begins with, or is.
const PREFIXES: [&str; 3] = ["COSTLAKE_", "DD_", "AWS_"];
const OTHERS: [&str; 8] =
    ["RUST_LOG", "COLUMNS", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "HOME"];

/// The variables that a source text names in string literals.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let literals = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_name = |text: &&str| {
        let is_upper = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let is_ours = PREFIXES.iter().any(|prefix| text.len() > prefix.len() && text.starts_with(prefix));
        is_upper && (is_ours || OTHERS.contains(text))
    };
    literals.filter(is_name).map(str::to_owned).collect()
}

/// The flags that take their value from a variable, as `--help` says.
fn flags() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for text in commands().keys().map(|name| help(&[name])).chain([help(&[])]) {
        let mut flag = String::new();
        for line in text.lines() {
            let is_flag = line.trim_start().starts_with('-');
            if let Some(word) =
                line.split([' ', ',']).filter(|_| is_flag).find(|word| word.starts_with("--") && word.len() > 2)
            {
                flag = word.to_owned();
            }
            for name in line.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()) {
                found.insert(name.to_owned(), flag.clone());
            }
        }
    }
    found
}

fn listed() -> impl Iterator<Item = Variable> {
    SECTIONS.into_iter().flat_map(|(_, variables)| variables.iter().copied())
}

#[test]
fn the_page_of_variables_is_what_the_program_reads() {
    let flags = flags();
    let mut page = format!(
        "# Environment variables\n\n{}",
        wrapped(
            "A flag wins over its variable. A variable of costlake, Datadog or AWS that is not UTF-8 is an error \
             (exit code 2). Values of secrets appear in no output."
        )
    );
    for (title, variables) in SECTIONS {
        page += &format!("\n## {title}\n\n");
        page += &head(&["variable", "flag", "meaning"]);
        for (name, _, meaning) in variables {
            let flag = flags.get(*name).map(|flag| format!("`{flag}`")).unwrap_or_default();
            page += &row(&[&format!("`{name}`"), &flag, meaning]);
        }
    }
    page += &format!(
        "\n{}",
        wrapped(
            "Proxies have their lower-case names, too: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`. The AWS SDK \
             reads more variables than these; the AWS documentation has all of them. What job files say is in \
             [keys](keys.md)."
        )
    );
    is_kept("environment", &page);
    assert!(flags.keys().all(|name| listed().any(|(known, ..)| known == name)), "{flags:?}");
}

#[test]
fn every_variable_of_the_sources_is_listed() {
    let known: BTreeSet<&str> = listed().map(|(name, ..)| name).chain(OF_TESTS).collect();
    let sources = rust_files().into_iter().filter(|(path, _)| path.starts_with("src") && !path.ends_with("tests.rs"));
    let sources: Vec<_> = sources.filter(|(path, _)| !path.starts_with("src/sandbox")).collect();
    let read: BTreeSet<String> = sources.iter().flat_map(|(_, text)| named(text)).collect();
    let left_out: Vec<&String> = read.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(left_out.is_empty(), "docs/reference/environment.md leaves out {left_out:?}");
    let all: String = sources.into_iter().map(|(_, text)| text).collect();
    for (name, by, _) in listed().filter(|(_, by, _)| *by == By::Us) {
        let is_made = name.starts_with("AWS_ENDPOINT_URL_") || name.ends_with("_FILE");
        assert!(is_made || all.contains(&format!("\"{name}\"")), "nothing reads {name} ({by:?})");
    }
    assert_eq!(named("let x = var(\"DD_NEW\"); // \"DD_OLD\"\n#[cfg(test)]\n\"DD_TEST\"").len(), 2, "both are seen");
    assert!(named("a(\"AWS_\"), b(\"Aws_X\"), c(\"OTHER\")").is_empty());
}
