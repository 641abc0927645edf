"""Where people's AWS credentials come from: SSO, `aws login`, web identity, a container's agent, a program, an instance.

Each is tried against an imitation of its endpoint under AWS's own name: a proxy leads every host of AWS to a server of this
check, which shows a certificate for it, so that the program speaks TLS as it would with AWS. The instance's endpoint alone
is plain http, as it is in life. What is compared: whose keys signed the requests that came after, the sums of a run, and
where it fails, that the message has the file, the line and the command to run, and no secret. Each error that
docs/deployment/credentials.md prints is one that was met here.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import subprocess
import threading
import urllib.parse
from decimal import Decimal

import lake
import printed
import world

HOSTS = ("portal.sso.eu-west-1.amazonaws.com", "oidc.eu-west-1.amazonaws.com", "eu-west-1.signin.aws.amazon.com",
         "sts.eu-west-1.amazonaws.com", "ce.us-east-1.amazonaws.com", "agent.example")
ACCOUNT = "111122223333"
START = "https://corp.awsapps.com/start"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/joe"
LATER, BEFORE = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
SECRET = "hush-hush"
SSO = ("[profile work]\nregion = eu-west-1\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Billing\n"
       f"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = {START}\nsso_registration_scopes = sso:account:access\n")


def keys(who, **names):
    """Keys as an endpoint tells them, under its names; who gave them is seen in the id."""
    told = {"id": f"ASIA{who.upper()}", "secret": f"{SECRET}-secret", "token": f"{SECRET}-token"}
    return {names[key]: value for key, value in told.items()}


class Aws(world.World):
    """AWS's hosts, each with what it gives, or refuses."""

    def __init__(self, certificate=None):
        super().__init__(certificate)
        self.account = ACCOUNT
        self.role = None  # the answer in place of a role
        self.refusals = {}  # host or path: the answer in place of the good one
        self.signers = set()
        self.hosts = set()

    def answer(self, method, path, headers, body):
        host, where = headers.get("Host", "").partition(":")[0], urllib.parse.urlsplit(path).path
        self.hosts.add(host)
        if signer := re.search(r"Credential=([^/]+)/", headers.get("Authorization") or ""):
            self.signers.add(signer[1])
        for place in (host, where):
            if place in self.refusals:
                return self.refusals[place]
        if host.startswith("portal.sso"):
            good = headers.get("x-amz-sso_bearer_token") == f"{SECRET}-access"
            told = keys("sso", id="accessKeyId", secret="secretAccessKey", token="sessionToken") | {"expiration": 4_070_908_800_000}
            return (200, {}, {"roleCredentials": told}) if good else refusal(401, "UnauthorizedException", "Session token not found or invalid")
        if host.startswith("oidc"):
            return 200, {}, {"accessToken": f"{SECRET}-access", "expiresIn": 3600, "refreshToken": f"{SECRET}-refreshed", "tokenType": "Bearer"}
        if "signin" in host:
            told = keys("login", id="accessKeyId", secret="secretAccessKey", token="sessionToken")
            return 200, {}, {"accessToken": told, "tokenType": "aws_sigv4", "expiresIn": 900, "refreshToken": f"{SECRET}-refreshed"}
        if b"AssumeRoleWithWebIdentity" in body:
            return 200, {"Content-Type": "text/xml"}, role_xml("web", "AssumeRoleWithWebIdentity")
        if b"Action=AssumeRole&" in body:
            return self.role or (200, {"Content-Type": "text/xml"}, role_xml("role", "AssumeRole"))
        if where == "/credentials":
            if headers.get("Authorization") != f"{SECRET}-agent":
                return 401, {}, {"code": "Unauthorized", "message": "the token is not the agent's"}
            return 200, {}, keys("agent", id="AccessKeyId", secret="SecretAccessKey", token="Token") | {"Expiration": LATER}
        if where.startswith("/latest/"):
            return self.instance(where)
        return super().answer(method, path, headers, body)

    def instance(self, where):
        if where == "/latest/api/token":
            return 200, {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}, b"a-token"
        if where.endswith("/security-credentials/"):
            return 200, {}, b"billing"
        if where.endswith("/security-credentials/billing"):
            told = keys("box", id="AccessKeyId", secret="SecretAccessKey", token="Token")
            return 200, {}, told | {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": BEFORE, "Expiration": LATER}
        return 404, {}, b""


def refusal(status, name, message):
    return status, {"x-amzn-ErrorType": name}, {"__type": name, "message": message}


def role_xml(who, action):
    told = keys(who, id="AccessKeyId", secret="SecretAccessKey", token="SessionToken") | {"Expiration": LATER}
    members = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>'
            f"<Credentials>{members}</Credentials></{action}Result></{action}Response>").encode()


