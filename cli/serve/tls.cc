#include "cli/serve/tls.h"

#include <openssl/err.h>

#include <array>

namespace blkrewind::serve {
namespace {

Error tls_error(const std::string& what, std::string hint) {
  std::array<char, 256> text = {};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = what + ": " + text.data();
  error.hint = std::move(hint);
  return error;
}

}  // namespace

Result<TlsContext> load_tls(const std::string& certificate, const std::string& key) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(Errc::kInternal, "OpenSSL could not be set up");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
    return fail(tls_error("cannot use the certificate " + certificate,
                          "name a PEM file with the certificate and its chain"));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return fail(tls_error("cannot use the private key " + key,
                          "name the PEM file with the key of that certificate"));
  }
  return context;
}

}  // namespace blkrewind::serve
