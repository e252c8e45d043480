#!/usr/bin/env python3
"""A client of the API that shares nothing with the published SDKs: its own signatures (second_signer.py),
answers in XML and JSON, and requests that no SDK would send. Run by run.sh; needs a world
(BLKREWIND_SDK_WORLD).

  second_client.py vectors    only the published signatures, without a server
"""
import datetime
import json
import os
import re
import subprocess
import sys
import time
import uuid

from second_signer import EMPTY_SHA256, VERSION, Transport, sign_v1, sign_v3


class Report:
    def __init__(self):
        self.passed, self.failed, self.request_ids = 0, 0, set()

    def check(self, good, what):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED: {what}")
        return bool(good)

    def reply(self, reply, root, status, what):
        """What holds of every answer."""
        request_id = reply.one("RequestId") or ""
        good = reply.status == status
        good &= re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", request_id) is not None
        good &= request_id not in self.request_ids
        self.request_ids.add(request_id)
        if reply.format == "XML":
            good &= reply.content_type == "text/xml;charset=utf-8" and reply.root.tag == root
            good &= reply.text.startswith(
                f"<?xml version='1.0' encoding='UTF-8'?><{root}><RequestId>"
            )
        else:
            good &= reply.content_type == "application/json;charset=utf-8"
        return self.check(
            good, f"{what}: status {reply.status}, {reply.content_type}: {reply.text[:300]}"
        )


def check_vectors(report):
    v1 = {
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "Format": "XML",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "SignatureVersion": "1.0",
        "Timestamp": "2016-02-23T12:46:24Z",
        "Version": VERSION,
    }
    report.check(
        sign_v1("testsecret", "GET", v1) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY=", "published vector of V1"
    )
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": VERSION,
    }
    query = {
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        "RegionId": "cn-shanghai",
    }
    _, signature = sign_v3("YourAccessKeySecret", "POST", query, headers, EMPTY_SHA256)
    report.check(
        signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
        "published vector of V3",
    )


def fill_in(value, names):
    if isinstance(value, str):
        return re.sub(r"\{([a-z.]+)\}", lambda found: names[found[1]], value)
    if isinstance(value, list):
        return [fill_in(item, names) for item in value]
    return {key: fill_in(item, names) for key, item in value.items()}


def check_errors(report, transports, names):
    path = os.path.join(os.path.dirname(__file__), "errors.json")
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    print("\n== Every refusal, by " + ", ".join(transport.name for transport in transports))
    for case in cases:
        marks = ""
        for transport in transports:
            reply = transport.call(case["action"], fill_in(case["parameters"], names))
            what = f"{transport.name}: {case['action']} -> {case['code']}"
            good = report.reply(reply, "Error", case["status"], what)
            message = reply.one("Message")
            good &= report.check(
                reply.format == transport.format
                and reply.one("Code") == case["code"]
                and message
                and reply.one("HostId")
                and message == case.get("message", message),
                f"{what}: got {reply.text}",
            )
            marks += "+" if good else "-"
        print(f"  {marks}  {case['status']} {case['code']:42} {case['action']}")