def denied_xml(code, message):
    return 403, {"Content-Type": "text/xml"}, (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>").encode()


@contextlib.contextmanager
def proxy(port):
    """A proxy for https that leads every host to one port here."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pipe(source, target):
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def meet(client):
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            part = client.recv(4096)
            if not part:
                return
            asked += part
        server = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pipe, args=(server, client), daemon=True).start()
        pipe(client, server)

    def live():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=meet, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=live, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


class Desk:
    """Somebody's machine: a home with what the AWS tools leave there, and a job."""

    heard = []  # what was said on all desks, their homes as the page has them

    def __init__(self, aws, proxy_url, bundle):
        self.aws, self.folder = aws, lake.temporary("desk")
        jobs = self.folder / "jobs"
        jobs.mkdir()
        (jobs / "bill.toml").write_text('[source]\ntype = "aws_cost_and_usage"\ngranularity = "DAILY"\nmetrics = ["UnblendedCost"]\n'
                                        'group_by = [{ dimension = "SERVICE" }]\n[window]\nbegin = "2026-05-10"\n[limits]\nrequests_per_second = 200\n')
        self.costlake = lake.Costlake("2026-05-18T12:00:00Z", jobs=jobs)
        self.home = self.costlake.home
        for name in (*lake.AWS, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            self.costlake.environment.pop(name)
        self.costlake.environment |= {"HTTPS_PROXY": proxy_url, "AWS_CA_BUNDLE": bundle, "AWS_REGION": "eu-west-1"}
        aws.refusals, aws.signers, aws.hosts, aws.role = {}, set(), set(), None

    def file(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    def profile(self, text):
        self.costlake.environment["AWS_PROFILE"] = "work"
        return self.file(".aws/config", text)

    def set(self, **environment):
        self.costlake.environment |= environment
        return self

    def run(self, *arguments, code):
        done = self.costlake.run(*arguments or ("run",), lake=self.folder / "lake", expect=None, timeout=60)
        if done.code != code:
            raise AssertionError(f"exit code {done.code}, expected {code}: {done.out[-800:]}\n{done.err[-2000:]}")
        if SECRET in done.out + done.err:
            raise AssertionError(f"a secret is told: {done.out}\n{done.err}")
        self.heard.append(done.said.replace(str(self.home), "/home/you"))
        return done

    def works(self, group, who, *hosts, caller=()):
        """A check and a run with the keys of `who`, of whom these hosts were asked; the caller of a role signs, too."""
        group.true(f"AWS account {ACCOUNT}" in self.run("check", "--online", code=0).said, "the account is not told")
        self.run(code=0)
        group.equal(self.aws.signers, {f"ASIA{who.upper()}", *caller}, "who signed")
        group.true(set(hosts) <= self.aws.hosts, f"asked: {sorted(self.aws.hosts)}, not all of {hosts}")
        import duckdb

        table = f"'{self.folder}/lake/bill/*/*.parquet'"
        with duckdb.connect() as db:
            ((days, total),) = db.sql(f"SELECT count(DISTINCT usage_date), sum(unblended_cost) FROM {table}").fetchall()
        group.equal((days, total), (8, Decimal("10") * 8), "days and sum")

    def fails(self, group, *words, code=3):
        for command in (("run",), ("check", "--online")):
            done = self.run(*command, code=code)
            for text in words:
                group.true(text in done.said, f"{command[0]} does not say {text!r}: {done.err[-1500:]}")
            if command == ("run",):
                group.equal(len(re.findall("^error: ", done.err, re.M)), 1, f"errors told: {done.err[-1500:]}")
        group.true(not (self.folder / "lake" / "bill").exists(), "something was written")


def sso_token(expires, **more):
    """As the tools leave it; the portal takes the token `-access` alone."""
    return {"accessToken": f"{SECRET}-access", "expiresAt": expires, "region": "eu-west-1", "startUrl": START} | more


def sso(tally, desk):
    cached = f".aws/sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json"
    renewable = {"clientId": "c", "clientSecret": f"{SECRET}-client", "refreshToken": f"{SECRET}-refresh", "registrationExpiresAt": LATER}
    with tally.group("SSO: a sign-in is used") as group:
        at = desk()
        at.profile(SSO)
        at.file(cached, sso_token(LATER))
        at.works(group, "sso", "portal.sso.eu-west-1.amazonaws.com", "ce.us-east-1.amazonaws.com")
    with tally.group("SSO: a sign-in that has ended and may be renewed is renewed") as group:
        at = desk()
        at.profile(SSO)
        at.file(cached, sso_token(BEFORE, accessToken=f"{SECRET}-old", **renewable))
        at.works(group, "sso", "oidc.eu-west-1.amazonaws.com")
    command = "run `aws sso login --profile work`"
    with tally.group("SSO: nobody has signed in, and a sign-in that has ended") as group:
        at = desk()
        config = at.profile(SSO)
        at.fails(group, command, f"file {config}, line 3")
        at.file(cached, sso_token(BEFORE))
        at.fails(group, command, f"file {config}, line 3")
        at.file(cached, sso_token(LATER, accessToken=f"{SECRET}-revoked"))
        at.fails(group, command)
        at.file(cached, sso_token(BEFORE, accessToken=f"{SECRET}-old", **renewable))
        at.aws.refusals["oidc.eu-west-1.amazonaws.com"] = 400, {}, {"error": "invalid_grant", "error_description": "Invalid refresh token provided"}
        at.fails(group, command)
    with tally.group("SSO: a role that is not for this user") as group:
        at = desk()
        at.profile(SSO)
        at.file(cached, sso_token(LATER))
        at.aws.refusals["portal.sso.eu-west-1.amazonaws.com"] = refusal(403, "ForbiddenException", "No access")
        at.fails(group, "correct sso_account_id and sso_role_name")
    with tally.group("SSO: the portal is busy") as group:
        at = desk()
        at.profile(SSO)
        at.file(cached, sso_token(LATER))
        at.aws.refusals["portal.sso.eu-west-1.amazonaws.com"] = refusal(429, "TooManyRequestsException", "Slow down")
        at.fails(group, "run again", code=1)


def login(tally, desk):
    cached = f".aws/login/cache/{hashlib.sha256(SESSION.encode()).hexdigest()}.json"
    config = f"[profile work]\nregion = eu-west-1\nlogin_session = {SESSION}\n"
    made = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], check=True, capture_output=True, text=True)

    def token(expires):
        told = keys("login", id="accessKeyId", secret="secretAccessKey", token="sessionToken")
        return {"accessToken": told | {"accountId": ACCOUNT, "expiresAt": expires}, "tokenType": "aws_sigv4", "refreshToken": f"{SECRET}-refresh",
                "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": made.stdout}

    with tally.group("aws login: a sign-in is used, and renewed when it has ended") as group:
        at = desk()
        at.profile(config)
        at.file(cached, token(LATER))
        at.works(group, "login")
        at.file(cached, token(BEFORE))
        at.run("check", "--online", code=0)
        group.true("eu-west-1.signin.aws.amazon.com" in at.aws.hosts, f"asked: {at.aws.hosts}")
    with tally.group("aws login: nobody has signed in, and a sign-in that cannot be renewed") as group:
        at = desk()
        path = at.profile(config)
        at.fails(group, "run `aws login --profile work`", f"file {path}, line 3")
        at.file(cached, token(BEFORE))
        at.aws.refusals["eu-west-1.signin.aws.amazon.com"] = 400, {"x-amzn-ErrorType": "AccessDeniedException"}, {
            "error": "TOKEN_EXPIRED", "message": "The refresh token has expired"}
        at.fails(group, "run `aws login --profile work`", f"file {path}, line 3")


def web_identity(tally, desk):
    role = f"arn:aws:iam::{ACCOUNT}:role/costlake"
    token = ".".join(base64.urlsafe_b64encode(part).decode() for part in (b'{"alg":"none"}', b'{"sub":"costlake"}', SECRET.encode()))
    with tally.group("web identity: the token of a pod, and of a profile") as group:
        at = desk()
        at.set(AWS_ROLE_ARN=role, AWS_WEB_IDENTITY_TOKEN_FILE=str(at.file("token", token)))
        at.works(group, "web", "sts.eu-west-1.amazonaws.com")
        at = desk()
        at.profile(f"[profile work]\nregion = eu-west-1\nrole_arn = {role}\nweb_identity_token_file = {at.file('token', token)}\n")
        at.works(group, "web", "sts.eu-west-1.amazonaws.com")
    with tally.group("web identity: no token, and one that AWS STS refuses") as group:
        at = desk()
        at.set(AWS_ROLE_ARN=role, AWS_WEB_IDENTITY_TOKEN_FILE=str(at.home / "nowhere"))
        at.fails(group, f"file {at.home}/nowhere", "see that the file is there")
        at.set(AWS_WEB_IDENTITY_TOKEN_FILE=str(at.file("token", token)))
        at.aws.refusals["sts.eu-west-1.amazonaws.com"] = denied_xml("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        at.fails(group, "the role's trust policy names the issuer, audience and subject")
        at = desk()
        path = at.profile(f"[profile work]\nregion = eu-west-1\nrole_arn = {role}\nweb_identity_token_file = {at.home}/nowhere\n")
        at.fails(group, f"file {path}, line 4", "see that the file is there")


def role(tally, desk):
    config = (f"[profile work]\nregion = eu-west-1\nsource_profile = base\nrole_arn = arn:aws:iam::{ACCOUNT}:role/costs\n"
              f"[profile base]\naws_access_key_id = ASIABASE\naws_secret_access_key = {SECRET}-secret\n")
    with tally.group("a role of a profile, given and refused") as group:
        at = desk()
        at.profile(config)
        at.works(group, "role", "sts.eu-west-1.amazonaws.com", caller=["ASIABASE"])
        at = desk()
        path = at.profile(config)
        at.aws.role = denied_xml("AccessDenied", "not authorized to perform: sts:AssumeRole")
        at.fails(group, "the role of the AWS profile `work` cannot be assumed", f"file {path}, line 4", "the role's trust policy names the caller")


def container(tally, desk):
    with tally.group("a container's agent, with the token in a file") as group:
        at = desk()
        at.set(AWS_CONTAINER_CREDENTIALS_FULL_URI="https://agent.example/credentials",
               AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(at.file("token", f"{SECRET}-agent")))
        at.works(group, "agent", "agent.example")
    with tally.group("a container's agent that gives none") as group:
        at = desk()
        at.set(AWS_CONTAINER_CREDENTIALS_FULL_URI="https://agent.example/credentials", AWS_CONTAINER_AUTHORIZATION_TOKEN=f"{SECRET}-wrong")
        at.fails(group, "variable AWS_CONTAINER_CREDENTIALS_FULL_URI", "give the task (ECS) or the pod's service account (EKS) a role")


def process(tally, desk):
    def at_program(at, script):
        program = at.file("give", f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return at.profile(f"[profile work]\nregion = eu-west-1\n\ncredential_process = {program}\n")

    told = json.dumps(keys("program", id="AccessKeyId", secret="SecretAccessKey", token="SessionToken") | {"Version": 1, "Expiration": LATER})
    with tally.group("a program of the profile") as group:
        at = desk()
        at_program(at, f"echo '{told}'")
        at.works(group, "program")
    with tally.group("a program that fails, and one that prints something else") as group:
        for script in (f"echo {SECRET}; echo no session >&2; exit 3", f"echo '{{\"SecretAccessKey\": \"{SECRET}\"}}'", "true"):
            at = desk()
            path = at_program(at, script)
            at.fails(group, f"file {path}, line 4", "run the program of that line by hand")


def instance(tally, desk, plain):
    with tally.group("an instance with a role, and one without") as group:
        at = desk(plain)
        at.costlake.environment.pop("AWS_EC2_METADATA_DISABLED")
        at.set(AWS_EC2_METADATA_SERVICE_ENDPOINT=plain.url, AWS_ENDPOINT_URL_COST_EXPLORER=plain.url, AWS_ENDPOINT_URL_STS=plain.url)
        at.works(group, "box")
        at = desk(plain)
        at.costlake.environment.pop("AWS_EC2_METADATA_DISABLED")
        at.set(AWS_EC2_METADATA_SERVICE_ENDPOINT=plain.url)
        for kind in ("security-credentials", "security-credentials-extended"):
            plain.refusals[f"/latest/meta-data/iam/{kind}/"] = 404, {}, b""
        at.fails(group, "there are no AWS credentials to use", "run where a role is attached")


def datadog(tally, desk):
    at = desk()
    (at.folder / "jobs" / "bill.toml").write_text('[source]\ntype = "datadog_budgets"\n')
    for name in lake.DATADOG:
        at.costlake.environment.pop(name)
    with tally.group("Datadog: no keys, a key's file that is not there, and one without a key") as group:
        at.fails(group, "there are no Datadog keys", "DD_API_KEY_FILE")
        at.set(DD_API_KEY="k", DD_APP_KEY_FILE=str(at.home / "dd_app_key"))
        at.fails(group, "cannot read the file DD_APP_KEY_FILE names")
        at.file("dd_app_key", "\n")
        at.fails(group, "does not hold a key")


def the_page(tally, desk):
    """What the page prints as errors, word for word."""
    with tally.group("every error of the page is one that was met") as group:
        text = (printed.FOLDER / "credentials.md").read_text()
        errors = [" ".join(block.code.split()) for block in printed.blocks(text) if block.language == "text"]
        group.true(len(errors) > 8, f"{len(errors)} errors on the page")
        unheard = lambda error: not any(error in said for said in Desk.heard)  # noqa: E731
        group.equal([error for error in errors if unheard(error)], [], "errors that nobody met")
        group.true(all(unheard(error.replace("error:", "failure:")) for error in errors), "an error that nobody says is not seen")
        group.note(f"{len(errors)} errors")
    with tally.group("the command of the page ends with 3 where there are no credentials") as group:
        at = desk()
        environment = at.costlake.environment | {"COSTLAKE_JOBS": str(at.folder / "jobs")}
        done = printed.play(printed.sections("credentials.md", "Credentials"), at.home, environment, expect=3)
        group.true("there are no AWS credentials to use" in done.said, done.err)


def check(tally, stack):
    folder, certificate = world.authority(*HOSTS)
    aws = stack.enter_context(Aws(certificate))
    plain = stack.enter_context(Aws())
    leads = stack.enter_context(proxy(int(aws.address.rpartition(":")[2])))

    def desk(of=aws):
        return Desk(of, leads, str(folder / "ca.pem"))

    for part in (sso, login, web_identity, role, container, process):
        part(tally, desk)
    instance(tally, desk, plain)
    datadog(tally, desk)
    the_page(tally, desk)
    with tally.group("without the authority's certificate nothing of this is believed") as group:
        at = desk().set(AWS_ROLE_ARN="arn:aws:iam::111122223333:role/costlake")
        at.set(AWS_WEB_IDENTITY_TOKEN_FILE=str(at.file("token", "a.b.c")))
        at.costlake.environment.pop("AWS_CA_BUNDLE")
        at.fails(group, "sts.eu-west-1.amazonaws.com", code=2)


if __name__ == "__main__":
    lake.main(check)
