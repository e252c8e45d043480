"""Both signatures of the API by Python's standard library alone, and a connection that sends what they
made: for second_client.py. Written from the description of the API, not from an SDK."""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

VERSION = "2014-05-26"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def escape(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(parameters):
    pairs = sorted((key.encode(), value) for key, value in parameters.items())
    return "&".join(f"{escape(key.decode())}={escape(value)}" for key, value in pairs)


def sign_v1(secret, method, parameters):
    text = f"{method}&%2F&{escape(canonical_query(parameters))}"
    digest = hmac.new((secret + "&").encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def sign_v3(secret, method, parameters, headers, body_sha256):
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = "\n".join(
        [method, "/", canonical_query(parameters), lines, ";".join(names), body_sha256]
    )
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return ";".join(names), hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def flatten(parameters, prefix=""):
    """Lists as the API wants them: Disk.1.DiskId."""
    flat = {}
    for key, value in parameters.items():
        if isinstance(value, list):
            value = {str(number): item for number, item in enumerate(value, 1)}
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Reply:
    def __init__(self, response, body):
        self.status = response.status
        self.content_type = response.getheader("Content-Type")
        self.text = body.decode()
        if self.text.startswith("<"):
            self.format = "XML"
            self.root = ElementTree.fromstring(self.text)
            self.leaves = list(leaves_of_xml(self.root))
        else:
            self.format = "JSON"
            self.json = json.loads(self.text)
            self.leaves = list(leaves_of_json(self.json))

    def all(self, path):
        return [text for where, text in self.leaves if where == path]

    def one(self, path):
        found = self.all(path)
        return found[0] if len(found) == 1 else None


def leaves_of_xml(element, path=""):
    for child in element:
        where = f"{path}/{child.tag}".lstrip("/")
        if len(child):
            yield from leaves_of_xml(child, where)
        elif child.text:
            yield where, child.text


def leaves_of_json(value, path=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves_of_json(item, f"{path}/{key}".lstrip("/"))
    elif isinstance(value, list):
        for item in value:
            yield from leaves_of_json(item, path)
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    elif value != "":
        yield path, str(value)


class Transport:
    """One way to send a request; V3 is always answered in JSON. where: the parameters are in the query, or in the body as a form."""

    def __init__(self, signature, method, where, response_format, world):
        self.signature, self.method, self.where = signature, method, where
        self.format, self.world = response_format, world
        self.name = f"{signature} {method} {where} {response_format}"

    def call(self, action, parameters, **change):
        parameters = flatten(parameters)
        build = self.build_v1 if self.signature == "V1" else self.build_v3
        target, headers, body = build(action, parameters, change)
        return self.send(change.get("wire_method", self.method), target, headers, body)

    def send(self, method, target, headers, body):
        host = self.world["endpoint"].split("//")[1]
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"host": host, **headers, "content-length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body.encode())
            response = connection.getresponse()
            return Reply(response, response.read())
        finally:
            connection.close()

    def build_v1(self, action, parameters, change):
        parameters = {
            "Action": action,
            "AccessKeyId": change.get("key", self.world["key_id"]),
            "Version": change.get("version", VERSION),
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": change.get("nonce", str(uuid.uuid4())),
            "Timestamp": change.get("timestamp", now()),
            **parameters,
        }
        # The API answers in XML if the request does not name a format.
        if self.format != "XML":
            parameters["Format"] = self.format
        for name in change.get("without", []):
            parameters.pop(name)
        secret = change.get("secret", self.world["key_secret"])
        parameters["Signature"] = sign_v1(secret, self.method, parameters)
        text = canonical_query(parameters).replace(*change.get("tamper", ("", "")))
        if self.where == "form":
            return "/", {"content-type": "application/x-www-form-urlencoded"}, text
        return "/?" + text, {}, ""

    def build_v3(self, action, parameters, change):
        form = canonical_query(parameters) if self.where == "form" else ""
        query = {} if self.where == "form" else parameters
        body_sha256 = hashlib.sha256(form.encode()).hexdigest()
        headers = {
            "host": self.world["endpoint"].split("//")[1],
            "x-acs-action": action,
            "x-acs-version": change.get("version", VERSION),
            "x-acs-date": change.get("timestamp", now()),
            "x-acs-signature-nonce": change.get("nonce", str(uuid.uuid4())),
            "x-acs-content-sha256": body_sha256,
        }
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
        for name in change.get("without", []):
            headers.pop(name)
        names, signature = sign_v3(
            change.get("secret", self.world["key_secret"]), self.method, query, headers, body_sha256
        )
        key = change.get("key", self.world["key_id"])
        headers[
            "authorization"
        ] = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
        tamper = change.get("tamper", ("", ""))
        return (
            "/?" + canonical_query(query).replace(*tamper),
            headers,
            form.replace(*tamper),
        )