def check_gateway(report, transports):
    late = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=16)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    early = (
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=16)
    ).strftime("%Y-%m-%dT%H:%M:%SZ")
    once = {}
    print("\n== What the gateway refuses, by the same")
    cases = [
        (
            404,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found.",
            {"key": "unknown"},
        ),
        (
            400,
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation. server string to sign is:",
            {"secret": "wrong"},
        ),
        (
            400,
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation. server string to sign is:",
            {"tamper": ("RegionId=cn-local", "RegionId=cn-loca1")},
        ),
        (
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
            {"timestamp": "yesterday"},
        ),
        (
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
            {"timestamp": late},
        ),
        (
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
            {"timestamp": early},
        ),
        (400, "SignatureNonceUsed", "Specified signature nonce was used already.", {"nonce": once}),
        (
            400,
            "InvalidVersion",
            "Specified parameter Version is not valid.",
            {"version": "2099-01-01"},
        ),
        (
            403,
            "UnsupportedHTTPMethod",
            "This http method is not supported.",
            {"wire_method": "PUT"},
        ),
    ]
    for status, code, message, change in cases:
        marks = ""
        for transport in transports:
            change = dict(change)
            if change.get("nonce") is once:
                change["nonce"] = str(uuid.uuid4())
                transport.call("DescribeDisks", {"RegionId": "cn-local"}, **change)
            reply = transport.call("DescribeDisks", {"RegionId": "cn-local"}, **change)
            good = report.reply(reply, "Error", status, f"{transport.name}: {code}")
            # The string to sign follows only where there is one to show.
            good &= report.check(
                reply.one("Code") == code and (reply.one("Message") or "").startswith(message),
                f"{transport.name}: {code}: got {reply.text}",
            )
            marks += "+" if good else "-"
        print(f"  {marks}  {status} {code}")


def check_agreement(report, transports, names):
    """The same question by every road has the same answer, whatever its format."""
    print("\n== Every description, by every road the same")
    region = {"RegionId": "cn-local"}
    disk = names["disk.paging"]
    for action, parameters in [
        ("DescribeDisks", region),
        ("DescribeDisks", {**region, "PageSize": "3", "PageNumber": "2"}),
        ("DescribeSnapshots", {**region, "DiskId": disk, "PageSize": "5", "PageNumber": "3"}),
        (
            "DescribeSnapshots",
            {
                **region,
                "SnapshotIds": json.dumps([names["snapshot.plain"], names["snapshot.other"]]),
            },
        ),
        ("DescribeInstances", region),
        ("DescribeInstances", {**region, "InstanceIds": json.dumps([names["instance.locked"]])}),
        (
            "DescribeInstanceStatus",
            {**region, "InstanceId": [names["instance.running"], names["instance.stopped"]]},
        ),
    ]:
        first = None
        marks = ""
        for transport in transports:
            reply = transport.call(action, parameters)
            good = report.reply(reply, action + "Response", 200, f"{transport.name}: {action}")
            leaves = sorted(leaf for leaf in reply.leaves if leaf[0] != "RequestId")
            first = first or leaves
            good &= report.check(
                len(leaves) > 3 and leaves == first,
                f"{transport.name}: {action} differs: {set(leaves) ^ set(first)}",
            )
            marks += "+" if good else "-"
        print(f"  {marks}  {action} {parameters}: {len(first)} values")


def wait_for(what, ready):
    for _ in range(600):
        if ready():
            return
        time.sleep(0.05)
    raise SystemExit(f"second_client: {what} did not come in 30 s")


def content(path):
    """The bytes on the device, not those that a cache remembers."""
    if path.startswith("/dev/"):
        subprocess.run(["blockdev", "--flushbufs", path], check=True)
    with open(path, "rb") as file:
        return file.read()


def scribble(path):
    with open(path, "r+b") as file:
        for offset in (0, 3 << 20, 11 << 20):
            file.seek(offset)
            file.write(os.urandom(300000))
        os.fsync(file.fileno())


