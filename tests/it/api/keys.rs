//! Keys that cannot be sent as headers, and the files and variables of the AWS configuration.

use std::fs;

use crate::support::bucket::bucket;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// A lakehouse without AWS credentials.
fn bare(api: &Script) -> Lakehouse {
    let mut house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    house
}

/// Writes the AWS config and credentials files below the lakehouse's folder.
fn profiles(house: &mut Lakehouse, config: &str, credentials: &str) {
    for (name, variable, text) in
        [("config", "AWS_CONFIG_FILE", config), ("keys", "AWS_SHARED_CREDENTIALS_FILE", credentials)]
    {
        let path = house.folder().join(name);
        fs::write(&path, text).expect("a file");
        house.set(variable, &path.to_string_lossy());
    }
}

/// Every command that needs the credentials exits with code 3 and this message, and shows no part of a key.
#[track_caller]
fn refused(house: &Lakehouse, words: &str) {
    for command in [&["run"][..], &["check", "--online"], &["--lake", "s3://bucket/x", "status"]] {
        let done: Done = house.costlake(command);
        done.exits(3).says(words).hides("HUSH").hides("panicked").hides("internal");
    }
}

#[test]
fn keys_in_variables_that_cannot_be_sent_are_told_by_the_variable() {
    let api = Script::new();
    for (key, flaw) in [
        ("AKIAHUSHHUSHHUSHHUSH\n", "a line end"),
        ("AKIAHUSH\rHUSH", "a line end"),
        ("AKIAHUSH\tHUSH", "a tab"),
        ("AKIAHUSHÄ", "a character that is not ASCII"),
    ] {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            let mut house = bare(&api);
            house.set("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST");
            house.set("AWS_SECRET_ACCESS_KEY", "test-secret");
            house.set("AWS_ENDPOINT_URL_S3", api.url());
            house.set(name, key);
            refused(&house, &format!("{name} holds {flaw}, which cannot be sent"));
        }
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn keys_in_profiles_that_cannot_be_sent_are_told_by_the_profile() {
    let api = Script::new();
    let role = "[profile work]\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = base\n";
    for (config, keys, words) in [
        (
            "",
            "[work]\naws_access_key_id = AKIA\tHUSH\naws_secret_access_key = s\n",
            "aws_access_key_id of the AWS profile `work`",
        ),
        (
            "",
            "[work]\naws_access_key_id = A\naws_secret_access_key = s\naws_session_token = a\tHUSH\n",
            "aws_session_token of the",
        ),
        (role, "[base]\naws_access_key_id = AKIA\tHUSH\naws_secret_access_key = s\n", "of the AWS profile `base`"),
    ] {
        let mut house = bare(&api);
        profiles(&mut house, config, keys);
        house.set("AWS_PROFILE", "work");
        house.set("AWS_ENDPOINT_URL_STS", api.url());
        house.set("AWS_ENDPOINT_URL_S3", api.url());
        refused(&house, words);
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn keys_that_others_give_and_that_cannot_be_sent_are_told_by_who_gives_them() {
    let told = r#"{"AccessKeyId":"AKIA\nHUSH","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z","Version":1}"#;
    let agent = Script::answering(move |_| Reply::new(200, told));
    let mut house = bare(&agent);
    house.set("AWS_ENDPOINT_URL_S3", agent.url());
    house.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/credentials", agent.url()));
    refused(&house, "the access key id that the provider EcsContainer gives holds a line end");
    house.unset("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let file = house.folder().join("told.json");
    fs::write(&file, told.replace("Token", "SessionToken")).expect("a file");
    profiles(&mut house, &format!("[default]\ncredential_process = cat {}\n", file.display()), "");
    refused(&house, "the access key id that the provider CredentialProcess gives holds a line end");
}

#[test]
fn an_account_that_is_none_is_told_with_who_gave_it() {
    let api = Script::new();
    let keys = "[work]\naws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = s\naws_account_id = 12\n";
    let process = "[profile work]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"HUSH\"}'\n\
        aws_account_id = 12\n";
    for (config, keys, words) in [
        ("", keys, "aws_account_id of the AWS profile `work` is no account: it has not twelve digits"),
        (process, "", "the account that credential_process gives is no account: it has not twelve digits"),
    ] {
        let mut house = bare(&api);
        profiles(&mut house, config, keys);
        house.set("AWS_PROFILE", "work");
        for command in [&["run"][..], &["check", "--online"]] {
            house.costlake(command).exits(3).says(words).says("of the AWS profile `work`").hides("HUSH");
        }
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn what_runs_costlake_is_named_in_a_header() {
    let api = Script::new();
    let mut house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    house.set("AWS_EXECUTION_ENV", "cron\nHUSH");
    refused(&house, "AWS_EXECUTION_ENV holds a line end");
    house.set("AWS_EXECUTION_ENV", "cron job");
    api.then([Reply::good(&two_days())]);
    house.run_well();
}

#[test]
fn profiles_that_do_not_parse_are_told_with_file_and_line() {
    let api = Script::new();
    for (config, keys, place) in [
        ("[profile work]\nregion = us-east-1\n[profile broken\n", "", "config"),
        ("", "[default]\naws_access_key_id = A\naws_secret_access_key HUSH\n", "keys"),
    ] {
        let mut house = bare(&api);
        profiles(&mut house, config, keys);
        house.set("AWS_ENDPOINT_URL_S3", api.url());
        let file = house.folder().join(place);
        refused(&house, &format!("{} on line 3", file.display()));
        // Keys in variables take precedence; the files are not used.
        house.set("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST");
        house.set("AWS_SECRET_ACCESS_KEY", "test-secret");
        api.then([Reply::good(&two_days())]);
        house.run_well();
    }
}

#[test]
fn a_region_that_is_set_is_not_empty() {
    let api = Script::new();
    for (name, value) in [("AWS_REGION", ""), ("AWS_REGION", " "), ("AWS_DEFAULT_REGION", "")] {
        let mut house = Lakehouse::new(api.url(), NOW);
        house.unset("AWS_REGION");
        house.set(name, value);
        house.job("costs", DAILY);
        for command in [&["run"][..], &["check", "--online"], &["--lake", "s3://bucket/x", "status"]] {
            house.costlake(command).exits(2).says(&format!("{name} is empty"));
        }
    }
    let mut house = Lakehouse::new(api.url(), NOW);
    house.set("AWS_REGION", "");
    house.job("costs", &DAILY.replace("[limits]", "[aws]\nregion = \"us-east-1\"\n[limits]"));
    api.then([Reply::good(&two_days())]);
    house.run_well();
}

#[test]
fn a_line_end_after_a_region_is_none_of_it() {
    let api = Script::new();
    let mut house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    house.set("AWS_REGION", "eu-west-1\r\n");
    api.then([Reply::good(&two_days())]);
    house.run_well();
    let store = bucket();
    house.set("AWS_ENDPOINT_URL_S3", store.url());
    let done = house.costlake(&["connect", "--lake", "s3://bills/x"]);
    assert!(done.exits(0).stdout.contains("REGION 'eu-west-1'"), "{done}");
}

#[test]
fn a_region_of_a_profile_that_is_none_is_told_with_the_profile() {
    let api = Script::new();
    let base = "[profile work]\nsource_profile = base\nrole_arn = arn:aws:iam::111111111111:role/x\n[profile base]\n";
    for (config, words) in [
        ("[profile work]\nregion = eu_west_1\n", "region of the AWS profile `work` holds '_'"),
        ("[profile work]\nregion =\n", "region of the AWS profile `work` is empty"),
        (&format!("{base}region = us-east-1;\n"), "region of the AWS profile `base` holds ';'"),
    ] {
        let mut house = bare(&api);
        house.unset("AWS_REGION");
        profiles(&mut house, config, "[base]\naws_access_key_id = A\naws_secret_access_key = HUSH\n");
        house.set("AWS_PROFILE", "work");
        for command in [&["run"][..], &["check", "--online"], &["--lake", "s3://bucket/x", "status"]] {
            house.costlake(command).exits(2).says(words).hides("HUSH");
        }
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn what_is_odd_in_the_files_of_profiles_is_told_once() {
    let store = bucket();
    let api = Script::answering(|_| Reply::good(&two_days()));
    let keys = "[default]\naws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = s\nodd key = x\n";
    for (region, lake) in [("us-east-1", "lake"), ("", "lake"), ("", "s3://bills/x")] {
        let mut house = bare(&api);
        house.set("AWS_ENDPOINT_URL_S3", store.url());
        profiles(&mut house, "[default]\nregion = us-east-1\n", keys);
        house.set("AWS_REGION", region);
        if region.is_empty() {
            house.unset("AWS_REGION");
        }
        let done = house.costlake(&["run", "--lake", lake]);
        assert_eq!(done.exits(0).stderr.matches("`odd key` was not a valid identifier").count(), 1, "{done}");
    }
}

#[test]
fn texts_of_a_job_that_go_to_aws_hold_no_control_characters() {
    let api = Script::new();
    let house = Lakehouse::new(api.url(), NOW);
    let role = "role_arn = \"arn:aws:iam::111111111111:role/x\"\n";
    for (key, value) in [("external_id", "a\\nHUSH"), ("profile", "a\\tb"), ("region", "us-east-1\\n"), ("region", "")]
    {
        house.job("costs", &DAILY.replace("[limits]", &format!("[aws]\n{role}{key} = \"{value}\"\n[limits]")));
        house.costlake(&["check"]).exits(2).says(&format!("aws.{key}: ")).hides("HUSH");
    }
}

/// A session of `aws login` is read from its cache, provides the account, and is never shown.
#[test]
fn a_session_of_aws_login_is_used() {
    let session = "arn:aws:sts::111122223333:assumed-role/Admin/joe";
    // The cache file is named by the SHA-256 of the session.
    let cached = "b808789211b14aef9896a456cfb87eca69edd0e84f10bfe09e07435e1cd724d6.json";
    let token = |account: &str| {
        format!(
            "{{\"accessToken\": {{\"accessKeyId\": \"ASIALOGINLOGINLOGIN1\", \"secretAccessKey\": \"HUSH-the-secret-key\", \
             \"sessionToken\": \"HUSH-the-session-token\", \"accountId\": \"{account}\", \
             \"expiresAt\": \"2099-01-01T00:00:00Z\"}}, \"tokenType\": \"aws_sigv4\", \"refreshToken\": \"HUSH-refresh-token\", \
             \"clientId\": \"arn:aws:signin:::devtools/same-device\", \"dpopKey\": \"HUSH-the-dpop-key\"}}"
        )
    };
    let api = Script::answering(|asked| {
        let sent: Vec<&str> = asked.headers.iter().map(|(_, value)| value.as_str()).collect();
        Reply::fault("AccessDeniedException", &format!("{} HUSH-refresh-token HUSH-the-dpop-key", sent.join(" ")))
    });
    let mut house = bare(&api);
    let folder = house.folder().join("login");
    fs::create_dir(&folder).expect("a folder");
    house.set("AWS_LOGIN_CACHE_DIRECTORY", &folder.to_string_lossy());
    profiles(&mut house, &format!("[profile work]\nlogin_session = {session}\n"), "");
    house.set("AWS_PROFILE", "work");
    house.costlake(&["check", "--online"]).exits(3).says("there are no AWS credentials to use");
    fs::write(folder.join(cached), token("111122223333")).expect("a file");
    house.costlake(&["check", "--online"]).exits(0).says("AWS account 111122223333").hides("HUSH");
    house.costlake(&["run"]).exits(3).says("Cost Explorer denies").hides("HUSH");
}

/// The SDK's own warning about such a file has every byte of it.
#[test]
fn a_file_of_profiles_that_is_no_text_is_named_and_not_shown() {
    let api = Script::new();
    let keys = "[default]\naws_access_key_id = AKIAHUSH\naws_secret_access_key = HUSH\n";
    let latin = [keys.as_bytes(), b"# caf\xe9\n"].concat();
    let wide: Vec<u8> = format!("\u{feff}{keys}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [("config", &latin), ("keys", &latin), ("keys", &wide)] {
        let mut house = bare(&api);
        profiles(&mut house, "", "");
        fs::write(house.folder().join(name), bytes).expect("a file");
        refused(&house, "the AWS profiles cannot be read");
        for command in
            [&["run"][..], &["-vv", "run"], &["--log-format", "json", "run"], &["--lake", "s3://bucket/x", "status"]]
        {
            let done = house.costlake(command);
            done.exits(3).says(name).says("UTF-8").hides("FromUtf8Error").hides("97, 119, 115, 95");
        }
    }
    assert!(api.take_asked().is_empty());
}
