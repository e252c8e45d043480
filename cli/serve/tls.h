// Loads the server's certificate and key for OpenSSL.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind::serve {

struct TlsContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, TlsContextFree>;

// TLS 1.2 or newer. `certificate`: a PEM file with the chain, the server's own first; `key`: its
// private key, in a file that is checked like that of the access keys (others may read it, but not
// write to it). Errors: kInvalidArgument, naming the file, and read_secret_file()'s.
[[nodiscard]] Result<TlsContext> load_tls(const std::string& certificate, const std::string& key);

}  // namespace blkrewind::serve
