#include "cli/serve/answer.h"

#include <pugixml.hpp>

#include "cli/serve/api_errors.h"
#include "cli/serve/api_status.h"
#include "cli/serve/recommend.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

// An SDK compares these strings literally.
constexpr const char* kJsonType = "application/json;charset=utf-8";
constexpr const char* kXmlType = "text/xml;charset=utf-8";
constexpr const char* kDeclaration = "<?xml version='1.0' encoding='UTF-8'?>";

class StringWriter : public pugi::xml_writer {
 public:
  explicit StringWriter(std::string& text) : text_(text) {}
  void write(const void* data, std::size_t size) override {
    text_.append(static_cast<const char*>(data), size);
  }

 private:
  std::string& text_;
};

void append_element(pugi::xml_node& parent, const std::string& name, const Json& value) {
  if (value.is_array()) {
    for (const Json& item : value) append_element(parent, name, item);
    return;
  }
  pugi::xml_node node = parent.append_child(name.c_str());
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) append_element(node, key, item);
  } else if (const auto* const text = value.get_ptr<const std::string*>()) {
    node.text().set(xml_text(*text).c_str());
  } else if (!value.is_null()) {
    node.text().set(value.dump().c_str());
  }
}

Answer answer_of(Format format, int status, const std::string& root, const Json& json) {
  if (format == Format::kJson) {
    return {status, kJsonType, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
  }
  pugi::xml_document document;
  append_element(document, root, json);
  Answer answer{status, kXmlType, kDeclaration};
  StringWriter writer(answer.body);
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return answer;
}

ShownError api_text(const ApiText& text) {
  return {http_status(text.code), std::string(to_string(text.code)), std::string(text.message), {}};
}

}  // namespace

Answer render(Format format, std::string_view action, std::string_view request_id,
              const Json& fields) {
  Json json;
  json["RequestId"] = request_id;
  if (fields.is_object()) json.update(fields);
  return answer_of(format, 200, std::string(action) + "Response", json);
}

ShownError shown(const Error& error) {
  const auto own = [&](ApiCode code) {
    return ShownError{http_status(code), std::string(to_string(code)), error.message,
                      recommend(error.remedy)};
  };
  if (error.api) return own(*error.api);
  switch (error.code) {
    case Errc::kBusy:
      return api_text(kConflict);
    case Errc::kInvalidArgument:
    case Errc::kNotFound:
      return own(ApiCode::kInvalidParameter);
    case Errc::kAlreadyExists:
    case Errc::kPrecondition:
      return own(ApiCode::kOperationDenied);
    case Errc::kCancelled:
      return api_text(kUnavailable);
    case Errc::kIo:
    case Errc::kNoSpace:
    case Errc::kIntegrity:
    case Errc::kUnsupported:
    case Errc::kInternal:
      return api_text(kInternalError);
  }
  return api_text(kInternalError);
}

Answer render_error(Format format, std::string_view request_id, std::string_view host_id,
                    const Error& error) {
  const ShownError what = shown(error);
  Json json;
  json["RequestId"] = request_id;
  json["HostId"] = host_id;
  json["Code"] = what.code;
  json["Message"] = what.message;
  if (!what.recommend.empty()) json["Recommend"] = what.recommend;
  return answer_of(format, what.status, "Error", json);
}

}  // namespace blkrewind::serve
