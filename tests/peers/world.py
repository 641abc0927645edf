"""Everything costlake talks to, as one scripted server: Cost Explorer, AWS STS, Datadog, a bucket, and a proxy.

A case sets what the world says (its attributes), lets the program meet it, and looks at what was asked. Nothing here knows
which answer is right.
"""

import contextlib
import datetime
import email.utils
import hashlib
import html
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lake

DAY = datetime.timedelta(days=1)
SERIES = ("actual_cost", "on_demand_equivalent_cost", "realized_savings", "effective_savings_rate")


def days(begin, end):
    """ISO days from `begin` up to, but without, `end`."""
    day, last = datetime.date.fromisoformat(begin[:10]), datetime.date.fromisoformat(end[:10])
    while day < last:
        yield day.isoformat()
        day += DAY


def plain(number):
    return format(number, "f")


class World:
    """Listens on loopback within `with`, over TLS when it is given a certificate and its key."""

    def __init__(self, certificate=None):
        self.certificate = certificate
        self.asked = []  # (who, what), in order
        self.account = "210987654321"  # None: STS is not to be reached
        # Cost Explorer: groups of a day with their cost, and what the totals say if they disagree with the groups.
        self.rows = lambda day: {"Amazon Athena": "7.25", "AWS Glue": "3.5", "Amazon Kinesis": "-0.75"}
        self.usage = lambda day, key: "2"
        self.total = {}  # metric: function of the day
        self.unit = lambda day, grouped: "USD"
        self.estimated = lambda day: False
        self.first = ""  # the account's first day: the days before it are left out
        self.before = lambda question, number: None  # an answer of its own, or a wait
        # Datadog: an answer for a path and its query.
        self.datadog = lambda path, query: {}
        # The bucket: its objects, and its rules.
        self.objects, self.region, self.encryption, self.conditional, self.denies = {}, None, None, True, None
        self.keys_named = []
        self.proxy_says = 403
        self.lock = threading.RLock()

    def __enter__(self):
        world = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, content = world.answer(self.command, self.path, self.headers, body)
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                with contextlib.suppress(OSError):  # a run that was ended hears nothing more
                    self.send_response(status)
                    for name, value in ({"Content-Length": str(len(content))} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_CONNECT = answer

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client that does not trust the certificate hangs up
                pass

        self.http = Quiet(("127.0.0.1", 0), Door)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"127.0.0.1:{self.http.server_address[1]}"
        self.url = ("https://" if self.certificate else "http://") + self.address
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def count(self, who):
        return sum(1 for asked, _ in self.asked if asked == who)

    def answer(self, method, path, headers, body):
        if method == "CONNECT":
            self.asked.append(("proxy", path))
            return self.proxy_says, {}, b""
        if b"GetCallerIdentity" in body:
            self.asked.append(("sts", None))
            return self.identity()
        if headers.get("X-Amz-Target"):
            question = json.loads(body)
            with self.lock:
                self.asked.append(("costs", question))
                number = self.count("costs")
            return self.before(question, number) or (200, {"x-amzn-RequestId": f"r-{number}"}, self.costs(question))
        where = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(where.query, keep_blank_values=True))
        if where.path.startswith("/api/"):
            self.asked.append(("datadog", where.path))
            return 200, {"Content-Type": "application/json"}, self.datadog(where.path, query)
        self.asked.append(("bucket", f"{method} {where.path}"))
        with self.lock:
            return self.bucket(method, urllib.parse.unquote(where.path).lstrip("/"), query, headers, body)

    # ------------------------------------------------------------------------------------------ Cost Explorer, STS

    def identity(self):
        if self.account is None:
            return 403, {}, (b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>"
                             b"<RequestId>r</RequestId></ErrorResponse>")
        arn = f"arn:aws:iam::{self.account}:user/reader"
        return 200, {"Content-Type": "text/xml"}, (
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>{arn}</Arn><UserId>U</UserId><Account>{self.account}</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>").encode()

    def metric(self, name, day, costs, usage, grouped):
        if name in ("UsageQuantity", "NormalizedUsageAmount"):
            return {"Amount": usage, "Unit": "Hrs" if grouped else "N/A"}
        return {"Amount": costs, "Unit": self.unit(day, grouped)}

    def period(self, question, day):
        grouping, rows = question.get("GroupBy") or [], self.rows(day)
        result = {"TimePeriod": {"Start": day, "End": (datetime.date.fromisoformat(day) + DAY).isoformat()},
                  "Total": {}, "Groups": [], "Estimated": self.estimated(day)}
        if grouping:
            for key, amount in rows.items():
                keys = list(key) if isinstance(key, tuple) else [key]
                metrics = {m: self.metric(m, day, amount, self.usage(day, key), True) for m in question["Metrics"]}
                result["Groups"].append({"Keys": keys, "Metrics": metrics})
            return result
        costs = plain(sum((Decimal(amount) for amount in rows.values()), Decimal(0)))
        usage = plain(sum((Decimal(self.usage(day, key)) for key in rows), Decimal(0)))
        for name in question["Metrics"]:
            said = self.metric(name, day, costs, usage, False)
            result["Total"][name] = said | ({"Amount": self.total[name](day)} if name in self.total else {})
        return result

    def costs(self, question):
        asked = question["TimePeriod"]
        return {"ResultsByTime": [self.period(question, day) for day in days(asked["Start"], asked["End"]) if day >= self.first],
                "GroupDefinitions": question.get("GroupBy") or [], "DimensionValueAttributes": []}

    # ------------------------------------------------------------------------------------------------- the bucket

    def refusal(self, status, code, message, **headers):
        body = f"<Error><Code>{code}</Code><Message>{html.escape(message)}</Message></Error>"
        return status, {"Content-Type": "application/xml"} | headers, body.encode()

    def bucket(self, method, path, query, headers, body):
        name, _, key = path.partition("/")
        signed = re.search(r"Credential=[^/]+/\d+/([^/]+)/", headers.get("Authorization", ""))
        if self.region and signed and signed[1] != self.region:
            return self.refusal(301, "PermanentRedirect", "address the bucket by its endpoint", **{"x-amz-bucket-region": self.region})
        if method == "PUT":
            return self.put(key, headers, body)
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        if not key:
            return 200, {"Content-Type": "application/xml"}, self.listing(name, query)
        if key not in self.objects:
            return self.refusal(404, "NoSuchKey", "The specified key does not exist.")
        return self.get(key, headers)

    def put(self, key, headers, body):
        if self.denies:
            return self.refusal(403, "AccessDenied", self.denies)
        if self.encryption and headers.get("x-amz-server-side-encryption") != self.encryption:
            return self.refusal(403, "AccessDenied", "the bucket takes encrypted objects only, with an explicit deny in a resource-based policy")
        self.keys_named.append(headers.get("x-amz-server-side-encryption-aws-kms-key-id"))
        there = self.objects.get(key)
        if self.conditional:
            wanted = headers.get("If-Match")
            if (headers.get("If-None-Match") == "*" and there) or (wanted and there and there[1] != wanted):
                return self.refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            if wanted and not there:
                return self.refusal(404, "NoSuchKey", "The specified key does not exist.")
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        self.objects[key] = (body, tag, time.time())
        return 200, {"ETag": tag}, b""

    def get(self, key, headers):
        body, tag, at = self.objects[key]
        if headers.get("If-Match", tag) != tag:
            return self.refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        told = {"ETag": tag, "Last-Modified": email.utils.formatdate(at, usegmt=True), "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("Range", ""))
        if not part:
            return 200, told, body
        first = int(part[1]) if part[1] else max(0, len(body) - int(part[2]))
        last = min(len(body) - 1, int(part[2])) if part[1] and part[2] else len(body) - 1
        return 206, told | {"Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first:last + 1]

    def listing(self, name, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        entries, folders = [], set()
        for key in sorted(k for k in self.objects if k.startswith(prefix) and k > query.get("start-after", "")):
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            body, tag, at = self.objects[key]
            moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
            entries.append(f"<Contents><Key>{html.escape(key)}</Key><LastModified>{moment}</LastModified>"
                           f"<ETag>{html.escape(tag)}</ETag><Size>{len(body)}</Size></Contents>")
        entries += [f"<CommonPrefixes><Prefix>{html.escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders)]
        return (f"<ListBucketResult><Name>{name}</Name><Prefix>{html.escape(prefix)}</Prefix><KeyCount>{len(entries)}</KeyCount>"
                f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>").encode()


def savings(query, value=lambda day: 40.0, rate=lambda day: 0.25, unit="dollar", rate_unit=None, to=None):
    """Datadog's savings of the days asked for, a series of one name."""
    begin, end = (datetime.datetime.fromtimestamp(int(query[k]) / 1000, datetime.UTC).date().isoformat() for k in ("start", "end"))
    asked = [day for day in days(begin, end) if to is None or day < to]
    times = [int(datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp() * 1000) for day in asked]
    units = {"effective_savings_rate": {"name": rate_unit or "percent"}}
    values = {"effective_savings_rate": rate}
    scale = {"name": unit, "scale_factor": 0.01 if unit == "cent" else 1}
    return {name: {"series": {"total": [values.get(name, value)(day) for day in asked]}, "times": times, "unit": units.get(name, scale)}
            for name in SERIES}


def authority(*hosts):
    """A certificate authority made on the spot: the folder with `ca.pem`, and the certificate and key of 127.0.0.1 and of
    these hosts."""
    folder = lake.temporary("authority")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=Authority of this test")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=here")
    (folder / "names").write_text(",".join(["subjectAltName=DNS:localhost,IP:127.0.0.1", *(f"DNS:{host}" for host in hosts)]) + "\n")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "leaf.pem")
    return folder, (str(folder / "leaf.pem"), str(folder / "leaf.key"))