def story(report, transport, names):
    """Describe, stop the instance, reset the disk, wait, start again; by the device's bytes."""
    disk, instance, device = names["disk.story"], names["instance.story"], names["device.story"]
    region = {"RegionId": "cn-local"}
    print(f"\n== The whole story, by {transport.name}")

    def ask(action, parameters, status=200):
        reply = transport.call(action, parameters)
        report.reply(
            reply, action + "Response" if status == 200 else "Error", status, f"story: {action}"
        )
        print(f"  {action} {parameters} -> {reply.status} {reply.text[:160]}")
        return reply

    def state_of(action, path, parameters):
        return transport.call(action, {**region, **parameters}).one(path)

    ids = {"DiskIds": json.dumps([disk])}
    before = content(device)
    snapshot = ask(
        "CreateSnapshot", {"DiskId": disk, "SnapshotName": "vor dem Umbau: ä & <b>"}
    ).one("SnapshotId")
    wait_for(
        "the snapshot",
        lambda: state_of(
            "DescribeSnapshots",
            "Snapshots/Snapshot/Status",
            {"SnapshotIds": json.dumps([snapshot])},
        )
        == "accomplished",
    )
    report.check(
        ask("DescribeSnapshots", {**region, "SnapshotIds": json.dumps([snapshot])}).one(
            "Snapshots/Snapshot/SnapshotName"
        )
        == "vor dem Umbau: ä & <b>",
        "story: the snapshot's name",
    )
    scribble(device)
    report.check(content(device) != before, "story: the device was changed")
    report.check(
        ask("ResetDisk", {"DiskId": disk, "SnapshotId": snapshot}, 403).one("Code")
        == "IncorrectInstanceStatus",
        "story: refused while Running",
    )
    ask("StopInstance", {"InstanceId": instance})
    status = (
        "DescribeInstances",
        "Instances/Instance/Status",
        {"InstanceIds": json.dumps([instance])},
    )
    wait_for("Stopped", lambda: state_of(*status) == "Stopped")
    ask("ResetDisk", {"DiskId": disk, "SnapshotId": snapshot})
    wait_for("In_use", lambda: state_of("DescribeDisks", "Disks/Disk/Status", ids) == "In_use")
    ask("StartInstance", {"InstanceId": instance})
    wait_for("Running", lambda: state_of(*status) == "Running")
    report.check(
        content(device) == before, "story: the bytes on the device are those of the snapshot"
    )
    print(f"  {len(before)} bytes on {device} are those of {snapshot}")
    ask("DeleteSnapshot", {"SnapshotId": snapshot})
    report.check(
        ask("DescribeSnapshots", {**region, "SnapshotIds": json.dumps([snapshot])}).one(
            "TotalCount"
        )
        == "0",
        "story: the snapshot is gone",
    )


def check_traps(report, world):
    """What real clients do that is easily got wrong."""
    print("\n== Oddities of real clients")
    get = Transport("V1", "GET", "query", "XML", world)
    post = Transport("V1", "POST", "query", "XML", world)
    question = {"RegionId": "cn-local", "PageSize": "1"}
    extra = {
        "SignatureType": "",
        "OwnerId": "1",
        "OwnerAccount": "a",
        "ResourceOwnerId": "2",
        "ResourceOwnerAccount": "b",
    }
    report.reply(
        get.call("DescribeDisks", {**question, **extra}),
        "DescribeDisksResponse",
        200,
        "empty and ignored parameters",
    )
    target, headers, body = post.build_v1("DescribeDisks", question, {})
    headers = {**headers, "x-acs-action": "StopInstance", "x-acs-version": "1999-01-01"}
    report.reply(
        post.send("POST", target, headers, body),
        "DescribeDisksResponse",
        200,
        "V1 beside x-acs headers",
    )


def main():
    report = Report()
    check_vectors(report)
    if sys.argv[1:] != ["vectors"]:
        with open(os.environ["BLKREWIND_SDK_WORLD"], encoding="utf-8") as file:
            world = json.load(file)
        names = world["values"]
        transports = [
            Transport(*kind, world)
            for kind in [
                ("V1", "GET", "query", "XML"),
                ("V1", "POST", "form", "XML"),
                ("V1", "POST", "query", "XML"),
                ("V1", "GET", "query", "JSON"),
                ("V1", "POST", "form", "JSON"),
                ("V3", "POST", "query", "JSON"),
                ("V3", "GET", "query", "JSON"),
                ("V3", "POST", "form", "JSON"),
            ]
        ]
        story(report, transports[0], names)
        story(report, transports[5], names)
        check_errors(report, transports, names)
        check_gateway(report, transports)
        check_agreement(report, transports, names)
        check_traps(report, world)
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


sys.exit(main())
