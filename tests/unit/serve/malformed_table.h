// Requests that are refused, one per row: what is wrong, the bytes as sent (with the placeholders
// of malformed_bytes.h), the status and the code of the answer. Everything else in a row is valid,
// so that it is refused for the stated reason.
//
// They are for a server that knows one access key, and the action ResetDisk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unit/serve/malformed_bytes.h"

namespace blkrewind::serve {

enum class Reach : std::uint8_t {
  kBoth,
  kGateway,  // a listener may refuse it itself, before the gateway sees it
  kWire,     // not HTTP, or not a request: the gateway never sees it. Without a code
};

struct Malformed {
  std::string name;
  std::string raw;
  int status;
  std::string code;
  Reach reach = Reach::kBoth;
};

inline const std::string kV1Common =
    "AccessKeyId={id}&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce={nonce}"
    "&Timestamp={now}&Version=2014-05-26";
inline const std::string kResetQuery = "&Action=ResetDisk&DiskId=d-1&SnapshotId=s-1";
inline const std::string kV3Names =
    "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
inline const std::string kV3Headers =
    "x-acs-action: ResetDisk\r\nx-acs-version: 2014-05-26\r\nx-acs-date: {now}\r\n"
    "x-acs-signature-nonce: {nonce}\r\nx-acs-content-sha256: {hash}\r\n"
    "Authorization: ACS3-HMAC-SHA256 Credential={id},SignedHeaders=" +
    kV3Names + ",Signature={sign3}\r\n";
inline const std::string kFormType = "Content-Type: application/x-www-form-urlencoded\r\n";

inline std::string get(const std::string& target, const std::string& headers = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: {host}\r\n" + headers + "\r\n";
}

inline std::string post(const std::string& target, const std::string& headers,
                        const std::string& body) {
  return "POST " + target + " HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n" + headers +
         "\r\n" + body;
}

// Version 1, in the query.
inline std::string v1(const std::string& extra = {}) {
  return get("/?" + kV1Common + kResetQuery + extra + "&Signature={sign1}");
}

inline std::string v1_but(const std::string& from, const std::string& to) {
  return swapped(v1(), from, to);
}

// Version 1, in a form.
inline std::string v1_form(const std::string& extra = {}) {
  return post("/", kFormType, kV1Common + kResetQuery + extra + "&Signature={sign1}");
}

// Version 3, parameters in the query.
inline std::string v3() { return post("/?DiskId=d-1&SnapshotId=s-1", kV3Headers, ""); }

inline std::string v3_but(const std::string& from, const std::string& to) {
  return swapped(v3(), from, to);
}

inline std::string repeated(std::size_t count, const std::string& text, const std::string& number) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += swapped(text, number, std::to_string(i));
  return result;
}

