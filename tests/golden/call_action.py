#!/usr/bin/env python3
"""Calls an action of `blkrewind serve` with a signature of version 1, and prints the answer.

  tests/golden/call_action.py ADDRESS ACCESS_KEY_ID SECRET Action=NAME [PARAMETER=VALUE...]
"""
import base64
import hashlib
import hmac
import sys
import time
import uuid
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

address, key, secret = sys.argv[1:4]
given = dict(word.split("=", 1) for word in sys.argv[4:])
given.update(Format="JSON", Version="2014-05-26", AccessKeyId=key, SignatureMethod="HMAC-SHA1",
             SignatureVersion="1.0", SignatureNonce=str(uuid.uuid4()),
             Timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
query = "&".join(quote(k, safe="~") + "=" + quote(v, safe="~") for k, v in sorted(given.items()))
sign = hmac.new((secret + "&").encode(), ("GET&%2F&" + quote(query, safe="~")).encode(), hashlib.sha1)
query += "&Signature=" + quote(base64.b64encode(sign.digest()).decode(), safe="~")
try:
    print(urlopen("http://%s/?%s" % (address, query)).read().decode())
except HTTPError as error:
    sys.exit(error.read().decode())
