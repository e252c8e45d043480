// The digest of all rows of a catalog of versions 1 to 3, stored in one of its tables. Since
// version 4 each row has a seal (catalog_seals.h); an older catalog is verified once for each
// change of it by another connection.
#pragma once

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// False if the tables do not match the stored digest. True also if there is no stored digest, as in
// early catalogs. Called inside a transaction; throws SQLite::Exception.
[[nodiscard]] bool content_digest_matches(SQLite::Database& database);

}  // namespace blkrewind::control