// clang-format off
inline std::vector<Malformed> malformed_requests() {
  const std::string bare = "GET /?" + kV1Common + kResetQuery;
  return {
      {"method PUT", "PUT / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", 403, "UnsupportedHTTPMethod"},
      {"method DELETE", "DELETE / HTTP/1.1\r\nHost: {host}\r\n\r\n", 403, "UnsupportedHTTPMethod"},
      {"method PATCH", "PATCH / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", 403, "UnsupportedHTTPMethod"},
      {"method OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: {host}\r\n\r\n", 403, "UnsupportedHTTPMethod"},
      {"method HEAD", "HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n", 403, "UnsupportedHTTPMethod", Reach::kGateway},
      {"method in lower case", "get / HTTP/1.1\r\nHost: {host}\r\n\r\n", 403, "UnsupportedHTTPMethod", Reach::kGateway},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: {host}\r\n\r\n", 403, "UnsupportedHTTPMethod", Reach::kGateway},

      {"another path", v1_but("GET /?", "GET /ecs?"), 404, "InvalidAction.NotFound"},
      {"two slashes", v1_but("GET /?", "GET //?"), 404, "InvalidAction.NotFound"},
      {"path with an escape", v1_but("GET /?", "GET /%2F?"), 404, "InvalidAction.NotFound"},
      {"path that climbs", get("/../../etc/passwd"), 404, "InvalidAction.NotFound"},
      {"no path", v1_but("GET /?", "GET ?"), 404, "InvalidAction.NotFound", Reach::kGateway},
      {"absolute target", v1_but("GET /?", "GET http://{host}/?"), 404, "InvalidAction.NotFound", Reach::kGateway},

      {"long target", get("/?a=" + std::string(8192, 'x')), 400, "InvalidRequest", Reach::kGateway},
      {"long body", post("/", kFormType, "a=" + std::string(8192, 'x')), 400, "InvalidRequest", Reach::kGateway},
      {"many headers", get("/", repeated(70, "X-N: 1\r\n", "N")), 400, "InvalidRequest", Reach::kGateway},
      {"long header", get("/", "X-Long: " + std::string(8192, 'x') + "\r\n"), 400, "InvalidRequest", Reach::kGateway},
      {"control character in a header", get("/", "X-Odd: a\x01z\r\n"), 400, "InvalidRequest", Reach::kGateway},
      {"blank in a header's name", get("/", "X Odd: a\r\n"), 400, "InvalidRequest", Reach::kGateway},

      {"percent sign alone", v1("&a=%"), 400, "InvalidParameter"},
      {"half an escape", v1("&a=%4"), 400, "InvalidParameter"},
      {"escape without digits", v1("&a=%zz"), 400, "InvalidParameter"},
      {"two percent signs", v1("&a=%%41"), 400, "InvalidParameter"},
      {"bad escape in a key", v1("&%x=a"), 400, "InvalidParameter"},
      {"bad escape in a form", v1_form("&a=%x"), 400, "InvalidParameter"},
      {"NUL in a value", v1("&a=%00"), 400, "InvalidParameter"},
      {"NUL in a key", v1("&a%00=1"), 400, "InvalidParameter"},
      {"line feed in a value", v1("&a=x%0Ay"), 400, "InvalidParameter"},
      {"escape sequence in a value", v1("&a=%1B[31m"), 400, "InvalidParameter"},
      {"DEL in a value", v1("&a=%7F"), 400, "InvalidParameter"},
      {"C1 control in a value", v1("&a=%C2%85"), 400, "InvalidParameter"},
      {"overlong UTF-8", v1("&a=%C0%AF"), 400, "InvalidParameter"},
      {"surrogate in UTF-8", v1("&a=%ED%A0%80"), 400, "InvalidParameter"},
      {"beyond Unicode", v1("&a=%F4%90%80%80"), 400, "InvalidParameter"},
      {"half a character", v1("&a=%E4%B8"), 400, "InvalidParameter"},
      {"lone continuation byte", v1("&a=%80"), 400, "InvalidParameter"},
      {"Latin-1 in a form", v1_form("&a=%E9"), 400, "InvalidParameter"},
      {"raw bytes in the target", v1("&a=\xc3\xa9"), 400, "InvalidParameter", Reach::kGateway},
      {"raw bytes in a form", v1_form("&a=\xc3\xa9"), 400, "InvalidParameter"},
      {"blank in a form", v1_form("&a=b c"), 400, "InvalidParameter"},
      {"line break in a form", v1_form("\r\n"), 400, "InvalidParameter"},
      {"fragment", v1("#top"), 400, "InvalidParameter", Reach::kGateway},
      {"key without a name", v1("&=1"), 400, "InvalidParameter"},
      {"long key", v1("&" + std::string(129, 'k') + "=1"), 400, "InvalidParameter"},
      {"long value", v1("&a=" + std::string(4097, 'v')), 400, "InvalidParameter"},
      {"many parameters", v1(repeated(200, "&pN=1", "N")), 400, "InvalidParameter"},
      {"twice in the query", v1("&DiskId=d-2"), 400, "InvalidParameter"},
      {"twice and the same", v1("&DiskId=d-1"), 400, "InvalidParameter"},
      {"twice, once escaped", v1("&%44iskId=d-2"), 400, "InvalidParameter"},
      {"twice in the form", v1_form("&DiskId=d-2"), 400, "InvalidParameter"},
      {"in query and form", swapped(v1_form(), "POST /", "POST /?DiskId=d-1"), 400, "InvalidParameter"},
      {"two actions", v1("&Action=DeleteSnapshot"), 400, "InvalidParameter"},
      {"two signatures", v1("&Signature=x"), 400, "InvalidParameter"},
      {"unknown format", v1("&Format=YAML"), 400, "InvalidParameter"},

      {"body without a type", post("/", "", kV1Common), 400, "InvalidRequest"},
      {"body of JSON", post("/", "Content-Type: application/json\r\n", "{}"), 400, "InvalidRequest"},
      {"body of XML", post("/", "Content-Type: text/xml\r\n", "<a/>"), 400, "InvalidRequest"},
      {"body in parts", post("/", "Content-Type: multipart/form-data; boundary=x\r\n", "--x--\r\n"), 400, "InvalidRequest", Reach::kGateway},

      {"nothing", get("/"), 400, "MissingParameter"},
      {"an action alone", get("/?Action=ResetDisk"), 400, "MissingParameter"},
      {"no AccessKeyId", v1_but("AccessKeyId={id}&", ""), 400, "MissingParameter"},
      {"no SignatureMethod", v1_but("&SignatureMethod=HMAC-SHA1", ""), 400, "MissingParameter"},
      {"no SignatureVersion", v1_but("&SignatureVersion=1.0", ""), 400, "MissingParameter"},
      {"no SignatureNonce", v1_but("&SignatureNonce={nonce}", ""), 400, "MissingParameter"},
      {"no Timestamp", v1_but("&Timestamp={now}", ""), 400, "MissingParameter"},
      {"no Version", v1_but("&Version=2014-05-26", ""), 400, "MissingParameter"},
      {"no Action", v1_but("&Action=ResetDisk", ""), 400, "MissingParameter"},
      {"no Signature", v1_but("&Signature={sign1}", ""), 400, "MissingParameter"},
      {"empty AccessKeyId", v1_but("AccessKeyId={id}", "AccessKeyId="), 400, "MissingParameter"},
      {"empty Signature", v1_but("{sign1}", ""), 400, "MissingParameter"},
      {"keys in another case", v1_but("AccessKeyId", "accesskeyid"), 400, "MissingParameter"},
      {"another SignatureMethod", v1_but("HMAC-SHA1", "HMAC-SHA256"), 400, "IncompleteSignature"},
      {"another SignatureVersion", v1_but("SignatureVersion=1.0", "SignatureVersion=2.0"), 400, "IncompleteSignature"},

      {"time without Z", v1_but("{now}", "2016-02-23T12:46:24"), 400, "InvalidTimeStamp.Format"},
      {"time with an offset", v1_but("{now}", "2016-02-23T12:46:24%2B00:00"), 400, "InvalidTimeStamp.Format"},
      {"time in seconds", v1_but("{now}", "1456231584"), 400, "InvalidTimeStamp.Format"},
      {"month 13", v1_but("{now}", "2016-13-23T12:46:24Z"), 400, "InvalidTimeStamp.Format"},
      {"30th of February", v1_but("{now}", "2016-02-30T12:46:24Z"), 400, "InvalidTimeStamp.Format"},
      {"too old", v1_but("{now}", "{past}"), 400, "InvalidTimeStamp.Expired"},
      {"too early", v1_but("{now}", "{future}"), 400, "InvalidTimeStamp.Expired"},
      {"year 0", v1_but("{now}", "0000-01-01T00:00:00Z"), 400, "InvalidTimeStamp.Expired"},
      {"year 9999", v1_but("{now}", "9999-12-31T23:59:59Z"), 400, "InvalidTimeStamp.Expired"},

      {"unknown key", v1_but("{id}", "unknown"), 404, "InvalidAccessKeyId.NotFound"},
      {"key in another case", v1_but("{id}", "TESTID"), 404, "InvalidAccessKeyId.NotFound"},
      {"key that is a path", v1_but("{id}", "../keys"), 404, "InvalidAccessKeyId.NotFound"},

      {"wrong signature", v1_but("{sign1}", "OLeaidS1JvxuMvnyHOwuJ%2BuX5qY%3D"), 400, "SignatureDoesNotMatch"},
      {"signature that is no base64", v1_but("{sign1}", "*"), 400, "SignatureDoesNotMatch"},
      {"long signature", v1_but("{sign1}", std::string(4096, 'A')), 400, "SignatureDoesNotMatch"},
      {"signature and more", v1_but("{sign1}", "{sign1}A"), 400, "SignatureDoesNotMatch"},
      {"parameter in its signature's tail", v1_but("{sign1}", "{sign1}%26DiskId=d-2"), 400, "SignatureDoesNotMatch"},

      {"another version", v1_but("2014-05-26", "2015-05-26"), 400, "InvalidVersion"},
      {"unknown action", v1_but("ResetDisk", "ResetDisc"), 404, "InvalidAction.NotFound"},
      {"action in another case", v1_but("ResetDisk", "resetdisk"), 404, "InvalidAction.NotFound"},
      {"long action", v1_but("ResetDisk", std::string(4096, 'R')), 404, "InvalidAction.NotFound"},

      {"V3: no action", v3_but("x-acs-action: ResetDisk\r\n", ""), 400, "MissingParameter"},
      {"V3: no version", v3_but("x-acs-version: 2014-05-26\r\n", ""), 400, "MissingParameter"},
      {"V3: no date", v3_but("x-acs-date: {now}\r\n", ""), 400, "MissingParameter"},
      {"V3: no nonce", v3_but("x-acs-signature-nonce: {nonce}\r\n", ""), 400, "MissingParameter"},
      {"V3: no content hash", v3_but("x-acs-content-sha256: {hash}\r\n", ""), 400, "MissingParameter"},
      {"V3: no host", v3_but("Host: {host}\r\n", ""), 400, "MissingParameter", Reach::kGateway},
      {"V3: empty nonce", v3_but("nonce: {nonce}", "nonce: "), 400, "MissingParameter"},
      {"V3: no Authorization", v3_but("Authorization: ", "X-Authorization: "), 400, "MissingParameter"},
      {"V3: RSA", v3_but("ACS3-HMAC-SHA256", "ACS3-RSA-SHA256"), 400, "IncompleteSignature"},
      {"V3: SM3", v3_but("ACS3-HMAC-SHA256", "ACS3-HMAC-SM3"), 400, "IncompleteSignature"},
      {"V3: an algorithm alone", v3_but(" Credential={id},SignedHeaders=" + kV3Names + ",Signature={sign3}", ""), 400, "IncompleteSignature"},
      {"V3: no Credential", v3_but("Credential={id},", ""), 400, "IncompleteSignature"},
      {"V3: no SignedHeaders", v3_but("SignedHeaders=" + kV3Names + ",", ""), 400, "IncompleteSignature"},
      {"V3: empty SignedHeaders", v3_but("SignedHeaders=" + kV3Names, "SignedHeaders="), 400, "IncompleteSignature"},
      {"V3: no Signature", v3_but(",Signature={sign3}", ""), 400, "IncompleteSignature"},
      {"V3: one field more", v3_but(",Signature", ",Region=cn,Signature"), 400, "IncompleteSignature"},
      {"V3: SignedHeaders not sorted", v3_but("host;x-acs-action", "x-acs-action;host"), 400, "IncompleteSignature"},
      {"V3: SignedHeaders in capitals", v3_but("=host;", "=Host;"), 400, "IncompleteSignature"},
      {"V3: a name twice", v3_but("=host;", "=host;host;"), 400, "IncompleteSignature"},
      {"V3: an empty name", v3_but("=host;", "=host;;"), 400, "IncompleteSignature"},
      {"V3: host not signed", v3_but("=host;", "="), 400, "IncompleteSignature"},
      {"V3: action not signed", v3_but(";x-acs-action", ""), 400, "IncompleteSignature"},
      {"V3: nonce not signed", v3_but(";x-acs-signature-nonce", ""), 400, "IncompleteSignature"},
      {"V3: signed header is not there", v3_but("=host;", "=accept;host;"), 400, "IncompleteSignature"},
      {"V3: signed header comes twice", v3_but("x-acs-date: {now}\r\n", "x-acs-date: {now}\r\nx-acs-date: {now}\r\n"), 400, "IncompleteSignature"},
      {"V3: two Authorizations", v3_but("Authorization: ", "Authorization: ACS3-x\r\nAuthorization: "), 400, "IncompleteSignature"},
      {"V3: time of another shape", v3_but("{now}", "20160223T124624Z"), 400, "InvalidTimeStamp.Format"},
      {"V3: too old", v3_but("{now}", "{past}"), 400, "InvalidTimeStamp.Expired"},
      {"V3: too early", v3_but("{now}", "{future}"), 400, "InvalidTimeStamp.Expired"},
      {"V3: unknown key", v3_but("{id}", "unknown"), 404, "InvalidAccessKeyId.NotFound"},
      {"V3: wrong signature", v3_but("{sign3}", std::string(64, '0')), 400, "SignatureDoesNotMatch"},
      {"V3: short signature", v3_but("{sign3}", "0"), 400, "SignatureDoesNotMatch"},
      {"V3: hash of another body", v3_but("{hash}", std::string(64, '0')), 400, "SignatureDoesNotMatch"},
      {"V3: hash left open", v3_but("{hash}", "UNSIGNED-PAYLOAD"), 400, "SignatureDoesNotMatch"},
      {"V3: another version", v3_but("2014-05-26", "2015-05-26"), 400, "InvalidVersion"},
      {"V3: unknown action", v3_but("ResetDisk", "ResetDisc"), 404, "InvalidAction.NotFound"},
      {"V3: twice in the query", v3_but("DiskId=d-1", "DiskId=d-1&DiskId=d-2"), 400, "InvalidParameter"},
      {"V3: body of JSON", post("/", "Content-Type: application/json\r\n" + kV3Headers, "{}"), 400, "InvalidRequest"},

      {"no HTTP", "hello\r\n\r\n", 400, "", Reach::kWire},
      {"no version", "GET /\r\n\r\n", 400, "", Reach::kWire},
      {"another protocol", bare + " FTP/1.1\r\nHost: {host}\r\n\r\n", 400, "", Reach::kWire},
      {"blank in the target", bare + "&a=b c HTTP/1.1\r\nHost: {host}\r\n\r\n", 400, "", Reach::kWire},
      {"NUL in the request line", std::string("GET /?a=\0 HTTP/1.1\r\nHost: {host}\r\n\r\n", 36), 400, "", Reach::kWire},
      {"TLS", "\x16\x03\x01\x02", 400, "", Reach::kWire},
      {"negative length", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n", 400, "", Reach::kWire},
      {"length that is no number", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n", 400, "", Reach::kWire},
      {"length beyond all measure", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, "", Reach::kWire},
      {"two lengths", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello", 400, "", Reach::kWire},
      {"length and chunks", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "", Reach::kWire},
      {"chunk without a length", "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400, "", Reach::kWire},
      {"length in base 16", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x10\r\n\r\n", 400, "", Reach::kWire},
      {"length with a sign", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: +0\r\n\r\n", 400, "", Reach::kWire},
      {"list of lengths", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0, 5\r\n\r\nhello", 400, "", Reach::kWire},
      {"no length at all", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length:\r\n\r\n", 400, "", Reach::kWire},
      {"blank before a colon", "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "", Reach::kWire},
      {"continued line", "GET / HTTP/1.1\r\nHost: {host}\r\nX: a\r\n b\r\n\r\n", 400, "", Reach::kWire},
      {"line feed alone", "GET / HTTP/1.1\nHost: {host}\n\n", 400, "", Reach::kWire},
      {"header without a colon", "GET / HTTP/1.1\r\nHost: {host}\r\nhello\r\n\r\n", 400, "", Reach::kWire},
      {"body shorter than its length", "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nabc", 400, "", Reach::kWire},
  };
}
// clang-format on

}  // namespace blkrewind::serve
