#include "cli/serve/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "cli/serve/secret_file.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kKeyFileBytesMax = std::size_t{64} * 1024;

// Otherwise OpenSSL would prompt on the terminal for the passphrase of an encrypted key.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) { return 0; }

Error tls_error(const std::string& what, Remedy remedy) {
  std::array<char, 256> text = {};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = what + ": " + text.data();
  error.remedy = std::move(remedy);
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
  // Read permissions are left to the administrator: containers often mount it readable by all.
  BLKREWIND_ASSIGN(const auto text, read_secret_file(key, {.what = "the private key",
                                                           .kind = "the PEM file with the key",
                                                           .bytes_max = kKeyFileBytesMax,
                                                           .others_may_read = true}));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bytes(
      BIO_new_mem_buf(text->view().data(), static_cast<int>(text->view().size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> read(
      PEM_read_bio_PrivateKey(bytes.get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
  if (!read || SSL_CTX_use_PrivateKey(context.get(), read.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return fail(tls_error("cannot use the private key " + key,
                          "name the PEM file with the key of that certificate"));
  }
  return context;
}

}  // namespace blkrewind::serve
